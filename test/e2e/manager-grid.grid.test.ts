// Protects: a manager on AWS loses no work when it is killed, serves callers who have no AWS rights, and needs only its own.
import { readFileSync, writeFileSync } from 'node:fs';
import { DescribeAddressesCommand, EC2Client } from '@aws-sdk/client-ec2';
import { expect } from 'chai';
import { Chance } from '../support/chance.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { Authorizer } from '../support/grid/authorizer.ts';
import { type GridManager, gridManager, MANAGER_ENV } from '../support/grid/grid-manager.ts';
import { GridWorld } from '../support/grid/grid-world.ts';
import { leftovers } from '../support/grid/leftovers.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import type { Ended } from '../support/workspace.ts';

const SEED = Number(process.env.BATCHCTL_GRID_SEED ?? Date.now() % 100_000);
const TASKS = 240;
/** How often the manager's process is killed while the job runs. Its instance is killed once as well. */
const KILLS = 6;

/**
 * Permissions of its policy that nothing here uses: resuming large uploads, and ending an instance whose boot fails
 * (the policies' own test boots one).
 */
const SELDOM = [
  's3:ListMultipartUploadParts',
  's3:AbortMultipartUpload',
  's3:ListBucketMultipartUploads',
  'autoscaling:TerminateInstanceInAutoScalingGroup',
  's3:GetObjectVersion',
];

