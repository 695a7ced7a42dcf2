// Protects: the printed policies let groups run on AWS, and grant no permission that they never use.
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { policyFor } from '../../src/infra/policies.ts';
import type { PolicyDocument, Statement } from '../../src/infra/policy.ts';
import { managerUserData } from '../../src/infra/user-data.ts';
import { gridName, MANAGER_GROUP } from '../../src/lib/stack-names.ts';
import { bootMark, bundleKey } from '../../src/model/keys.ts';
import { bootLog } from '../support/boot/boot-in.ts';
import { forSuite } from '../support/fixture.ts';
import { accountClients, addressHolder, createPolicy } from '../support/grid/account-clients.ts';
import type { Cloud } from '../support/grid/cloud.ts';
import type { CloudCall } from '../support/grid/front.ts';
import type { GridInstance } from '../support/grid/grid.ts';
import { GridWorld, OPERATOR, ROLLER } from '../support/grid/grid-world.ts';
import { actionsOf, allows, type Call, callsOf, deniedBy, idleActions, printedPolicy } from '../support/iam.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { BootHost } from './boot-host.ts';
import { MANAGER } from './grid-lab.ts';

const MINUTE = 60_000;
/** The emulated account. */
const ACCOUNT = '123456789012';
/** A boundary that a company may set: some services, and nothing that grants permissions. */
const EDGE = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: ['s3:*', 'sqs:*', 'autoscaling:*', 'ec2:Describe*'], Resource: '*' },
    { Effect: 'Deny', Action: ['iam:*', 's3:*BucketPolicy'], Resource: '*' },
  ],
} as const;
/** The access keys of callers. */
const [INSTANCES, OPERATORS, ROLLERS] = [/^ASIA/, RegExp(OPERATOR), RegExp(ROLLER)];

/** The permissions that requests need, each judged for the group of the instance that it names. */
function permissionsOf({ grid, account }: Cloud, stack: string, calls: readonly CloudCall[]): readonly Call[] {
  const groupOf = (instance: string): string => grid.instance(instance).group;
  return calls.flatMap((call) => callsOf(call, { account, stack, groupOf }));
}

/** Actions, or resources, that match and that no call needs in their statement: `Self autoscaling:...`. */
function idleParts(
  policy: PolicyDocument,
  calls: readonly Call[],
  field: 'Action' | 'Resource',
  pattern: RegExp,
): readonly string[] {
  const needed = calls.filter((call) => allows(policy, call));
  const isIdle = (statement: Statement, part: string): boolean => {
    const narrower = { ...statement, [field]: statement[field].filter((each) => each !== part) };
    const rest = policy.Statement.map((each) => (each === statement ? narrower : each));
    return deniedBy({ Statement: rest }, needed).length === 0;
  };
  return policy.Statement.flatMap((statement) =>
    statement[field]
      .filter((part) => pattern.test(part) && isIdle(statement, part))
      .map((part) => `${statement.Sid} ${part}`),
  );
}

const idleOnGrid = (policy: PolicyDocument, calls: readonly Call[]): readonly string[] =>
  idleParts(policy, calls, 'Action', /^(autoscaling|ec2):/);

