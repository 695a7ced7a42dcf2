// Protects: a manager does all its duties beside other stacks of the account, of its name in another region too, and may
// read and change nothing of theirs.
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { expect } from 'chai';
import { StackWorkspace } from '../infra/stack-workspace.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { type AccountClients, accountClients, clientConfig } from '../support/grid/account-clients.ts';
import { accountState } from '../support/grid/account-state.ts';
import { Authorizer } from '../support/grid/authorizer.ts';
import { gridManager, MANAGER_ENV } from '../support/grid/grid-manager.ts';
import { GridWorld } from '../support/grid/grid-world.ts';
import { changesOf, giveRole } from '../support/grid/others-resources.ts';
import { rangeJob } from '../support/range-job.ts';
import { rejection } from '../support/rejection.ts';
import { HookServer } from '../support/servers/hook-server.ts';
import { until } from '../support/until.ts';
import type { Ended } from '../support/workspace.ts';

const [HERE, THERE] = ['us-east-1', 'eu-west-1'];
const [SECRET, THEIR_SECRET] = ['hook', 'their-hook'];

describe('a manager in a shared account', function () {
  this.timeout(600_000);
  const authorizer = new Authorizer();
  const hook = forSuite(() => HookServer.start());
  const world = forSuite(() =>
    GridWorld.open(
      3,
      {
        manager: { allow: ['203.0.113.0/24'] },
        notify: [
          { on: ['succeeded', 'failed'], to: `http://127.0.0.1:${hook.port}/ops`, secret: `secretsmanager:${SECRET}` },
        ],
      },
      MANAGER_ENV,
      { authorizer },
    ),
  );
  /** The account's owner, who may do everything. */
  const here = forSuite(() => accountClients(world.cloud, { region: HERE }));
  const there = forSuite(() => accountClients(world.cloud, { region: THERE }));
  const beside = forSuite(() => new StackWorkspace(world.cloud));
  const abroad = forSuite(() => new StackWorkspace(world.cloud));

  let manager = '';
  let token = '';
  const secretsBy = (accessKeyId?: string) =>
    new SecretsManager(
      clientConfig(world.cloud, { region: HERE, maxAttempts: 1, ...(accessKeyId && { accessKeyId }) }),
    );
  /** What belongs to the other stacks. */
  const others = async () =>
    Object.entries(await accountState([here, there])).filter(
      ([name]) => !/^(us-east-1\/|role\/|profile\/|bucket\/)/.test(name) || /-two-|abroad/.test(name),
    );

  before(async () => {
    const owner = secretsBy();
    for (const Name of [SECRET, THEIR_SECRET]) await owner.createSecret({ Name, SecretString: `key of ${Name}` });
    owner.destroy();
    const groups = { default: { instances: ['c7g.large'], max: 2, visibility: '30s' } };
    // IAM has no regions, so the second stack of this name names a role that someone made for it.
    const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }] };
    await giveRole(here, 'abroad', policy);
    const iam = { workerProfile: 'abroad' };
    abroad.configure({ region: THERE, bucket: `${world.stack}-abroad`, groups, iam }, world.stack);
    beside.configure({ region: HERE, groups }, `${world.stack}-two`);
    world.cloud.grid.onLaunch(({ group, accessKeyId }) => {
      if (group === `${world.stack}-manager`) manager = accessKeyId;
    });
    await beside.up();
    await world.runSuccessfully('infra', 'up', '--yes');
    await abroad.up();
    await gridManager(world).catch((error: unknown) => {
      console.error(world.consoles());
      throw error;
    });
    token = await world.token('ops', 'operate');
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') console.error(authorizer.refused, world.consoles());
  });

  /** Runs a command through the manager, by a token and no rights in AWS. */
  async function through(...args: readonly string[]): Promise<Ended> {
    const { url, fingerprint } = await gridManager(world);
    const remote = { backend: 'manager', url, fingerprint, tokenEnv: 'BATCHCTL_OPS_TOKEN' };
    world.write('remote.json', { profile: 'remote', profiles: { remote } });
    return world.run(args, {
      BATCHCTL_PROFILE: 'remote',
      BATCHCTL_CONFIG: world.path('remote.json'),
      BATCHCTL_OPS_TOKEN: token,
      AWS_ACCESS_KEY_ID: '',
      AWS_SECRET_ACCESS_KEY: '',
      AWS_ENDPOINT_URL: '',
    });
  }
  const submit = async (): Promise<string> => jsonOf(await through('submit', 'job.json', '--json')).job;

  it('sends tasks, sizes the group, closes jobs and notifies by the rights of its role', async () => {
    const before = await others();
    world.write('job.json', rangeJob('count', 4, { name: 'work', run: 'cat' }));
    expectExit(await through('wait', await submit(), '--timeout', '4m'));
    await until('the group is empty', () => world.cloud.grid.instances(world.group).length === 0, 180_000);
    // No worker can close this one.
    world.cloud.grid.failLaunches('quota');
    expectExit(await through('cancel', await submit(), '--yes'));
    await until('both ends are known', () => hook.posts.length === 2);
    expect(authorizer.refused).to.deep.equal([]);
    expect(await world.findDeniedCalls()).to.deep.equal([]);
    const duties = world.cloud.calls.filter(({ accessKeyId }) => accessKeyId === manager);
    const actions = new Set(duties.map(({ service, action }) => `${service}:${action}`));
    expect([...actions]).to.include.members([
      's3:PUT',
      'sqs:SendMessageBatch',
      'autoscaling:SetDesiredCapacity',
      'secretsmanager:GetSecretValue',
    ]);
    expect(await others()).to.deep.equal(before);
  });

  it('may read its own secret, and neither read nor change what other stacks have', async () => {
    const before = await others();
    const by = (region: string): AccountClients =>
      accountClients(world.cloud, { region, accessKeyId: manager, maxAttempts: 1 });
    const [hereBy, thereBy, secrets] = [by(HERE), by(THERE), secretsBy(manager)];
    await secrets.getSecretValue({ SecretId: SECRET });
    const attempts = [
      ['a secret read', () => secrets.getSecretValue({ SecretId: THEIR_SECRET })] as const,
      ...(await changesOf(there, thereBy, { stack: world.stack, bucket: `${world.stack}-abroad`, role: 'abroad' })),
      ...(await changesOf(here, hereBy, { stack: `${world.stack}-two`, bucket: `${world.stack}-two` })),
    ];
    for (const [what, act] of attempts)
      expect((await rejection(act())).name, what).to.match(/^(AccessDenied|UnauthorizedOperation)/);
    expect(await others()).to.deep.equal(before);
    hereBy.close();
    thereBy.close();
    secrets.destroy();
  });
});
