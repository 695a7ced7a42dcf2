// Protects: infra check --for-real runs a full round in its own stack, tries there what a shared account may do to it,
// reports it without account ids, and leaves nothing.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { faultCommands } from '../../src/infra/check.ts';
import { departures, hasModels, readModel } from '../support/aws-model.mjs';
import { awsProfile } from '../support/aws-profile.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { Authorizer } from '../support/grid/authorizer.ts';
import type { CloudCall } from '../support/grid/front.ts';
import { GridWorld } from '../support/grid/grid-world.ts';
import { leftovers } from '../support/grid/leftovers.ts';
import { idleParts } from '../support/iam-reference.ts';
import { until } from '../support/until.ts';

interface Report {
  readonly verdict: string;
  readonly stack: string;
  readonly account: string;
  readonly left: readonly string[];
  readonly remove: string | null;
  readonly cost: { readonly most: number };
  readonly steps: readonly { readonly step: string; readonly status: string; readonly seen: readonly string[] }[];
  readonly logs: readonly { readonly lines: readonly string[] }[];
}

/** A statement of the policy for AWS FIS. */
interface Stated {
  readonly Effect: 'Allow';
  readonly Action: string;
  readonly Resource: string;
}

/** The access key of the account's owner, who may do everything. */
const OWNER = 'AKIDOWNER';
/** Seconds that each of the check's tasks takes. */
const TASK = '0.3';

