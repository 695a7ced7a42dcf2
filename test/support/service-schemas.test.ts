// Protects: what emulated services accept and answer, and the errors that tests let services give, are those of the
// services' own models.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { errorStatuses, isService, requestMembers, unknownParts } from './service-schemas.ts';

const TESTS = join(import.meta.dirname, '..');
const sources = readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, text: readFileSync(join(TESTS, name), 'utf8') }));

/** An error that a test lets a service give. */
interface Given {
  readonly where: string;
  readonly service: string;
  readonly status: number;
  readonly code: string;
}

/** How tests write errors: each finds a service, a status and a code by these names. */
const WRITTEN = [
  /failNext\(\s*'(?<service>\w+):\w+',\s*(?<status>\d{3}),\s*'(?<code>[\w.]+)'/g,
  /errorFor\(\s*'(?<service>\w+)',\s*(?<status>\d{3}),\s*'(?<code>[\w.]+)'/g,
  /sqsFault\((?<status>\d{3}),\s*'(?<code>[\w.]+)'/g,
  /\[\s*(?<status>\d{3}),\s*'(?<code>KMS\.\w+)'/g,
  /status: (?<status>\d{3}), code: '(?<code>KMS\.\w+)'/g,
  /failure\('(?<code>KMS\.\w+)', (?<status>\d{3})\)/g,
];

const given: readonly Given[] = sources.flatMap(({ name, text }) =>
  WRITTEN.flatMap((pattern) =>
    [...text.matchAll(pattern)].map(({ groups = {} }) => {
      const { service, status, code = '' } = groups;
      const where = `${name}: ${status} ${code}`;
      return { where, service: service ?? (code.startsWith('KMS.') ? 's3' : 'sqs'), status: Number(status), code };
    }),
  ),
);

describe('what tests take for AWS', () => {
  it('gives errors with the statuses of their models', async () => {
    let known = 0;
    const wrong: string[] = [];
    for (const { where, service, status, code } of given) {
      if (!isService(service)) continue;
      const expected = (await errorStatuses(service)).get(code);
      if (expected === undefined) continue;
      known += 1;
      if (expected !== status) wrong.push(`${where}, expected ${expected}`);
    }
    expect(wrong).to.deep.equal([]);
    expect(known).to.be.above(5);
  });

  it('gives only errors of KMS that KMS has, as S3 passes them on: 400, or 500 if KMS itself fails', async () => {
    const errors = await errorStatuses('kms');
    // Common to all services (KMS: common errors).
    const common = ['AccessDeniedException', 'ThrottlingException'];
    const ofKey = given.filter(({ code }) => code.startsWith('KMS.'));
    const wrong = ofKey.filter(({ code, status }) => {
      const name = code.slice('KMS.'.length);
      const expected = (errors.get(name) ?? 400) < 500 ? 400 : 500;
      return !(errors.has(name) || common.includes(name)) || status !== expected;
    });
    expect(wrong).to.deep.equal([]);
    expect(ofKey).to.have.length.above(8);
  });

  it('lets the emulated Auto Scaling accept only members that its requests have', async () => {
    const members = await requestMembers('autoscaling');
    const read = sources
      .filter(({ name }) => name.startsWith(join('support', 'grid', 'scaling')))
      .flatMap(({ text }) => [
        ...[...text.matchAll(/\.(?:text|need|number|flag|list|each|at)\('([\w.]+)'\)/g)].map(([, name = '']) => name),
        ...[...(/const KEPT = \[([^\]]*)\]/.exec(text)?.[1] ?? '').matchAll(/'(\w+)'/g)].map(([, name = '']) => name),
      ]);
    expect(read).to.have.length.above(40);
    const unknown = read.flatMap((name) => name.split('.')).filter((name) => name !== 'Action' && !members.has(name));
    expect([...new Set(unknown)]).to.deep.equal([]);
  });

  it('would notice a member that a model does not have, at any depth', async () => {
    const group = { AutoScalingGroupName: 'a', Instances: [{ InstanceId: 'i', Type: 'x' }], Size: 3 };
    const found = await unknownParts('autoscaling', 'DescribeAutoScalingGroups', { AutoScalingGroups: [group] });
    expect(found).to.deep.equal(['AutoScalingGroups[0].Instances[0].Type', 'AutoScalingGroups[0].Size']);
    expect(await unknownParts('autoscaling', 'DescribeGroups', {})).to.deep.equal(['there is no DescribeGroups']);
  });
});
