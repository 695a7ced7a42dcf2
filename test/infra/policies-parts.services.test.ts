// Protects: people who set up one part of a stack get a policy that suffices for it, and for nothing else.
import { expect } from 'chai';
import type { PolicyDocument } from '../../src/infra/policy.ts';
import { STACK_PARTS, type StackPart } from '../../src/infra/resource.ts';
import { roleName } from '../../src/lib/stack-names.ts';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { othersIn } from '../support/grid/leftovers.ts';
import { actionsOf, allows, type Call, callsOf, idleGrants } from '../support/iam.ts';
import { startTlsFront } from '../support/servers/proxies.ts';
import { startSimpleDb } from '../support/servers/simpledb-server.ts';
import { StackWorkspace } from './stack-workspace.ts';
import { changeStack, openToAll, policyOfAll, STRANGER } from './strangers.ts';

/** Characters, without white space, that a managed policy may have (IAM: quotas). */
const MOST = 6_144;

describe("the parts of the administrator's policy", function () {
  this.timeout(400_000);
  const simpledb = forSuite(() => startSimpleDb());
  const cloud = forSuite(() => startCloud({ simpledb: simpledb.url, pace: { second: 20 }, facts: true }));
  const front = forSuite(() => startTlsFront(cloud.url));
  const strangers = forSuite(() => othersIn(cloud));
  const workspace = forSuite(
    () => new StackWorkspace(cloud, { AWS_ENDPOINT_URL_S3: front.url, AWS_CA_BUNDLE: front.ca }),
  );
  const calls: Record<StackPart, Call[]> = { data: [], iam: [], grid: [], manager: [] };
  const policies: Partial<Record<StackPart, PolicyDocument>> = {};
  const policyOf = (part: StackPart): PolicyDocument => policies[part] ?? { Version: '2012-10-17', Statement: [] };

  before(async () => {
    const [boundary, other] = [await policyOfAll(strangers, 'boundary'), await policyOfAll(strangers, 'other')];
    const profile = {
      ledger: { kind: 'simpledb', domains: 2 },
      iam: { permissionsBoundary: boundary },
      manager: { allow: ['203.0.113.0/24'] },
    };
    workspace.configure(profile);
    const { stack } = workspace;
    const as = async (part: StackPart, act: () => Promise<unknown>): Promise<void> => {
      cloud.takeCalls();
      await act();
      const asked = cloud.takeCalls().filter(({ accessKeyId }) => accessKeyId !== STRANGER);
      calls[part].push(...asked.flatMap((call) => callsOf(call, { account: cloud.account, stack, boundary })));
    };
    for (const part of STACK_PARTS) {
      await as(part, async () => {
        await workspace.answer(['infra', 'plan', '--only', part]);
        await workspace.up('--only', part);
        await workspace.answer(['infra', 'status', '--only', part]);
      });
    }
    // The role of an existing profile is read; instances without a public address need routes.
    workspace.configure({ ...profile, iam: { ...profile.iam, workerProfile: roleName(stack, 'worker') } }, stack);
    await as('iam', () => workspace.answer(['infra', 'plan', '--only', 'iam']));
    workspace.configure({ ...profile, network: { publicIp: false } }, stack);
    for (const part of ['grid', 'manager'] as const) {
      await as(part, () => workspace.answer(['infra', 'plan', '--only', part], 3));
    }
    await changeStack(strangers, stack, other);
    await openToAll(strangers, `${stack}-manager`);
    const groups = { default: { visibility: '90s', instances: ['m7g.large'] }, gpu: { instances: ['g5.xlarge'] } };
    workspace.configure({ ...profile, groups, tags: { team: 'claims' } }, stack);
    for (const part of STACK_PARTS) {
      await as(part, async () => {
        await workspace.answer(['infra', 'status', '--only', part], 11);
        await workspace.up('--only', part);
      });
    }
    workspace.configure(
      { ...profile, groups, tags: { team: 'claims' }, ledger: { kind: 'simpledb', domains: 1 } },
      stack,
    );
    await as('data', () => workspace.answer(['infra', 'status', '--only', 'data'], 11));
    // Enough versions of the templates that the first ones are deleted.
    for (const count of [1, 2, 3, 4, 5]) {
      const changed = { ...groups, gpu: { ...groups.gpu, disk: `${30 + count}GB` } };
      const manager = { ...profile.manager, instance: count % 2 === 0 ? 't4g.small' : 't4g.medium' };
      workspace.configure({ ...profile, groups: changed, manager }, stack);
      for (const part of ['grid', 'manager'] as const) await as(part, () => workspace.up('--only', part));
    }
    for (const part of STACK_PARTS) {
      const { stdout } = await workspace.run(['infra', 'policies', '--for', 'admin', '--only', part]);
      policies[part] = JSON.parse(stdout);
    }
    await workspace.down('--delete-data', '--timeout', '1s');
  });

  for (const part of STACK_PARTS) {
    it(`let an administrator of only ${part} do everything for it, and no more`, () => {
      const policy = policyOf(part);
      expect(calls[part].filter((call) => !allows(policy, call))).to.deep.equal([]);
      expect(idleGrants(policy, calls[part])).to.deep.equal([]);
      expect(JSON.stringify(policy).length).to.be.below(MOST);
    });
  }

  it('let only an administrator of roles create one or change its permissions', () => {
    for (const part of STACK_PARTS) {
      const writes = actionsOf(policyOf(part)).filter((action) => /^iam:(Create|Put|Attach|Update)/.test(action));
      const linked = writes.filter((action) => action !== 'iam:CreateServiceLinkedRole');
      if (part !== 'iam') expect(linked, part).to.deep.equal([]);
    }
  });

  it('exist only for the administrator: --only is rejected for other roles', async () => {
    const { code, stderr } = await workspace.run(['infra', 'policies', '--for', 'worker', '--only', 'iam']);
    expect(code).to.equal(2);
    expect(stderr).to.include('--only requires --for admin');
  });
});
