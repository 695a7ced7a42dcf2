// Protects: the printed policies let groups run on AWS, and grant no permission that they never use.
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AutoScalingClient, TerminateInstanceInAutoScalingGroupCommand } from '@aws-sdk/client-auto-scaling';
import { AllocateAddressCommand, DescribeAddressesCommand } from '@aws-sdk/client-ec2';
import { CreatePolicyCommand, IAMClient } from '@aws-sdk/client-iam';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { policyFor } from '../../src/infra/policies.ts';
import type { PolicyDocument, Statement } from '../../src/infra/policy.ts';
import { managerUserData } from '../../src/infra/user-data.ts';
import { gridName, MANAGER_GROUP } from '../../src/lib/stack-names.ts';
import { bootMark, bundleKey } from '../../src/model/keys.ts';
import { bootLog } from '../support/boot/boot-in.ts';
import { forSuite } from '../support/fixture.ts';
import type { Cloud } from '../support/grid/cloud.ts';
import type { CloudCall } from '../support/grid/front.ts';
import type { GridInstance } from '../support/grid/grid.ts';
import { GridWorld, OPERATOR, ROLLER } from '../support/grid/grid-world.ts';
import { actionsOf, allows, type Call, callsOf, without } from '../support/iam.ts';
import { until } from '../support/until.ts';
import { BootHost } from './boot-host.ts';

const MINUTE = 60_000;
/** The emulated account. */
const ACCOUNT = '123456789012';
/** A boundary as a company might set it: some services, and nothing that grants permissions. */
const EDGE = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: ['s3:*', 'sqs:*', 'autoscaling:*', 'ec2:Describe*'], Resource: '*' },
    { Effect: 'Deny', Action: ['iam:*', 's3:*BucketPolicy'], Resource: '*' },
  ],
} as const;
/** The credentials of the caller. */
const [INSTANCES, OPERATORS, ROLLERS] = [/^ASIA/, RegExp(OPERATOR), RegExp(ROLLER)];

/** The permissions that requests need, each judged for the group of the instance it names. */
function needsOf({ grid, account }: Cloud, stack: string, calls: readonly CloudCall[]): readonly Call[] {
  const groupOf = (instance: string): string => grid.instance(instance).group;
  return calls.flatMap((call) => callsOf(call, { account, stack, groupOf }));
}

const isMissed = (policy: PolicyDocument, less: PolicyDocument, calls: readonly Call[]): boolean =>
  calls.some((call) => allows(policy, call) && !allows(less, call));

/** The same document with one statement changed. */
const changed = (policy: PolicyDocument, one: Statement, fields: Partial<Statement>): PolicyDocument => ({
  ...policy,
  Statement: policy.Statement.map((each) => (each === one ? { ...each, ...fields } : each)),
});

/** Actions that no call needs in their statement: `Self autoscaling:...`. */
function idleOnGrid(policy: PolicyDocument, calls: readonly Call[]): readonly string[] {
  return policy.Statement.flatMap((one) =>
    one.Action.filter((action) => {
      const less = changed(policy, one, { Action: one.Action.filter((each) => each !== action) });
      return /^(autoscaling|ec2):/.test(action) && !isMissed(policy, less, calls);
    }).map((action) => `${one.Sid} ${action}`),
  );
}

/** Keys of programs and of boot marks that no call needs: `Read arn:...`. */
function idleKeys(policy: PolicyDocument, calls: readonly Call[]): readonly string[] {
  return policy.Statement.flatMap((one) =>
    one.Resource.filter((resource) => {
      const less = changed(policy, one, { Resource: one.Resource.filter((each) => each !== resource) });
      return /\/(releases|groups)\/.*\*$/.test(resource) && !isMissed(policy, less, calls);
    }).map((resource) => `${one.Sid} ${resource}`),
  );
}

