// Protects: the emulated Auto Scaling launches, protects and ends instances as AWS does, so that grid tests hold.
import type { CreateAutoScalingGroupCommandInput } from '@aws-sdk/client-auto-scaling';
import { expect } from 'chai';
import { forSuite } from '../fixture.ts';
import { rejection } from '../rejection.ts';
import { unknownParts } from '../service-schemas.ts';
import { until } from '../until.ts';
import { findScalingGroup, mixedPolicy, spotDistribution } from './account-clients.ts';
import { HOOK, openAccount, terminationHook } from './emulated-account.ts';
import type { Shape } from './query.ts';

describe('the emulated Auto Scaling', () => {
  /** What it answered, by action. */
  const answers = new Map<string, Shape[]>();
  const onScalingAnswer = (action: string, answer: Shape): void => {
    answers.set(action, [...(answers.get(action) ?? []), answer]);
  };
  const account = forSuite(() => openAccount({ pace: { second: 1, retry: 30 }, onScalingAnswer }));
  let group: string;
  let number = 0;
  beforeEach(() => {
    number += 1;
    group = `work-${number}`;
  });
  afterEach(async () => {
    account.cloud.grid.failLaunches(null);
    await account.scaling
      .deleteAutoScalingGroup({ AutoScalingGroupName: group, ForceDelete: true })
      .catch(() => undefined);
  });

  const described = () => findScalingGroup(account, group);
  const failure = async (request: Promise<unknown>): Promise<string> => {
    const { name, message } = await rejection(request);
    return `${name}: ${message}`;
  };
  const state = (id: string): string => account.cloud.grid.instance(id).state;
  const waits = (id: string) => until(`${id} waits for its hook`, () => state(id) === 'Terminating:Wait');
  const activities = async () =>
    (await account.scaling.describeScalingActivities({ AutoScalingGroupName: group })).Activities ?? [];
  /** Terminates an instance, by default without a replacement. */
  const terminate = (InstanceId = '', ShouldDecrementDesiredCapacity = true) =>
    account.scaling.terminateInstanceInAutoScalingGroup({ InstanceId, ShouldDecrementDesiredCapacity });

  it('launches real instances from the template, tagged, protected, and spread over the subnets', async () => {
    const instances = await account.makeGroup(group, 4, {
      Tags: [
        { Key: 'cost', Value: '4711', PropagateAtLaunch: true },
        { Key: 'mode', Value: 'auto' },
      ],
    });
    const found = await described();
    expect(found).to.include({ MinSize: 0, MaxSize: 20, DesiredCapacity: 4, NewInstancesProtectedFromScaleIn: true });
    expect(found?.LaunchTemplate).to.include({ LaunchTemplateName: 'work', Version: '1' });
    expect(found?.CreatedTime).to.be.instanceOf(Date);
    expect(found?.Instances?.every(({ ProtectedFromScaleIn }) => ProtectedFromScaleIn)).to.equal(true);
    expect(new Set(instances.map(({ zone }) => zone)).size).to.equal(2);
    const ids = instances.map(({ id }) => id);
    const { Reservations = [] } = await account.ec2.describeInstances({ InstanceIds: ids });
    const [one] = Reservations.flatMap(({ Instances = [] }) => Instances);
    const tags = Object.fromEntries((one?.Tags ?? []).map(({ Key = '', Value }) => [Key, Value]));
    expect(tags).to.deep.include({ team: 'finance', cost: '4711', 'aws:autoscaling:groupName': group });
    expect(tags).not.to.have.property('mode');
    const [volume] = one?.BlockDeviceMappings ?? [];
    const { Volumes = [] } = await account.ec2.describeVolumes({ VolumeIds: [volume?.Ebs?.VolumeId ?? ''] });
    expect(Volumes[0]).to.include({ Encrypted: true, Size: 30 });
    expect(Volumes[0]?.Tags).to.deep.equal([{ Key: 'team', Value: 'finance' }]);
    expect(instances[0]).to.include({ userData: '#!/bin/sh\necho up\n', role: 'work', type: 'c7g.large' });
  });

  it('refuses a name that exists, sizes out of bounds, and templates that it cannot launch', async () => {
    await account.makeGroup(group, 1);
    const creation = (fields: Partial<CreateAutoScalingGroupCommandInput>) =>
      failure(account.makeGroup(`${group}-b`, 0, fields));
    const missing = { LaunchTemplateName: 'none' };
    const otherVersion = { LaunchTemplateName: 'work', Version: '7' };
    expect(await creation({ AutoScalingGroupName: group })).to.match(/^AlreadyExists.*: .*already exists/);
    expect(await creation({ LaunchTemplate: missing })).to.match(/^ValidationError: .*does not exist/);
    expect(await creation({ LaunchTemplate: otherVersion })).to.match(/ValidationError: .*version 7/);
    expect(await creation({ MaxSize: 2, DesiredCapacity: 3 })).to.include(
      'must be between the specified min size:0 and max size:2',
    );
    expect(await creation({ VPCZoneIdentifier: 'subnet-none' })).to.match(/^ValidationError: .*subnet-none/);
    expect(await failure(account.resize(group, 21))).to.include('above max value 20');
    const unknown = await failure(account.resize(`${group}-c`, 1));
    expect(unknown).to.match(/^ValidationError: AutoScalingGroup name not found/);
  });

  it('lowers the desired capacity, but terminates a protected instance only when it is no longer protected', async () => {
    const [first, second] = await account.makeGroup(group, 2);
    await account.resize(group, 1);
    await until('an activity says why it does not scale in', async () =>
      (await activities()).some(({ StatusMessage }) => StatusMessage?.includes('protected from scale-in')),
    );
    expect((await described())?.DesiredCapacity).to.equal(1);
    expect(account.cloud.grid.instances(group)).to.have.length(2);
    const protect = (InstanceIds: string[], ProtectedFromScaleIn: boolean) =>
      account.scaling.setInstanceProtection({ AutoScalingGroupName: group, InstanceIds, ProtectedFromScaleIn });
    await protect([second?.id ?? ''], false);
    await waits(second?.id ?? '');
    expect(state(first?.id ?? '')).to.equal('InService');
    expect(await failure(protect([second?.id ?? ''], true))).to.match(/^ValidationError: .*is not in InService/);
    expect(await failure(protect(['i-0123'], true))).to.match(/^ValidationError: .*is not part of Auto Scaling group/);
    expect(await failure(protect(Array(51).fill(first?.id), true))).to.match(/^ValidationError: .*50/);
  });

  it('holds an ending instance until its action is completed, or the timeout after its last heartbeat', async () => {
    const timeout = 3_000;
    const [one, two] = await account.makeGroup(group, 2, {
      LifecycleHookSpecificationList: [terminationHook(HOOK, timeout)],
    });
    const action = { AutoScalingGroupName: group, LifecycleHookName: HOOK };
    const complete = (InstanceId = '') =>
      account.scaling.completeLifecycleAction({ ...action, InstanceId, LifecycleActionResult: 'CONTINUE' });
    expect(await failure(complete(one?.id))).to.match(/^ValidationError: No active Lifecycle Action found/);
    await terminate(one?.id);
    await waits(one?.id ?? '');
    await complete(one?.id);
    await account.serves(group, 1);
    expect((await described())?.DesiredCapacity).to.equal(1);
    await terminate(two?.id);
    await waits(two?.id ?? '');
    const held = performance.now();
    await until('a part of the timeout is over', () => performance.now() - held > timeout / 5);
    const renewed = performance.now();
    await account.scaling.recordLifecycleActionHeartbeat({ ...action, InstanceId: two?.id });
    await account.serves(group, 0);
    // A second of the hook lasts a millisecond here.
    expect(performance.now() - renewed).to.be.at.least(timeout);
    const { LifecycleHooks } = await account.scaling.describeLifecycleHooks({ AutoScalingGroupName: group });
    expect(LifecycleHooks?.[0]).to.include({ HeartbeatTimeout: timeout, DefaultResult: 'CONTINUE' });
  });

  it('replaces an instance that ends, and does not go below the minimum', async () => {
    const one = await account.makeInstance(group, { MinSize: 1, LifecycleHookSpecificationList: [] });
    expect(await failure(terminate(one.id))).to.match(/^ValidationError: .*violate group's min size constraint/);
    const { Activity } = await terminate(one.id, false);
    expect(Activity?.Description).to.equal(`Terminating EC2 instance: ${one.id}`);
    await until('another is launched', () => account.cloud.grid.instances(group).some(({ id }) => id !== one.id));
    const [other] = await account.serves(group, 1);
    expect(await failure(terminate(one.id, false))).to.match(/^ValidationError: Instance Id not found/);
    await account.ec2.terminateInstances({ InstanceIds: [other?.id ?? ''] });
    await until('a third is launched', () => account.cloud.grid.instances(group).every(({ id }) => id !== other?.id));
  });

  it('mixes spot and on-demand by base and percentage, and uses the types in turn', async () => {
    const mixed = await account.makeGroup(group, 5, {
      LaunchTemplate: undefined,
      MixedInstancesPolicy: mixedPolicy('work', ['c7g.large', 'm7g.large'], spotDistribution(2)),
    });
    expect(mixed.filter(({ lifeCycle }) => lifeCycle === 'spot')).to.have.length(3);
    expect(new Set(mixed.map(({ type }) => type))).to.deep.equal(new Set(['c7g.large', 'm7g.large']));
    const spot = mixed.find(({ lifeCycle }) => lifeCycle === 'spot');
    const { Reservations } = await account.ec2.describeInstances({ InstanceIds: [spot?.id ?? ''] });
    expect(Reservations?.[0]?.Instances?.[0]?.InstanceLifecycle).to.equal('spot');
    expect((await described())?.MixedInstancesPolicy?.InstancesDistribution).to.include({ OnDemandBaseCapacity: 2 });
  });

  it('records why launches fail, and launches as soon as it can', async () => {
    account.cloud.grid.failLaunches('quota');
    await account.makeGroup(group, 0);
    await account.resize(group, 2);
    const failed = await until('a launch fails', async () =>
      (await activities()).find(({ StatusCode }) => StatusCode === 'Failed'),
    );
    expect(failed.StatusMessage).to.include('VcpuLimitExceeded');
    expect(failed.Description).to.match(/^Launching a new EC2 instance/);
    account.cloud.grid.failLaunches('key');
    await until('a launch is cancelled', async () =>
      (await activities()).some(({ StatusCode }) => StatusCode === 'Cancelled'),
    );
    account.cloud.grid.failLaunches(null);
    await account.serves(group, 2);
    expect((await activities())[0]).to.include({ StatusCode: 'Successful', Progress: 100 });
  });

  it('stores tags, metrics and suspended processes, and finds groups by tag', async () => {
    await account.makeGroup(group, 0);
    const tag = {
      ResourceId: group,
      ResourceType: 'auto-scaling-group',
      Key: 'mode',
      Value: 'manual',
      PropagateAtLaunch: false,
    };
    await account.scaling.createOrUpdateTags({ Tags: [tag] });
    await account.scaling.enableMetricsCollection({ AutoScalingGroupName: group, Granularity: '1Minute' });
    await account.scaling.suspendProcesses({ AutoScalingGroupName: group, ScalingProcesses: ['AZRebalance'] });
    const { Tags } = await account.scaling.describeTags({ Filters: [{ Name: 'auto-scaling-group', Values: [group] }] });
    expect(Tags).to.deep.equal([tag]);
    const Filters = [{ Name: 'tag:mode', Values: ['manual'] }];
    const { AutoScalingGroups: [found] = [] } = await account.scaling.describeAutoScalingGroups({ Filters });
    expect(found?.AutoScalingGroupName).to.equal(group);
    expect(found?.EnabledMetrics).to.have.length(8);
    expect(found?.SuspendedProcesses?.map(({ ProcessName }) => ProcessName)).to.deep.equal(['AZRebalance']);
  });

  it('deletes a group with instances only by force, and moves the desired size into new bounds', async () => {
    await account.makeGroup(group, 2);
    const deleteGroup = (ForceDelete: boolean) =>
      account.scaling.deleteAutoScalingGroup({ AutoScalingGroupName: group, ForceDelete });
    expect(await failure(deleteGroup(false))).to.match(/^ResourceInUse/);
    await account.scaling.updateAutoScalingGroup({ AutoScalingGroupName: group, MaxSize: 1 });
    expect(await described()).to.include({ MaxSize: 1, DesiredCapacity: 1 });
    await deleteGroup(true);
    await until('the group is gone', async () => (await described()) === undefined);
    expect(account.cloud.grid.instances(group)).to.deep.equal([]);
  });

  it('lists its instances, page by page', async () => {
    await account.makeGroup(group, 3);
    const first = await account.scaling.describeAutoScalingInstances({ MaxRecords: 2 });
    expect(first.AutoScalingInstances).to.have.length(2);
    expect(first.AutoScalingInstances?.[0]).to.include({ HealthStatus: 'HEALTHY', LifecycleState: 'InService' });
    const next = await account.scaling.describeAutoScalingInstances({ MaxRecords: 100, NextToken: first.NextToken });
    expect(next.NextToken).to.equal(undefined);
  });

  it("has answered only what the service's model has, in all of these tests", async () => {
    const unknown: string[] = [];
    for (const [action, given] of answers)
      for (const answer of given)
        unknown.push(...(await unknownParts('autoscaling', action, answer)).map((part) => `${action}: ${part}`));
    expect([...new Set(unknown)]).to.deep.equal([]);
    expect([...answers.keys()]).to.include.members(['DescribeAutoScalingGroups', 'DescribeScalingActivities']);
  });
});