describe('infra check', function () {
  this.timeout(600_000);
  // The roles of instances are judged by their policies, with what the check denies.
  const authorizer = new Authorizer();
  const world = forSuite(() => GridWorld.open(30, {}, {}, { authorizer }));
  afterEach(function () {
    if (this.currentTest?.state === 'failed') console.error(authorizer.refused, world?.consoles());
  });

  const batchctl = (...args: readonly string[]) =>
    world.start(args, { BATCHCTL_TEST_CHECK_SECONDS: TASK, AWS_ACCESS_KEY_ID: OWNER });
  const check = (...flags: readonly string[]) => batchctl('infra', 'check', '--json', ...flags);
  const statuses = ({ steps }: Report) => Object.fromEntries(steps.map(({ step, status }) => [step, status]));

  it('only plans without --for-real', async () => {
    const report: Report = jsonOf(await check().ended);
    expect(report).to.include({ verdict: 'planned', remove: null });
    expect(statuses(report)).to.include({ plan: 'ok', up: 'planned', inventory: 'planned' });
    expect(await leftovers(world.cloud)).to.deep.equal([]);
  });

  it('creates a stack, completes a job through an interruption, and removes everything', async () => {
    const running = check('--for-real', '--yes', '-o', 'report.json');
    await until('it asks for the interruption', () => running.printed().includes('aws fis start-experiment'), 300_000);
    const [first] = world.cloud.grid.instances();
    if (first === undefined) throw new Error('there is no instance');
    expect(first).to.include({ type: 't4g.small', lifeCycle: 'spot' });
    // Enough for its worker to read the notice on a busy machine.
    world.cloud.grid.interrupt(first, 15);
    const { stdout } = expectExit(await running.ended);
    const report: Report = JSON.parse(stdout);
    expect(new Set(Object.values(statuses(report))), stdout).to.deep.equal(new Set(['ok']));
    expect(report).to.deep.include({ verdict: 'ok', left: [], remove: null, account: '********9012' });
    expect(report.stack).to.match(/^batchctl-check-/);
    expect(await leftovers(world.cloud)).to.deep.equal([]);
    // What a shared account may do to a stack was tried: the refusals, the versions that were read, the group that shrank.
    const seen = (name: string): string => report.steps.find(({ step }) => step === name)?.seen.join('\n') ?? '';
    expect(seen('neighbours')).to.include(`role ${report.stack}-worker`).and.include(`queue ${report.stack}-default`);
    const [, version = ''] = /has version (\S+)/.exec(seen('versions')) ?? [];
    const reads = world.cloud.calls.filter(
      ({ method, url, accessKeyId }) =>
        method === 'GET' && url.pathname.endsWith('/data/check.txt') && accessKeyId !== OWNER,
    );
    expect(reads).to.have.length.of.at.least(20);
    expect(new Set(reads.map(({ url }) => url.searchParams.get('versionId')))).to.deep.equal(new Set([version]));
    expect(seen('ending')).to.match(
      /^i-[0-9a-f]+ has left: At .* a user request explicitly set group desired capacity/,
    );
    expect(authorizer.refused.join('\n')).to.match(
      /^\S+-worker: autoscaling:TerminateInstanceInAutoScalingGroup on \S+-default$/m,
    );
    // The report as people send it to others.
    const kept = readFileSync(world.path('report.json'), 'utf8');
    expect(JSON.parse(kept)).to.deep.equal(report);
    const text = readFileSync(world.path('report.txt'), 'utf8');
    expect(text)
      .to.match(/^ok +interruption .*i-[0-9a-f]+/m)
      .and.include('left: nothing');
    for (const output of [kept, text])
      expect(output).to.include('interrupts this spot instance').and.not.include(world.cloud.account);
  });

  it("removes what it created when it is interrupted; if it can't, it prints the command that does, and that works", async () => {
    let denied = true;
    const deletion = ({ action }: { readonly action: string }) => denied && action === 'DeleteLaunchTemplate';
    world.cloud.failNext(deletion, 403, 'UnauthorizedOperation', 'no', 100);
    const running = check('--for-real', '--yes', '-o', 'cut.json');
    await until('it waits for an instance', () => running.printed().includes('ok: submit'), 300_000);
    // What a check that is killed now leaves behind.
    const kept: Report = JSON.parse(readFileSync(world.path('cut.json'), 'utf8'));
    expect(kept).to.deep.include({ verdict: 'running', remove: `batchctl infra check --remove ${kept.stack} --yes` });
    running.child.kill('SIGINT');
    const { stdout, stderr } = expectExit(await running.ended, 130);
    const report: Report = JSON.parse(stdout);
    expect(report).to.include({ verdict: 'interrupted' });
    expect(statuses(report)).to.include({ submit: 'ok', verify: 'skipped', down: 'failed', inventory: 'failed' });
    // The template names the profile, which has the role; the rest doesn't use it, and is removed.
    const { stack } = report;
    expect(report.left).to.deep.equal([
      `role ${stack}-worker`,
      `profile ${stack}-worker`,
      `launchTemplate ${stack}-default`,
    ]);
    expect(await leftovers(world.cloud)).to.include(`launchTemplate ${report.stack}-default`);
    expect(stderr).to.include(`remove them with: ${report.remove}`);
    denied = false;
    const [, ...words] = (report.remove ?? '').split(' ');
    const shown = await batchctl(...words, '--dry-run', '--json').ended;
    expect((JSON.parse(shown.stdout) as Report).left).to.deep.equal(report.left);
    expectExit(await batchctl(...words).ended);
    expect(await leftovers(world.cloud)).to.deep.equal([]);
  });

  it('can be killed while it denies the worker its right: the command in its report removes versions and denial', async () => {
    const running = check('--for-real', '--yes', '-o', 'killed.json');
    const denies = ({ action, body, accessKeyId }: CloudCall): boolean =>
      action === 'PutRolePolicy' && accessKeyId === OWNER && body.includes('PolicyName=batchctl-check');
    const already = world.cloud.calls.filter(denies).length;
    await until('it denies', () => world.cloud.calls.filter(denies).length > already, 300_000);
    running.child.kill('SIGKILL');
    await running.ended;
    const kept: Report = JSON.parse(readFileSync(world.path('killed.json'), 'utf8'));
    expect(statuses(kept)).to.include({ interruption: 'skipped', job: 'ok', verify: 'ok' });
    const [, ...words] = (kept.remove ?? '').split(' ');
    expectExit(await batchctl(...words).ended);
    expect(await leftovers(world.cloud)).to.deep.equal([]);
  });

  it('fails with the reason if no instance can be launched, and removes what it created', async () => {
    world.cloud.grid.failLaunches('quota');
    const { code, stdout, stderr } = await check('--for-real', '--yes').ended;
    world.cloud.grid.failLaunches(null);
    expect(code, stderr).to.equal(11);
    const report: Report = JSON.parse(stdout);
    expect(report).to.deep.include({ verdict: 'failed', left: [], remove: null });
    expect(statuses(report)).to.include({ submit: 'ok', boot: 'failed', job: 'skipped', down: 'ok', inventory: 'ok' });
    expect(report.steps.find(({ step }) => step === 'boot')?.seen.join()).to.include('quota: ');
    expect(await leftovers(world.cloud)).to.deep.equal([]);
  });

  it('reports obstacles, and creates nothing', async () => {
    const refused = await check('--for-real', '-o', 'refused.json').ended;
    expect(refused.code).to.equal(7);
    expect(refused.stderr)
      .to.match(/costs at most \$\d\.\d\d/)
      .and.include('not confirmed');
    const unfit = await check('--for-real', '--yes', '--instance', 'x9.huge', '-o', 'unfit.json').ended;
    expect(unfit.code).to.equal(3);
    const report: Report = JSON.parse(readFileSync(world.path('unfit.json'), 'utf8'));
    expect(report).to.include({ verdict: 'failed', remove: null });
    expect(report.steps).to.have.length(1);
    expect(report.steps[0]?.seen.join()).to.include('x9.huge');
    const foreign = await check('--remove', world.stack, '--yes').ended;
    expect(foreign.code).to.equal(2);
    expect(await leftovers(world.cloud)).to.deep.equal([]);
  });

  it('prints commands that AWS FIS and IAM accept', async function () {
    if (!hasModels()) this.skip();
    const profile = await awsProfile({ stack: 'batchctl-check-aaaaaaaa' });
    const { prepare, interrupt, remove } = faultCommands({ ...profile, account: '123456789012' });
    const [template] = prepare.slice(-1).map((line) => JSON.parse(/--cli-input-json '(.*)'$/.exec(line)?.[1] ?? ''));
    const fis = readModel('fis');
    // The command line generates the token.
    expect(departures(fis, 'CreateExperimentTemplate', { ...template, clientToken: 'a' })).to.deep.equal([]);
    const policies = prepare.flatMap((line) => /--policy-document '(.*)'$/.exec(line)?.[1] ?? []);
    expect(policies).to.have.length(1);
    const { Version, Statement } = JSON.parse(policies[0] ?? '') as { Version: '2012-10-17'; Statement: Stated[] };
    const listed = Statement.map((of, at) => ({ ...of, Sid: `S${at}`, Action: [of.Action], Resource: [of.Resource] }));
    expect(await idleParts({ Version, Statement: listed })).to.deep.equal([]);
    for (const line of [...prepare, interrupt, ...remove]) {
      const [, service = '', words = ''] = /^aws (\w+) ([a-z-]+) /.exec(line) ?? [];
      const operation = words.replace(/(^|-)([a-z])/g, (_all, _dash, letter: string) => letter.toUpperCase());
      expect(Object.keys(readModel(service).inputs), line).to.include(operation);
    }
  });
});
