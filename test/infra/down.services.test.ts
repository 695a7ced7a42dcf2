// Protects: infra down deletes only what the stack owns, and never data or unfinished jobs unless asked to.
import {
  CompleteLifecycleActionCommand,
  DescribeAutoScalingGroupsCommand,
  SetDesiredCapacityCommand,
  SetInstanceProtectionCommand,
} from '@aws-sdk/client-auto-scaling';
import { CreateLaunchTemplateCommand, CreateSecurityGroupCommand } from '@aws-sdk/client-ec2';
import { CreateRoleCommand, DeleteRoleCommand } from '@aws-sdk/client-iam';
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketTaggingCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketTaggingCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { CreateQueueCommand, GetQueueUrlCommand } from '@aws-sdk/client-sqs';
import { expect } from 'chai';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { othersIn, remainsOf } from '../support/grid/leftovers.ts';
import { until } from '../support/until.ts';
import { StackWorkspace, well } from './stack-workspace.ts';

const TRUST = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
});
const JOB = {
  name: 'echo',
  input: { split: { by: 'range', from: 1, to: 2 } },
  steps: [{ name: 'one', run: ['true'] }],
};

describe('infra down', () => {
  const cloud = forSuite(() => startCloud({ pace: { second: 20 } }));
  const others = forSuite(() => othersIn(cloud));
  const workspace = forSuite(() => new StackWorkspace(cloud));
  beforeEach(() => workspace.configure());

  const down = (...args: readonly string[]) => workspace.downHere(...args);
  const up = () => workspace.wellHere('infra', 'up', '--yes');
  const start = async (group: string, size: number): Promise<void> => {
    const AutoScalingGroupName = `${workspace.stack}-${group}`;
    await others.scaling.send(new SetDesiredCapacityCommand({ AutoScalingGroupName, DesiredCapacity: size }));
    const here = () => cloud.grid.instances().filter((each) => each.group === AutoScalingGroupName && !each.gone);
    await until('they are in service', () => here().filter(({ state }) => state === 'InService').length === size);
  };

  it('is refused without the name of the stack, and for a protected stack', async () => {
    await up();
    cloud.takeCalls();
    expect(await workspace.here('infra', 'down', '--yes')).to.include({ code: 7 });
    expect(await workspace.here('infra', 'down', '--confirm', 'other')).to.include({ code: 7 });
    workspace.configure({ protect: true }, workspace.stack);
    const refused = await down();
    expect(refused.code).to.equal(7);
    expect(refused.stderr).to.include('is protected');
    expect(cloud.takeCalls().filter(({ action }) => /Delete|Update|Terminate/.test(action))).to.deep.equal([]);
  });

  it('refuses while a job is unfinished, and changes nothing', async () => {
    await up();
    workspace.write('job.json', JOB);
    const job = await workspace.submit('--no-scale');
    cloud.takeCalls();
    const refused = await down('--delete-data');
    expect(refused.code).to.equal(7);
    expect(refused.stderr).to.include(job).and.include(`batchctl cancel ${job}`);
    expect(cloud.takeCalls().filter(({ action }) => /Delete|Update|Terminate/.test(action))).to.deep.equal([]);
    await workspace.run(['cancel', job, '--yes']);
    expect(await down('--delete-data')).to.include({ code: 0 });
    expect(await remainsOf(workspace.stack, others)).to.deep.equal([]);
  });

  it("fails if the store can't be read, rather than assume that it has no jobs", async () => {
    await up();
    cloud.failNext(({ service, action }) => service === 's3' && action === 'GET', 403, 'AccessDenied');
    const { code, stderr } = await down();
    expect(code).to.equal(3);
    expect(stderr).to.include('s3:ListBucket');
    expect(await remainsOf(workspace.stack, others)).to.include(`group ${workspace.stack}-default`);
  });

  it('keeps data unless asked to delete it', async () => {
    await up();
    await others.s3.send(new PutObjectCommand({ Bucket: workspace.stack, Key: 'data/one', Body: 'one' }));
    const { code, lines } = await down();
    expect(code).to.equal(0);
    expect(await remainsOf(workspace.stack, others)).to.deep.equal([`bucket ${workspace.stack}`]);
    expect(lines.find(({ kind }) => kind === 'bucket')).to.include({ outcome: 'kept', why: 'it contains data' });
    expect(await down('--delete-data')).to.include({ code: 0 });
    expect(await remainsOf(workspace.stack, others)).to.deep.equal([]);
  });

  it('lets workers drain, and terminates them after --timeout', async () => {
    await up();
    await start('default', 3);
    cloud.takeCalls();
    const { code, stderr, lines } = await down('--timeout', '1s');
    expect(code, stderr).to.equal(0);
    // No worker drains here: the hook holds them until they are terminated with their group.
    expect(stderr).to.include('3 instances had not left');
    expect(lines.every(({ outcome }) => outcome === 'removed')).to.equal(true);
    const calls = cloud.takeCalls().map(({ action }) => action);
    expect(calls.indexOf('SetInstanceProtection')).to.be.within(0, calls.indexOf('DeleteAutoScalingGroup'));
    expect(await remainsOf(workspace.stack, others)).to.deep.equal([]);
  });

  it('waits for workers that drain, even for one that protects itself again', async () => {
    await up();
    await start('default', 2);
    const AutoScalingGroupName = `${workspace.stack}-default`;
    const [one] = cloud.grid.instances().filter(({ group, gone }) => group === AutoScalingGroupName && !gone);
    cloud.takeCalls();
    const going = down('--timeout', '1m');
    const isWaiting = (each: { id: string; state: string }) => each.state === 'Terminating:Wait';
    const ours = () => cloud.grid.instances().filter(({ group }) => group === AutoScalingGroupName);
    // It is faster than the group, or too late.
    const protection = { AutoScalingGroupName, InstanceIds: [one?.id ?? ''], ProtectedFromScaleIn: true };
    await others.scaling.send(new SetInstanceProtectionCommand(protection)).catch(() => undefined);
    const drained = new Set<string>();
    await until('both are let go', async () => {
      for (const { id } of ours().filter((each) => isWaiting(each) && !drained.has(each.id))) {
        drained.add(id);
        const hook = { AutoScalingGroupName, LifecycleHookName: 'batchctl-drain', InstanceId: id };
        const done = new CompleteLifecycleActionCommand({ ...hook, LifecycleActionResult: 'CONTINUE' });
        await others.scaling.send(done);
      }
      return drained.size === 2;
    });
    const { code, stderr } = await going;
    expect(code, stderr).to.equal(0);
    expect(stderr).not.to.include('had not left');
    const deletes = cloud.takeCalls().filter(({ action }) => action === 'DeleteAutoScalingGroup');
    expect(deletes.every(({ body }) => !body.includes('ForceDelete=true'))).to.equal(true);
    expect(await remainsOf(workspace.stack, others)).to.deep.equal([]);
  });

  it('removes one group with its queue, and no other, even if the configuration no longer names it', async () => {
    await up();
    workspace.configure({ groups: { default: { visibility: '60s' } } }, workspace.stack);
    const status = await workspace.here('infra', 'status');
    expect(status.code).to.equal(11);
    const left = status.lines.filter(({ state }) => state === 'leftOver').map(({ kind, name }) => `${kind} ${name}`);
    const gpu = `${workspace.stack}-gpu`;
    const its = [`group ${gpu}`, `launchTemplate ${gpu}`, `queue ${gpu}`, `queue ${gpu}-dead`];
    expect(left.sort()).to.deep.equal(its);
    const before = await remainsOf(workspace.stack, others);
    const { code, lines } = await down('--group', 'gpu');
    expect(code).to.equal(0);
    expect(lines.map(({ kind, name }) => `${kind} ${name}`).sort()).to.deep.equal(its);
    expect(await remainsOf(workspace.stack, others)).to.deep.equal(before.filter((each) => !its.includes(each)));
    // The workers' policy still names the group until up updates it.
    await up();
    expect(await workspace.here('infra', 'status')).to.include({ code: 0 });
  });

  it('fails for a mistyped group, and names those that exist', async () => {
    const { code, stderr } = await down('--group', 'gpus');
    expect(code).to.equal(4);
    expect(stderr).to.include('has no resources of a group gpus').and.include('default, gpu');
  });

  it('leaves groups that the next up opens again after it failed midway', async () => {
    await up();
    cloud.failNext('autoscaling:DeleteAutoScalingGroup', 400, 'ValidationError', 'no');
    expect((await down()).code).not.to.equal(0);
    await up();
    const { AutoScalingGroups = [] } = await others.scaling.send(new DescribeAutoScalingGroupsCommand({}));
    const sizes = AutoScalingGroups.filter(({ AutoScalingGroupName = '' }) =>
      AutoScalingGroupName.startsWith(workspace.stack),
    );
    expect(sizes.map(({ MaxSize }) => MaxSize)).to.deep.equal([20, 20]);
  });

  it('continues after a denial with everything that is not in use, names every missing permission at the end, and then finishes', async () => {
    workspace.configure({ groups: { default: {}, gpu: {} }, manager: { allow: ['203.0.113.0/24'] } });
    const { stack } = workspace;
    let denied: readonly string[] = [];
    // The kind of request, and what it names.
    const isDenied = ({ service, action, body }: { service: string; action: string; body: string }): boolean =>
      denied.some((each) => {
        const [kind = '', name = ''] = each.split(' ');
        return kind === `${service}:${action}` && new RegExp(`${name}(?![-\\w])`).test(decodeURIComponent(body));
      });
    cloud.failNext(isDenied, 403, 'AccessDenied', 'not allowed', Number.POSITIVE_INFINITY);
    const left = (lines: readonly { kind: string; name: string; outcome: string; why: string | null }[]) =>
      lines.filter(({ outcome }) => outcome === 'left').map(({ kind, name, why }) => `${kind} ${name}: ${why}`);
    await up();

    denied = [`autoscaling:UpdateAutoScalingGroup ${stack}-gpu`, `sqs:DeleteQueue ${stack}-default-dead`];
    const first = await down('--delete-data');
    expect(first.code, first.stderr).to.equal(3);
    expect(first.stderr).to.include(`autoscaling:UpdateAutoScalingGroup on arn:aws:autoscaling`);
    expect(first.stderr).to.include(`sqs:DeleteQueue on arn:aws:sqs:us-east-1:${cloud.account}:${stack}-default-dead`);
    const gpu = `group ${stack}-gpu`;
    const kept = [gpu, `launchTemplate ${stack}-gpu`, `queue ${stack}-gpu`, `queue ${stack}-gpu-dead`];
    kept.push(`securityGroup ${stack}-worker`, `role ${stack}-worker`, `profile ${stack}-worker`, `bucket ${stack}`);
    kept.push(`queue ${stack}-default-dead`);
    expect([...(await remainsOf(stack, others))].sort()).to.deep.equal([...kept].sort());
    expect(left(first.lines)).to.include(`launchTemplate ${stack}-gpu: ${gpu} uses it`);

    denied = [`iam:RemoveRoleFromInstanceProfile ${stack}-worker`];
    const second = await down('--delete-data');
    expect(second.code, second.stderr).to.equal(3);
    expect(second.stderr).to.include('iam:DeleteInstanceProfile');
    expect(left(second.lines)).to.include(`role ${stack}-worker: profile ${stack}-worker uses it`);
    const named = [`profile ${stack}-worker`, `role ${stack}-worker`];
    expect([...(await remainsOf(stack, others))].sort()).to.deep.equal(named);

    denied = [];
    await well(down('--delete-data'));
    expect(await remainsOf(stack, others)).to.deep.equal([]);
  });

  it('shows what would be removed, and removes nothing, with --dry-run', async () => {
    await up();
    const { code, lines } = await workspace.here('infra', 'down', '--dry-run');
    expect(code).to.equal(0);
    expect(lines.some(({ kind, outcome }) => kind === 'group' && outcome === 'removed')).to.equal(true);
    expect(await workspace.here('infra', 'status')).to.include({ code: 0 });
  });

  it('removes from an existing bucket only objects below the prefix of the stack', async () => {
    const { s3 } = others;
    const Bucket = workspace.stack;
    await s3.send(new CreateBucketCommand({ Bucket }));
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    const rule = { ID: 'theirs', Status: 'Enabled', Filter: { Prefix: 'theirs' }, Expiration: { Days: 9 } } as const;
    await s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: [rule] } }));
    await s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: [{ Key: 'team', Value: 'theirs' }] } }));
    // Outside of the prefix, but with a similar beginning.
    for (const Key of ['theirs', 'ours', 'ours-too/x', 'ours.txt']) {
      for (const Body of ['1', '2']) await s3.send(new PutObjectCommand({ Bucket, Key, Body }));
    }
    await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'theirs-large' }));
    const asItIs = async () => {
      const [{ Rules }, { TagSet }, { Versions = [], DeleteMarkers = [] }, { Uploads = [] }] = await Promise.all([
        s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket })),
        s3.send(new GetBucketTaggingCommand({ Bucket })),
        s3.send(new ListObjectVersionsCommand({ Bucket })),
        s3.send(new ListMultipartUploadsCommand({ Bucket })),
      ]);
      const versions = [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => `${Key} ${VersionId}`).sort();
      return { Rules, TagSet, versions, uploads: Uploads.map(({ UploadId }) => UploadId) };
    };
    const before = await asItIs();
    workspace.configure({ bucket: { name: Bucket, existing: true, prefix: 'ours/' } }, workspace.stack);
    await up();
    for (const Body of ['1', '2']) await s3.send(new PutObjectCommand({ Bucket, Key: 'ours/data/a b+c', Body }));
    await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'ours/data/large' }));
    await well(down());
    expect((await asItIs()).versions.length).to.be.above(before.versions.length);
    await well(down('--delete-data'));
    expect(await asItIs()).to.deep.equal(before);
  });

  it('deletes nothing from an existing bucket in which the stack has no prefix', async () => {
    const Bucket = workspace.stack;
    await others.s3.send(new CreateBucketCommand({ Bucket }));
    const theirs = ['data/theirs', 'releases/app-1.2.tar.gz', 'releases/notes.json'];
    for (const Key of theirs) await others.s3.send(new PutObjectCommand({ Bucket, Key, Body: '1' }));
    workspace.configure({ bucket: { name: Bucket, existing: true } }, workspace.stack);
    const keys = async (): Promise<readonly (string | undefined)[]> =>
      ((await others.s3.send(new ListObjectVersionsCommand({ Bucket }))).Versions ?? []).map(({ Key }) => Key);
    await up();
    expect(await keys()).to.include('releases/0000.json');
    expect((await down()).code).to.equal(0);
    expect(await keys()).to.deep.equal(theirs);
    const { lines } = await down('--delete-data');
    expect(lines.find(({ kind }) => kind === 'bucket')?.why).to.include('has no prefix in it');
    expect(await keys()).to.deep.equal(theirs);
  });

  it("leaves other owners' resources, whatever their names", async () => {
    const { stack } = workspace;
    await others.sqs.send(new CreateQueueCommand({ QueueName: `${stack}-default` }));
    await others.iam.send(new CreateRoleCommand({ RoleName: `${stack}-worker`, AssumeRolePolicyDocument: TRUST }));
    const tags = [{ Key: 'batchctl:stack', Value: `${stack}x` }];
    const LaunchTemplateData = { InstanceType: 'm7g.large' as const };
    const template = { LaunchTemplateName: `${stack}-gpu`, LaunchTemplateData };
    const TagSpecifications = [{ ResourceType: 'launch-template' as const, Tags: tags }];
    await others.ec2.send(new CreateLaunchTemplateCommand({ ...template, TagSpecifications }));
    await others.ec2.send(new CreateSecurityGroupCommand({ GroupName: `${stack}-worker`, Description: 'theirs' }));
    const before = await remainsOf(stack, others);
    const status = await workspace.here('infra', 'status');
    expect(status.code).to.equal(11);
    const foreign = status.lines.filter(({ state }) => state === 'foreign').map(({ kind }) => kind);
    expect(foreign).to.include.members(['queue', 'role', 'launchTemplate', 'securityGroup']);
    const { code, lines } = await down('--delete-data');
    expect(code).to.equal(0);
    expect(lines.map(({ kind, outcome }) => `${kind} ${outcome}`).sort()).to.deep.equal([
      ...['launchTemplate kept', 'queue kept', 'role kept', 'securityGroup kept'],
    ]);
    expect(await remainsOf(stack, others)).to.deep.equal(before);
    await others.iam.send(new DeleteRoleCommand({ RoleName: `${stack}-worker` }));
    await others.sqs.send(new GetQueueUrlCommand({ QueueName: `${stack}-default` }));
  });
});