describe('a manager on AWS', function () {
  this.timeout(600_000);
  /** Everyone in this account has only the rights of their policy. */
  const authorizer = new Authorizer();
  let world: GridWorld;
  let token: string;
  let manager: GridManager;

  before(async () => {
    world = await GridWorld.open(6, { manager: { allow: ['203.0.113.0/24'] } }, MANAGER_ENV, { authorizer });
    await world.runSuccessfully('infra', 'up', '--yes');
    manager = await gridManager(world).catch((error: unknown) => {
      console.error(world.consoles());
      throw error;
    });
    token = await world.token('ops', 'operate');
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') console.error(authorizer.refused, world?.consoles());
  });
  after(() => world?.remove());

  /** Writes the profile of its callers, who have a token and no AWS credentials. */
  const writeRemoteProfile = (): void => {
    const file = world.path('batchctl.config.json');
    const { profiles, ...rest } = JSON.parse(readFileSync(file, 'utf8'));
    const { url, fingerprint } = manager;
    profiles.remote = { backend: 'manager', url, fingerprint, tokenEnv: 'BATCHCTL_OPS_TOKEN' };
    writeFileSync(file, JSON.stringify({ ...rest, profiles }));
  };
  const through = (...args: readonly string[]): Promise<Ended> =>
    world.run([...args, '--profile', 'remote'], {
      BATCHCTL_CONFIG: world.path('batchctl.config.json'),
      BATCHCTL_OPS_TOKEN: token,
      AWS_ACCESS_KEY_ID: '',
      AWS_SECRET_ACCESS_KEY: '',
      AWS_ENDPOINT_URL: '',
    });
  const addressOf = async (): Promise<string | undefined> => {
    const ec2 = new EC2Client({
      region: 'us-east-1',
      endpoint: world.cloud.url,
      credentials: { accessKeyId: 'AKIDAUDITOR', secretAccessKey: 's' },
    });
    const { Addresses = [] } = await ec2.send(new DescribeAddressesCommand({}));
    ec2.destroy();
    return Addresses[0]?.InstanceId;
  };

  it('starts with infra up, and answers at its address those with a token and its fingerprint', async () => {
    writeRemoteProfile();
    expectExit(await through('jobs'));
    expect(await addressOf()).to.equal(manager.instance);
    const wrong = { ...manager, fingerprint: `sha256:${'0'.repeat(64)}` };
    const right = manager;
    manager = wrong;
    writeRemoteProfile();
    const refused = await through('jobs');
    expect(refused.code, refused.stdout).to.equal(3);
    manager = right;
    writeRemoteProfile();
    await until('it left its mark', async () => (await world.keys('keepers/')).length > 0);
  });

  it('loses no task and charges no attempt when it, or its instance, is killed repeatedly', async () => {
    console.log(`      BATCHCTL_GRID_SEED=${SEED}`);
    const chance = new Chance(SEED);
    world.write('job.json', {
      name: 'storm',
      input: { split: { by: 'range', from: 1, to: TASKS } },
      // With one attempt, charging a death to a task would fail it.
      steps: [
        { name: 'work', run: 'read n; sleep 0.5; echo "$n"', attempts: 1, timeout: '60s' },
        { name: 'total', run: 'sort -n | tail -n 1', gather: true, attempts: 1 },
      ],
    });
    const { job } = jsonOf(await through('submit', 'job.json', '--json'));
    // Only the manager watches: it raises, opens the gather and closes.
    const every = TASKS / (KILLS + 2);
    const before = manager;
    for (let kill = 1; kill <= KILLS; kill += 1) {
      await until(`kill ${kill} is due`, () => world.published(job).length >= kill * every, 180_000);
      await until('a while has passed', later(chance.whole(0, 2_000)));
      if (kill === KILLS / 2) world.cloud.grid.kill(manager.instance);
      else world.supervisor.killProgram(manager.instance);
      manager = await gridManager(world, manager);
    }
    expect(manager.instance).to.not.equal(before.instance);
    expect(manager.fingerprint, 'callers who pinned it can continue').to.equal(before.fingerprint);
    await until('the address has moved to the new instance', async () => (await addressOf()) === manager.instance);
    writeRemoteProfile();
    expectExit(await through('wait', job, '--timeout', '4m'));
    const verified = await through('verify', job);
    expect(verified.code, verified.stderr + verified.stdout).to.equal(0);
    const keys = await world.keys(`jobs/${job}/steps/`);
    expect(keys.filter((key) => /\/(tries|failed)\//.test(key))).to.deep.equal([]);
    const [work] = jsonOf(await through('status', job, '--json')).steps;
    expect(work).to.include({ total: TASKS, done: TASKS, failed: 0, retried: 0 });
    await until('the group is empty', () => world.cloud.grid.instances(world.group).length === 0, 180_000);
  });

  it('sizes groups and handles dead letters for callers without AWS permissions', async () => {
    world.write('job.json', rangeJob('bad', 1, { name: 'work', run: 'exit 3', attempts: 1 }));
    world.cloud.grid.failLaunches('capacity');
    const { job } = jsonOf(await through('submit', 'job.json', '--json'));
    expect((await through('why', job)).stdout).to.include('capacity');
    world.cloud.grid.failLaunches(null);
    expectExit(await through('wait', job, '--timeout', '2m'), 5);
    for (const change of [['--max', '3'], ['--manual'], ['--auto'], ['0']])
      expect((await through('scale', ...change)).code, change.join(' ')).to.equal(0);
    expect(jsonOf(await through('scale', '--json'))).to.include({ max: 3, mode: 'auto', desired: 0 });
    expectExit(await through('queue', 'redrive', '--job', job, '--yes'));
    // This retries it, in vain.
    expectExit(await through('wait', job, '--timeout', '3m'), 5);
    await until('the group is empty', () => world.cloud.grid.instances(world.group).length === 0, 180_000);
  });

  it('gets and needs exactly the permissions of its policy, and is removed with the stack', async () => {
    expect(await world.findDeniedCalls()).to.deep.equal([]);
    expect(await world.findIdlePermissions()).to.deep.equal(SELDOM);
    const down = await world.run(['infra', 'down', '--delete-data', '--confirm', world.stack]);
    expect(down.code, down.stderr + down.stdout).to.equal(0);
    expect(authorizer.refused).to.deep.equal([]);
    expect(await leftovers(world.cloud)).to.deep.equal([]);
    expect(world.supervisor.troubles).to.deep.equal([]);
  });
});

/** True once this many milliseconds have passed. */
function later(ms: number): () => boolean {
  const from = performance.now();
  return () => performance.now() - from >= ms;
}