describe('the policies of a grid', () => {
  let world: GridWorld;
  let policies: Readonly<Record<'worker' | 'operator' | 'admin', PolicyDocument>>;

  before(async () => {
    const instances = { instances: ['c7g.large'], spot: false, max: 4, slots: 1, visibility: '30s' };
    const groups = { default: instances, full: instances, held: { ...instances, setup: 'setup.sh' } };
    const iam = { permissionsBoundary: `arn:aws:iam::${ACCOUNT}:policy/edge` };
    world = await GridWorld.open(4, { groups, iam });
    // Its instances serve, and have no worker.
    world.write('setup.sh', '#!/bin/sh\nsleep 600\n');
    try {
      await live();
    } catch (error) {
      console.error(world.consoles());
      throw error;
    }
    const policy = async (role: string): Promise<PolicyDocument> =>
      JSON.parse((await world.well('infra', 'policies', '--for', role)).stdout);
    const [worker, operator, admin] = await Promise.all([policy('worker'), policy('operator'), policy('admin')]);
    policies = { worker, operator, admin };
  });
  after(() => world?.remove());

  const callsBy = (who: RegExp): readonly CloudCall[] =>
    world.cloud.calls.filter(({ accessKeyId }) => who.test(accessKeyId));
  const asked = (who: RegExp): readonly Call[] => needsOf(world.cloud, world.stack, callsBy(who));
  const workerAsked = (action: string, times = 1): Promise<true> =>
    until(
      `a worker has asked for ${action} ${times} times`,
      () => callsBy(INSTANCES).filter((call) => call.action === action && call.status === 200).length >= times,
      MINUTE,
    );
  const submit = (name: string, group: string, run: string, ...flags: readonly string[]): Promise<string> => {
    const input = { split: { by: 'range', from: 1, to: 1 } };
    world.write('job.json', { name, input, steps: [{ name: 'work', run, group }] });
    return world.submit(...flags);
  };

  /** Everything that a grid and its operator request, once. */
  async function live(): Promise<void> {
    const { cloud, stack } = world;
    const at = { region: 'us-east-1', endpoint: cloud.url };
    const credentials = { accessKeyId: 'AKIDOTHER', secretAccessKey: 's' };
    const owner = new IAMClient({ ...at, credentials });
    await owner.send(new CreatePolicyCommand({ PolicyName: 'edge', PolicyDocument: JSON.stringify(EDGE) }));
    owner.destroy();
    await world.well('infra', 'up', '--yes');
    const s3 = new S3Client({ ...at, credentials, forcePathStyle: true });
    const scaling = new AutoScalingClient({ ...at, credentials });
    const marks = [['default', 1] as const, ...[1, 2, 3].map((n) => ['held', n] as const)];
    for (const [group, n] of marks) {
      await s3.send(new PutObjectCommand({ Bucket: stack, Key: bootMark(group, `i-${n}`, 'failed'), Body: '{}' }));
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
    // Its group terminates it, and waits for what it runs. Its replacement finds nothing to do.
    const ending = { InstanceId: first?.id, ShouldDecrementDesiredCapacity: false };
    await scaling.send(new TerminateInstanceInAutoScalingGroupCommand(ending));
    await workerAsked('RecordLifecycleActionHeartbeat');
    writeFileSync(join(flags, 'go'), '');
    await workerAsked('CompleteLifecycleAction');
    await world.well('wait', job);
    // When idle, it looks after the other groups, and leaves.
    await workerAsked('TerminateInstanceInAutoScalingGroup');
    await workerAsked('CompleteLifecycleAction', 2);
    await until('both are gone', () => cloud.grid.instances(gridName(stack, 'default')).length === 0);

    expect((await world.run(['why', full])).stdout).to.include('capacity');
    await world.well('workers');
    await world.well('scale', '--max', '3', '--group', 'full');
    await world.well('scale', '--manual', '--group', 'full');
    await world.well('scale', '0', '--for', '2h', '--group', 'full');
    // By hand, it starts again what was held.
    await world.well('scale', '1', '--group', 'held');
    await until('it serves', () => serving('held').length === 1 && serving('held'), MINUTE);
    const rolled = await world.runNext(['infra', 'release', '--roll', '--yes', '--timeout', '1s']);
    expect(rolled.stderr).to.include('not all instances were replaced within 1s');
    for (const client of [s3, scaling]) client.destroy();
  }

  const serving = (group: string): readonly GridInstance[] =>
    world.cloud.grid.instances(gridName(world.stack, group)).filter(({ state }) => state === 'InService');

  it('allow every call that was made, by instances within the boundary of their role', async () => {
    expect(await world.unallowed(EDGE)).to.deep.equal([]);
    const [statement] = EDGE.Statement;
    const narrower = { Statement: [{ ...statement, Action: ['s3:*', 'sqs:*', 'ec2:*'] }] };
    const refused = (await world.unallowed(narrower)).map((what) => what.replace(/ arn.*| \*$/, ''));
    expect(refused).to.include('worker: autoscaling:SetInstanceProtection');
    expect(refused.filter((what) => !/^worker: autoscaling:/.test(what))).to.deep.equal([]);
  });

  it('allow a worker nothing that it never called', () => {
    const { worker } = policies;
    const calls = asked(INSTANCES);
    expect(idleOnGrid(worker, calls)).to.deep.equal([]);
    expect(idleKeys(worker, calls)).to.deep.equal([]);
    expect(actionsOf(worker).filter((action) => action.startsWith('autoscaling:'))).to.have.length(8);
  });

  it('allow an operator nothing that was never called', () => {
    const { operator, admin } = policies;
    // Rolling out a release needs both roles; what the administrator's permissions cover is no operator's call.
    const more = asked(ROLLERS).filter((call) => !allows(admin, call));
    // Called by doctor, for the quotas: grid-validate.services.test.ts.
    const idle = idleOnGrid(operator, [...asked(OPERATORS), ...more]);
    expect(idle).to.deep.equal(['LookAtTypes ec2:DescribeInstanceTypes']);
    expect(actionsOf(operator).filter((action) => action.startsWith('autoscaling:'))).to.have.length(6);
  });
});

/**
 * Calls of the manager itself, which acts like an operator for people; the script of its boot doesn't. A running
 * manager is tested in e2e/manager-grid.grid.test.ts.
 */
const BY_THE_MANAGER = [
  'ec2:DescribeSpotPriceHistory',
  ...['s3:DeleteObject', 's3:ListMultipartUploadParts', 's3:AbortMultipartUpload', 's3:ListBucketMultipartUploads'],
  ...['sqs:GetQueueUrl', 'sqs:GetQueueAttributes', 'sqs:ReceiveMessage', 'sqs:DeleteMessage'],
  ...['sqs:ChangeMessageVisibility', 'sqs:SendMessage'],
  ...['autoscaling:SetDesiredCapacity', 'autoscaling:UpdateAutoScalingGroup', 'autoscaling:CreateOrUpdateTags'],
  ...['autoscaling:DescribeAutoScalingGroups', 'autoscaling:DescribeScalingActivities'],
];

describe("the manager's policy", () => {
  const host = forSuite(() => BootHost.open());
  let policy: PolicyDocument;
  let operator: PolicyDocument;
  let calls: readonly Call[];

  before(async () => {
    const { cloud, ec2 } = host.account;
    const stack = await host.stack(0, { manager: { allow: ['203.0.113.0/24'] } });
    const { profile } = stack;
    const group = gridName(profile.stack, MANAGER_GROUP);
    // As infra up creates it: no hook holds what it terminates.
    const [first] = await host.account.makeGroup(group, 1, {
      ...{ MinSize: 1, MaxSize: 1, LifecycleHookSpecificationList: [], NewInstancesProtectedFromScaleIn: false },
    });
    if (first === undefined) throw new Error('the group has no instance');
    const { AllocationId: allocation = '' } = await ec2.send(new AllocateAddressCommand({ Domain: 'vpc' }));
    const scriptOf = (sha256: string): string => managerUserData(profile, { sha256, setups: {}, ca: null }, allocation);
    const boot = async (instance: GridInstance, script: string): Promise<number | null> =>
      (await (await stack.boot(instance, script, { BATCHCTL_TEST_BOOT_PATIENCE: '4' })).ended).code;
    const damaged = '0'.repeat(64);
    await stack.store.put(bundleKey(damaged), 'something else');
    cloud.takeCalls();
    expect(await boot(first, scriptOf(damaged))).to.equal(1);
    await until('it is gone', () => cloud.grid.instance(first).gone);
    const [second = first] = await host.account.serves(group, 1);
    const code = await boot(second, scriptOf(host.bundle.sha256));
    expect(code, bootLog(stack.root(second))).to.equal(0);
    const asked = new DescribeAddressesCommand({ AllocationIds: [allocation] });
    expect((await ec2.send(asked)).Addresses?.[0]?.InstanceId).to.equal(second.id);
    calls = needsOf(
      cloud,
      profile.stack,
      cloud.takeCalls().filter(({ accessKeyId }) => INSTANCES.test(accessKeyId)),
    );
    policy = policyFor('manager', profile);
    operator = policyFor('operator', profile);
    await stack.close();
  });

  it('allows all calls of its boot', () => {
    expect(calls.filter((call) => !allows(policy, call))).to.deep.equal([]);
  });

  it("allows only the calls of its boot and part of an operator's permissions", () => {
    const idle = actionsOf(policy).filter((action) => !isMissed(policy, without(policy, action), calls));
    expect(idle).to.have.members(BY_THE_MANAGER);
    expect(actionsOf(operator)).to.include.members(BY_THE_MANAGER);
    // None of them is in a second statement without need.
    const unasked = idleOnGrid(policy, calls).map((each) => each.replace(/^\S+ /, ''));
    expect(BY_THE_MANAGER).to.include.members(unasked);
  });
});