describe('the policies of a grid', () => {
  let world: GridWorld;
  let policies: Readonly<Record<'worker' | 'operator' | 'admin', PolicyDocument>>;

  before(async () => {
    const instances = { instances: ['c7g.large'], spot: false, max: 4, slots: 1, visibility: '30s' };
    const groups = { default: instances, full: instances, held: { ...instances, setup: 'setup.sh' } };
    const iam = { permissionsBoundary: `arn:aws:iam::${ACCOUNT}:policy/edge` };
    world = await GridWorld.open(4, { groups, iam });
    // Instances of the group `held` are in service, but never have a worker.
    world.write('setup.sh', '#!/bin/sh\nsleep 600\n');
    try {
      await runEverything();
    } catch (error) {
      console.error(world.consoles());
      throw error;
    }
    policies = {
      worker: await printedPolicy(world, 'worker'),
      operator: await printedPolicy(world, 'operator'),
      admin: await printedPolicy(world, 'admin'),
    };
  });
  after(() => world?.remove());

  const callsBy = (callers: RegExp): readonly CloudCall[] =>
    world.cloud.calls.filter(({ accessKeyId }) => callers.test(accessKeyId));
  const needed = (callers: RegExp): readonly Call[] => permissionsOf(world.cloud, world.stack, callsBy(callers));
  const workerRequests = (action: string, times = 1): Promise<true> =>
    until(
      `workers have requested ${action} ${times} times`,
      () => callsBy(INSTANCES).filter((call) => call.action === action && call.status === 200).length >= times,
      MINUTE,
    );
  const submit = (name: string, group: string, run: string, ...flags: readonly string[]): Promise<string> => {
    world.write('job.json', rangeJob(name, 1, { name: 'work', run, group }));
    return world.submit(...flags);
  };

  /** Lets a grid and its operator make every kind of request. */
  async function runEverything(): Promise<void> {
    const { cloud, stack } = world;
    const others = accountClients(cloud);
    await createPolicy(others, 'edge', ...EDGE.Statement);
    await world.runSuccessfully('infra', 'up', '--yes');
    for (const [group, instance] of [
      ['default', 'i-1'],
      ['held', 'i-1'],
      ['held', 'i-2'],
      ['held', 'i-3'],
    ] as const) {
      await others.s3.putObject({ Bucket: stack, Key: bootMark(group, instance, 'failed'), Body: '{}' });
    }
    cloud.grid.failLaunches('capacity', undefined, { group: gridName(stack, 'full') });
    const flags = join(world.supervisor.directory, 'flags');
    mkdirSync(flags);
    chmodSync(flags, 0o777);
    await submit('held', 'held', 'true', '--no-scale');
    const full = await submit('full', 'full', 'true', '--no-scale');
    const run = `echo >'${flags}/runs'; while [ ! -e '${flags}/go' ]; do sleep 0.1; done`;
    const job = await submit('default', 'default', run);
    const [first] = await until('the work runs', () => existsSync(join(flags, 'runs')) && serving('default'), MINUTE);
    // The group terminates the instance, and waits for its task. The replacement finds nothing to do.
    const termination = { InstanceId: first?.id, ShouldDecrementDesiredCapacity: false };
    await others.scaling.terminateInstanceInAutoScalingGroup(termination);
    await workerRequests('RecordLifecycleActionHeartbeat');
    writeFileSync(join(flags, 'go'), '');
    await workerRequests('CompleteLifecycleAction');
    await world.runSuccessfully('wait', job);
    // When the replacement is idle, it checks the other groups, and leaves.
    await workerRequests('TerminateInstanceInAutoScalingGroup');
    await workerRequests('CompleteLifecycleAction', 2);
    await until('both are gone', () => cloud.grid.instances(gridName(stack, 'default')).length === 0);

    expect((await world.run(['why', full])).stdout).to.include('capacity');
    await world.runSuccessfully('workers');
    await world.runSuccessfully('scale', '--max', '3', '--group', 'full');
    await world.runSuccessfully('scale', '--manual', '--group', 'full');
    await world.runSuccessfully('scale', '0', '--for', '2h', '--group', 'full');
    // A person's command ends the hold on the group.
    await world.runSuccessfully('scale', '1', '--group', 'held');
    await until('an instance is in service', () => serving('held').length === 1, MINUTE);
    const rolled = await world.runNext(['infra', 'release', '--roll', '--yes', '--timeout', '1s']);
    expect(rolled.stderr).to.include('not all instances were replaced within 1s');
    others.close();
  }

  const serving = (group: string): readonly GridInstance[] =>
    world.cloud.grid.instances(gridName(world.stack, group)).filter(({ state }) => state === 'InService');

  it('allow every call that was made, by instances within the boundary of their role', async () => {
    expect(await world.findDeniedCalls(EDGE)).to.deep.equal([]);
    const [statement] = EDGE.Statement;
    const narrower = { Statement: [{ ...statement, Action: ['s3:*', 'sqs:*', 'ec2:*'] }] };
    const denied = (await world.findDeniedCalls(narrower)).map((call) => call.replace(/ arn.*| \*$/, ''));
    expect(denied).to.include('worker: autoscaling:SetInstanceProtection');
    expect(denied.filter((call) => !/^worker: autoscaling:/.test(call))).to.deep.equal([]);
  });

  it('allow a worker nothing that it never called', () => {
    const { worker } = policies;
    const calls = needed(INSTANCES);
    expect(idleOnGrid(worker, calls)).to.deep.equal([]);
    // The keys of programs and of boot marks.
    expect(idleParts(worker, calls, 'Resource', /\/(releases|groups)\/.*\*$/)).to.deep.equal([]);
    expect(actionsOf(worker).filter((action) => action.startsWith('autoscaling:'))).to.have.length(8);
  });

  it('allow an operator nothing that was never called', () => {
    const { operator, admin } = policies;
    // Rolling out a release needs both roles: the administrator's policy covers some of its calls.
    const calls = [...needed(OPERATORS), ...deniedBy(admin, needed(ROLLERS))];
    // doctor uses these, for the hooks and the quotas: docs/aws-page.grid.test.ts, grid-validate.services.test.ts.
    expect(idleOnGrid(operator, calls)).to.deep.equal([
      'LookAtGroups autoscaling:DescribeLifecycleHooks',
      'LookAtTypes ec2:DescribeInstanceTypes',
    ]);
    expect(actionsOf(operator).filter((action) => action.startsWith('autoscaling:'))).to.have.length(7);
  });
});

