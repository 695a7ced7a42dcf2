// Protects: the emulated Auto Scaling launches, protects and ends instances as AWS does, so that grid tests hold.
import {
  CompleteLifecycleActionCommand,
  CreateAutoScalingGroupCommand,
  CreateOrUpdateTagsCommand,
  DeleteAutoScalingGroupCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeAutoScalingInstancesCommand,
  DescribeLifecycleHooksCommand,
  DescribeScalingActivitiesCommand,
  DescribeTagsCommand,
  EnableMetricsCollectionCommand,
  RecordLifecycleActionHeartbeatCommand,
  SetInstanceProtectionCommand,
  SuspendProcessesCommand,
  TerminateInstanceInAutoScalingGroupCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import { DescribeInstancesCommand, DescribeVolumesCommand, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { expect } from 'chai';
import { forSuite } from '../fixture.ts';
import { rejection } from '../rejection.ts';
import { until } from '../until.ts';
import { HOOK, openAccount } from './emulated-account.ts';

describe('the emulated Auto Scaling', () => {
  const account = forSuite(() => openAccount({ pace: { second: 1, retry: 30 } }));
  let group: string;
  let number = 0;
  beforeEach(() => {
    number += 1;
    group = `work-${number}`;
  });
  afterEach(async () => {
    account.cloud.grid.failLaunches(null);
    const ended = new DeleteAutoScalingGroupCommand({ AutoScalingGroupName: group, ForceDelete: true });
    await account.scaling.send(ended).catch(() => undefined);
  });

  const described = async () => {
    const answer = await account.scaling.send(new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [group] }));
    return answer.AutoScalingGroups?.[0];
  };
  const failure = async (asked: Promise<unknown>): Promise<string> => {
    const { name, message } = await rejection(asked);
    return `${name}: ${message}`;
  };
  const state = (id: string): string => account.cloud.grid.instance(id).state;
  const waits = (id: string) => until(`${id} waits for its hook`, () => state(id) === 'Terminating:Wait');
  const activities = async () => {
    const answer = await account.scaling.send(new DescribeScalingActivitiesCommand({ AutoScalingGroupName: group }));
    return answer.Activities ?? [];
  };

  it('launches real instances from the template, tagged, protected, and spread over the subnets', async () => {
    const there = await account.makeGroup(group, 4, {
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
    expect(new Set(there.map(({ zone }) => zone)).size).to.equal(2);
    const ids = there.map(({ id }) => id);
    const { Reservations = [] } = await account.ec2.send(new DescribeInstancesCommand({ InstanceIds: ids }));
    const [one] = Reservations.flatMap(({ Instances = [] }) => Instances);
    const tags = Object.fromEntries((one?.Tags ?? []).map(({ Key = '', Value }) => [Key, Value]));
    expect(tags).to.deep.include({ team: 'finance', cost: '4711', 'aws:autoscaling:groupName': group });
    expect(tags).not.to.have.property('mode');
    const [volume] = one?.BlockDeviceMappings ?? [];
    const { Volumes = [] } = await account.ec2.send(
      new DescribeVolumesCommand({ VolumeIds: [volume?.Ebs?.VolumeId ?? ''] }),
    );
    expect(Volumes[0]).to.include({ Encrypted: true, Size: 30 });
    expect(Volumes[0]?.Tags).to.deep.equal([{ Key: 'team', Value: 'finance' }]);
    expect(there[0]).to.include({ userData: '#!/bin/sh\necho up\n', role: 'work', type: 'c7g.large' });
  });

  it('refuses the same name, sizes that do not fit, and what it can not launch from', async () => {
    await account.makeGroup(group, 1);
    const make = (fields: object) =>
      failure(
        account.scaling.send(
          new CreateAutoScalingGroupCommand({
            ...{
              AutoScalingGroupName: `${group}-b`,
              MinSize: 0,
              MaxSize: 2,
              VPCZoneIdentifier: account.subnets.join(','),
            },
            LaunchTemplate: { LaunchTemplateName: 'work', Version: '1' },
            ...fields,
          }),
        ),
      );
    expect(await make({ AutoScalingGroupName: group })).to.match(/^AlreadyExists.*: .*already exists/);
    expect(await make({ LaunchTemplate: { LaunchTemplateName: 'none' } })).to.match(
      /^ValidationError: .*does not exist/,
    );
    expect(await make({ LaunchTemplate: { LaunchTemplateName: 'work', Version: '7' } })).to.match(
      /ValidationError: .*version 7/,
    );
    expect(await make({ DesiredCapacity: 3 })).to.include('must be between the specified min size:0 and max size:2');
    expect(await make({ VPCZoneIdentifier: 'subnet-none' })).to.match(/^ValidationError: .*subnet-none/);
    expect(await failure(account.resize(group, 21))).to.include('above max value 20');
    expect(await failure(account.resize(`${group}-c`, 1))).to.match(
      /^ValidationError: AutoScalingGroup name not found/,
    );
  });

  it('takes no protected instance to scale in, desires fewer all the same, and takes it once it is unprotected', async () => {
    const [first, second] = await account.makeGroup(group, 2);
    await account.resize(group, 1);
    await until('it says so', async () =>
      (await activities()).some(({ StatusMessage }) => StatusMessage?.includes('protected from scale-in')),
    );
    expect((await described())?.DesiredCapacity).to.equal(1);
    expect(account.cloud.grid.instances(group)).to.have.length(2);
    const protect = (InstanceIds: string[], ProtectedFromScaleIn: boolean) =>
      account.scaling.send(
        new SetInstanceProtectionCommand({ AutoScalingGroupName: group, InstanceIds, ProtectedFromScaleIn }),
      );
    await protect([second?.id ?? ''], false);
    await waits(second?.id ?? '');
    expect(state(first?.id ?? '')).to.equal('InService');
    expect(await failure(protect([second?.id ?? ''], true))).to.match(/^ValidationError: .*is not in InService/);
    expect(await failure(protect(['i-0123'], true))).to.match(/^ValidationError: .*is not part of Auto Scaling group/);
    expect(await failure(protect(Array(51).fill(first?.id), true))).to.match(/^ValidationError: .*50/);
  });

  it('holds an ending instance until its action is completed, its heartbeats stop, or its hook is gone', async () => {
    const [one, two] = await account.makeGroup(group, 2);
    const end = (InstanceId = '', ShouldDecrementDesiredCapacity = true) =>
      account.scaling.send(
        new TerminateInstanceInAutoScalingGroupCommand({ InstanceId, ShouldDecrementDesiredCapacity }),
      );
    const action = { AutoScalingGroupName: group, LifecycleHookName: HOOK };
    const complete = (InstanceId = '') =>
      account.scaling.send(
        new CompleteLifecycleActionCommand({ ...action, InstanceId, LifecycleActionResult: 'CONTINUE' }),
      );
    expect(await failure(complete(one?.id))).to.match(/^ValidationError: No active Lifecycle Action found/);
    await end(one?.id);
    await waits(one?.id ?? '');
    await complete(one?.id);
    await account.serves(group, 1);
    expect((await described())?.DesiredCapacity).to.equal(1);
    await end(two?.id);
    await waits(two?.id ?? '');
    const began = performance.now();
    const heartbeat = new RecordLifecycleActionHeartbeatCommand({ ...action, InstanceId: two?.id });
    while (performance.now() - began < 1_500) await account.scaling.send(heartbeat);
    expect(state(two?.id ?? '')).to.equal('Terminating:Wait');
    await account.serves(group, 0);
    const { LifecycleHooks } = await account.scaling.send(
      new DescribeLifecycleHooksCommand({ AutoScalingGroupName: group }),
    );
    expect(LifecycleHooks?.[0]).to.include({ HeartbeatTimeout: 600, DefaultResult: 'CONTINUE' });
  });

  it('replaces an instance that leaves its place, and lets none go below the minimum', async () => {
    const [one] = await account.makeGroup(group, 1, { MinSize: 1, LifecycleHookSpecificationList: [] });
    const end = (InstanceId = '', ShouldDecrementDesiredCapacity = false) =>
      account.scaling.send(
        new TerminateInstanceInAutoScalingGroupCommand({ InstanceId, ShouldDecrementDesiredCapacity }),
      );
    expect(await failure(end(one?.id, true))).to.match(/^ValidationError: .*violate group's min size constraint/);
    const { Activity } = await end(one?.id);
    expect(Activity?.Description).to.equal(`Terminating EC2 instance: ${one?.id}`);
    await until('another is there', () => account.cloud.grid.instances(group).some(({ id }) => id !== one?.id));
    const [other] = await account.serves(group, 1);
    expect(await failure(end(one?.id))).to.match(/^ValidationError: Instance Id not found/);
    await account.ec2.send(new TerminateInstancesCommand({ InstanceIds: [other?.id ?? ''] }));
    await until('a third is there', () => account.cloud.grid.instances(group).every(({ id }) => id !== other?.id));
  });

  it('mixes spot and on-demand by base and share, and takes types in turn', async () => {
    const mixed = await account.makeGroup(group, 5, {
      LaunchTemplate: undefined,
      MixedInstancesPolicy: {
        LaunchTemplate: {
          LaunchTemplateSpecification: { LaunchTemplateName: 'work', Version: '$Latest' },
          Overrides: [{ InstanceType: 'c7g.large' }, { InstanceType: 'm7g.large' }],
        },
        InstancesDistribution: {
          ...{ OnDemandBaseCapacity: 2, OnDemandPercentageAboveBaseCapacity: 0 },
          SpotAllocationStrategy: 'price-capacity-optimized',
        },
      },
    });
    expect(mixed.filter(({ lifeCycle }) => lifeCycle === 'spot')).to.have.length(3);
    expect(new Set(mixed.map(({ type }) => type))).to.deep.equal(new Set(['c7g.large', 'm7g.large']));
    const spot = mixed.find(({ lifeCycle }) => lifeCycle === 'spot');
    const { Reservations } = await account.ec2.send(new DescribeInstancesCommand({ InstanceIds: [spot?.id ?? ''] }));
    expect(Reservations?.[0]?.Instances?.[0]?.InstanceLifecycle).to.equal('spot');
    expect((await described())?.MixedInstancesPolicy?.InstancesDistribution).to.include({ OnDemandBaseCapacity: 2 });
  });

  it('tells why launches fail, and launches once they can', async () => {
    account.cloud.grid.failLaunches('quota');
    await account.makeGroup(group, 0);
    await account.resize(group, 2);
    const failed = await until('it failed', async () =>
      (await activities()).find(({ StatusCode }) => StatusCode === 'Failed'),
    );
    expect(failed.StatusMessage).to.include('VcpuLimitExceeded');
    expect(failed.Description).to.match(/^Launching a new EC2 instance/);
    account.cloud.grid.failLaunches('key');
    await until('it is cancelled', async () =>
      (await activities()).some(({ StatusCode }) => StatusCode === 'Cancelled'),
    );
    account.cloud.grid.failLaunches(null);
    await account.serves(group, 2);
    expect((await activities())[0]).to.include({ StatusCode: 'Successful', Progress: 100 });
  });

  it('keeps tags, metrics and suspended processes, and finds by tag', async () => {
    await account.makeGroup(group, 0);
    const tag = {
      ResourceId: group,
      ResourceType: 'auto-scaling-group',
      Key: 'mode',
      Value: 'manual',
      PropagateAtLaunch: false,
    };
    await account.scaling.send(new CreateOrUpdateTagsCommand({ Tags: [tag] }));
    await account.scaling.send(
      new EnableMetricsCollectionCommand({ AutoScalingGroupName: group, Granularity: '1Minute' }),
    );
    await account.scaling.send(
      new SuspendProcessesCommand({ AutoScalingGroupName: group, ScalingProcesses: ['AZRebalance'] }),
    );
    const { Tags } = await account.scaling.send(
      new DescribeTagsCommand({ Filters: [{ Name: 'auto-scaling-group', Values: [group] }] }),
    );
    expect(Tags).to.deep.equal([tag]);
    const by = new DescribeAutoScalingGroupsCommand({ Filters: [{ Name: 'tag:mode', Values: ['manual'] }] });
    const [found] = (await account.scaling.send(by)).AutoScalingGroups ?? [];
    expect(found?.AutoScalingGroupName).to.equal(group);
    expect(found?.EnabledMetrics).to.have.length(8);
    expect(found?.SuspendedProcesses?.map(({ ProcessName }) => ProcessName)).to.deep.equal(['AZRebalance']);
  });

  it('deletes no group that holds instances, but by force; bounds pull the desired size', async () => {
    await account.makeGroup(group, 2);
    const drop = (ForceDelete: boolean) =>
      account.scaling.send(new DeleteAutoScalingGroupCommand({ AutoScalingGroupName: group, ForceDelete }));
    expect(await failure(drop(false))).to.match(/^ResourceInUse/);
    await account.scaling.send(new UpdateAutoScalingGroupCommand({ AutoScalingGroupName: group, MaxSize: 1 }));
    expect(await described()).to.include({ MaxSize: 1, DesiredCapacity: 1 });
    await drop(true);
    await until('it is gone', async () => (await described()) === undefined);
    expect(account.cloud.grid.instances(group)).to.deep.equal([]);
  });

  it('tells its instances, page by page', async () => {
    await account.makeGroup(group, 3);
    const first = await account.scaling.send(new DescribeAutoScalingInstancesCommand({ MaxRecords: 2 }));
    expect(first.AutoScalingInstances).to.have.length(2);
    expect(first.AutoScalingInstances?.[0]).to.include({ HealthStatus: 'HEALTHY', LifecycleState: 'InService' });
    const next = await account.scaling.send(
      new DescribeAutoScalingInstancesCommand({ MaxRecords: 100, NextToken: first.NextToken }),
    );
    expect(next.NextToken).to.equal(undefined);
  });
});