/**
 * Calls of the running manager, which acts like an operator for people, and not of its boot. A running manager is tested
 * in e2e/manager-grid.grid.test.ts.
 */
const BY_THE_MANAGER = [
  'ec2:DescribeSpotPriceHistory',
  's3:GetObjectVersion',
  's3:DeleteObject',
  's3:ListMultipartUploadParts',
  's3:AbortMultipartUpload',
  's3:ListBucketMultipartUploads',
  'sqs:GetQueueUrl',
  'sqs:GetQueueAttributes',
  'sqs:ListQueueTags',
  'sqs:ReceiveMessage',
  'sqs:DeleteMessage',
  'sqs:ChangeMessageVisibility',
  'sqs:SendMessage',
  'autoscaling:SetDesiredCapacity',
  'autoscaling:UpdateAutoScalingGroup',
  'autoscaling:CreateOrUpdateTags',
  'autoscaling:DescribeAutoScalingGroups',
  'autoscaling:DescribeScalingActivities',
];

describe("the manager's policy", () => {
  const host = forSuite(() => BootHost.open());
  let policy: PolicyDocument;
  let operator: PolicyDocument;
  let calls: readonly Call[];

  before(async () => {
    const { cloud, ec2 } = host.account;
    const stack = await host.stack(0, { manager: MANAGER });
    const { profile } = stack;
    const group = gridName(profile.stack, MANAGER_GROUP);
    // As infra up creates it: without a hook.
    const [first] = await host.account.makeGroup(group, 1, {
      MinSize: 1,
      MaxSize: 1,
      LifecycleHookSpecificationList: [],
      NewInstancesProtectedFromScaleIn: false,
    });
    if (first === undefined) throw new Error('the group has no instance');
    const { AllocationId: allocation = '' } = await ec2.allocateAddress({ Domain: 'vpc' });
    const scriptOf = (sha256: string): string => managerUserData(profile, { sha256, setups: {}, ca: null }, allocation);
    const boot = (instance: GridInstance, sha256: string): Promise<number | null> =>
      stack.bootToEnd(instance, scriptOf(sha256), { BATCHCTL_TEST_BOOT_PATIENCE: '4' });
    const damaged = '0'.repeat(64);
    await stack.store.put(bundleKey(damaged), 'something else');
    cloud.takeCalls();
    expect(await boot(first, damaged)).to.equal(1);
    await stack.gone(first);
    const [second = first] = await host.account.serves(group, 1);
    const code = await boot(second, host.bundle.sha256);
    expect(code, bootLog(stack.root(second))).to.equal(0);
    expect(await addressHolder(host.account, allocation)).to.equal(second.id);
    const requests = cloud.takeCalls().filter(({ accessKeyId }) => INSTANCES.test(accessKeyId));
    calls = permissionsOf(cloud, profile.stack, requests);
    policy = policyFor('manager', profile);
    operator = policyFor('operator', profile);
    await stack.close();
  });

  it('allows all calls of its boot', () => {
    expect(deniedBy(policy, calls)).to.deep.equal([]);
  });

  it("allows only the calls of its boot and part of an operator's permissions", () => {
    expect(idleActions(policy, calls)).to.have.members(BY_THE_MANAGER);
    expect(actionsOf(operator)).to.include.members(BY_THE_MANAGER);
    // No action that the boot needs is in a second statement.
    const idle = idleOnGrid(policy, calls).map((each) => each.replace(/^\S+ /, ''));
    expect(BY_THE_MANAGER).to.include.members(idle);
  });
});
