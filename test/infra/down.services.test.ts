// Protects: infra down deletes only what the stack owns, and never data or unfinished jobs unless asked to.
import { expect } from 'chai';
import { DRAIN_HOOK, GROUP_TAG, HOME_TAG, STACK_TAG } from '../../src/lib/stack-names.ts';
import { forSuite } from '../support/fixture.ts';
import { accountClients, createRole, findScalingGroup } from '../support/grid/account-clients.ts';
import { startCloud } from '../support/grid/cloud.ts';
import type { CloudRequest } from '../support/grid/front.ts';
import { stackLeftovers } from '../support/grid/leftovers.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { MANAGER } from './grid-lab.ts';
import { type Line, StackWorkspace } from './stack-workspace.ts';

describe('infra down', () => {
  const cloud = forSuite(() => startCloud({ pace: { second: 20 } }));
  const others = forSuite(() => accountClients(cloud));
  const workspace = forSuite(() => new StackWorkspace(cloud));
  beforeEach(() => workspace.configure());

  /** Everything that the stack has in the account. */
  const leftovers = () => stackLeftovers(workspace.stack, others);
  const group = () => `${workspace.stack}-default`;
  const start = async (size: number) => {
    await others.scaling.setDesiredCapacity({ AutoScalingGroupName: group(), DesiredCapacity: size });
    return cloud.grid.serves(group(), size);
  };

  it('is refused without the name of the stack, and for a protected stack', async () => {
    await workspace.up();
    cloud.takeCalls();
    expect(await workspace.output('infra', 'down', '--yes')).to.include({ code: 7 });
    expect(await workspace.output('infra', 'down', '--confirm', 'other')).to.include({ code: 7 });
    workspace.configure({ protect: true }, workspace.stack);
    const refused = await workspace.downOutput();
    expect(refused.code).to.equal(7);
    expect(refused.stderr).to.include('is protected');
    expect(cloud.takeChanges()).to.deep.equal([]);
  });

  it('refuses while a job is unfinished, and changes nothing', async () => {
    await workspace.up();
    workspace.write('job.json', rangeJob('echo', 2, { name: 'one', run: ['true'] }));
    const job = await workspace.submit('--no-scale');
    cloud.takeCalls();
    const refused = await workspace.downOutput('--delete-data');
    expect(refused.code).to.equal(7);
    expect(refused.stderr).to.include(job).and.include(`batchctl cancel ${job}`);
    expect(cloud.takeChanges()).to.deep.equal([]);
    await workspace.runSuccessfully('cancel', job, '--yes');
    await workspace.down('--delete-data');
    expect(await leftovers()).to.deep.equal([]);
  });

  it("fails if the store can't be read, rather than assume that it has no jobs", async () => {
    await workspace.up();
    cloud.failNext(({ service, action }) => service === 's3' && action === 'GET', 403, 'AccessDenied');
    const { code, stderr } = await workspace.downOutput();
    expect(code).to.equal(3);
    expect(stderr).to.include('s3:ListBucket');
    expect(await leftovers()).to.include(`group ${group()}`);
  });

  it('keeps data unless asked to delete it', async () => {
    await workspace.up();
    await others.s3.putObject({ Bucket: workspace.stack, Key: 'data/one', Body: 'one' });
    const lines = await workspace.down();
    expect(await leftovers()).to.deep.equal([`bucket ${workspace.stack}`]);
    expect(lines.find(({ kind }) => kind === 'bucket')).to.include({ outcome: 'kept', why: 'it contains data' });
    await workspace.down('--delete-data');
    expect(await leftovers()).to.deep.equal([]);
  });

  it('lets workers drain, and terminates them after --timeout', async () => {
    await workspace.up();
    await start(3);
    cloud.takeCalls();
    const { code, stderr, lines } = await workspace.downOutput('--timeout', '1s');
    expect(code, stderr).to.equal(0);
    // No worker runs here: the hook holds the instances until they are terminated with their group.
    expect(stderr).to.include('3 instances had not left');
    expect(lines.every(({ outcome }) => outcome === 'removed')).to.equal(true);
    const calls = cloud.takeCalls().map(({ action }) => action);
    expect(calls.indexOf('SetInstanceProtection')).to.be.within(0, calls.indexOf('DeleteAutoScalingGroup'));
    expect(await leftovers()).to.deep.equal([]);
  });

  it('waits for workers that drain, even for one that protects itself again', async () => {
    await workspace.up();
    const [{ id } = { id: '' }] = await start(2);
    // The group ends none before one of them is protected again.
    const termination = { AutoScalingGroupName: group(), ScalingProcesses: ['Terminate'] };
    await others.scaling.suspendProcesses(termination);
    const before = cloud.calls.length;
    cloud.takeCalls();
    const ending = workspace.downOutput('--timeout', '1m');
    await until('infra down removes the protection', () =>
      cloud.calls.slice(before).some(({ action }) => action === 'SetInstanceProtection'),
    );
    const protection = { InstanceIds: [id], ProtectedFromScaleIn: true };
    await others.scaling.setInstanceProtection({ AutoScalingGroupName: group(), ...protection });
    await others.scaling.resumeProcesses(termination);
    const drained = new Set<string>();
    await until('both workers have drained', async () => {
      for (const { id, state } of cloud.grid.instances(group())) {
        if (state !== 'Terminating:Wait' || drained.has(id)) continue;
        drained.add(id);
        const hook = { AutoScalingGroupName: group(), LifecycleHookName: DRAIN_HOOK, InstanceId: id };
        await others.scaling.completeLifecycleAction({ ...hook, LifecycleActionResult: 'CONTINUE' });
      }
      return drained.size === 2;
    });
    const { code, stderr } = await ending;
    expect(code, stderr).to.equal(0);
    expect(stderr).not.to.include('had not left');
    const deletes = cloud.takeCalls().filter(({ action }) => action === 'DeleteAutoScalingGroup');
    expect(deletes.every(({ body }) => !body.includes('ForceDelete=true'))).to.equal(true);
    expect(await leftovers()).to.deep.equal([]);
  });

  it('keeps everything if a job was submitted while workers drained', async () => {
    await workspace.up();
    const before = await leftovers();
    await start(1);
    workspace.write('job.json', rangeJob('echo', 2, { name: 'one', run: ['true'] }));
    const ending = workspace.downOutput('--delete-data', '--timeout', '1m');
    const draining = await until('a worker drains', () =>
      cloud.grid.instances(group()).find(({ state }) => state === 'Terminating:Wait'),
    );
    const job = await workspace.submit('--no-scale');
    const hook = { AutoScalingGroupName: group(), LifecycleHookName: DRAIN_HOOK, InstanceId: draining.id };
    await others.scaling.completeLifecycleAction({ ...hook, LifecycleActionResult: 'CONTINUE' });
    const { code, stderr } = await ending;
    expect(code, stderr).to.equal(7);
    expect(stderr).to.include(job);
    expect(await leftovers()).to.deep.equal(before);
    await workspace.runSuccessfully('cancel', job, '--yes');
    await workspace.down('--delete-data');
  });

  it('removes what instances use only once the last of them is gone', async () => {
    await workspace.up();
    const { stack } = workspace;
    // One that has left its group, and takes long to shut down.
    const Tags = [
      { Key: STACK_TAG, Value: stack },
      { Key: HOME_TAG, Value: `us-east-1/${stack}/` },
      { Key: GROUP_TAG, Value: 'default' },
    ];
    const { Instances = [] } = await others.ec2.runInstances({
      ImageId: 'ami-12c6146b',
      MinCount: 1,
      MaxCount: 1,
      TagSpecifications: [{ ResourceType: 'instance', Tags }],
    });
    const InstanceIds = Instances.flatMap(({ InstanceId = '' }) => InstanceId);
    const before = cloud.calls.length;
    const actions = () => cloud.calls.slice(before).map(({ action }) => action);
    const ending = workspace.downOutput();
    await until('infra down looks at instances after the groups are gone', () => {
      const all = actions();
      const gone = all.lastIndexOf('DeleteAutoScalingGroup');
      return gone >= 0 && all.slice(gone).filter((action) => action === 'DescribeInstances').length > 1;
    });
    const deletes = (all: readonly string[]) => all.filter((action) => /^Delete/.test(action));
    expect(new Set(deletes(actions()))).to.deep.equal(new Set(['DeleteAutoScalingGroup']));
    await others.ec2.terminateInstances({ InstanceIds });
    const { code, stderr } = await ending;
    expect(code, stderr).to.equal(0);
    expect(stderr).to.include('1 instance terminating');
    expect(deletes(actions())).to.include.members(['DeleteSecurityGroup', 'DeleteQueue', 'DeleteLaunchTemplate']);
  });

  it('removes one group with its queue, and no other, even if the configuration no longer names it', async () => {
    await workspace.up();
    workspace.configure({ groups: { default: { visibility: '60s' } } }, workspace.stack);
    const namesOf = (lines: readonly Line[]) => lines.map(({ kind, name }) => `${kind} ${name}`).sort();
    const status = await workspace.answer(['infra', 'status'], 11);
    const gpu = `${workspace.stack}-gpu`;
    const ofGroup = [`group ${gpu}`, `launchTemplate ${gpu}`, `queue ${gpu}`, `queue ${gpu}-dead`];
    expect(namesOf(status.filter(({ state }) => state === 'leftOver'))).to.deep.equal(ofGroup);
    const before = await leftovers();
    expect(namesOf(await workspace.down('--group', 'gpu'))).to.deep.equal(ofGroup);
    expect(await leftovers()).to.deep.equal(before.filter((each) => !ofGroup.includes(each)));
    // The workers' policy still names the group until up updates it.
    await workspace.up();
    await workspace.answer(['infra', 'status']);
  });

  it('fails for a mistyped group, and names those that exist', async () => {
    const { code, stderr } = await workspace.downOutput('--group', 'gpus');
    expect(code).to.equal(4);
    expect(stderr).to.include('has no resources of a group gpus').and.include('default, gpu');
  });

  it('leaves groups that the next up opens again after it failed midway', async () => {
    await workspace.up();
    cloud.failNext('autoscaling:DeleteAutoScalingGroup', 400, 'ValidationError', 'no');
    expect((await workspace.downOutput()).code).not.to.equal(0);
    await workspace.up();
    for (const name of [group(), `${workspace.stack}-gpu`])
      expect(await findScalingGroup(others, name)).to.include({ MaxSize: 20 });
  });

  it('continues after a denial with everything that is not in use, names every missing permission at the end, and then finishes', async () => {
    workspace.configure({ groups: { default: {}, gpu: {} }, manager: MANAGER });
    const { stack } = workspace;
    let denied: readonly string[] = [];
    // Each is an action, and the name of a resource.
    const isDenied = ({ service, action, body }: CloudRequest): boolean =>
      denied.some((each) => {
        const [kind = '', name = ''] = each.split(' ');
        return kind === `${service}:${action}` && new RegExp(`${name}(?![-\\w])`).test(decodeURIComponent(body));
      });
    cloud.failNext(isDenied, 403, 'AccessDenied', 'not allowed', Number.POSITIVE_INFINITY);
    const remaining = (lines: readonly Line[]) =>
      lines.filter(({ outcome }) => outcome === 'left').map(({ kind, name, why }) => `${kind} ${name}: ${why}`);
    await workspace.up();

    denied = [`autoscaling:UpdateAutoScalingGroup ${stack}-gpu`, `sqs:DeleteQueue ${stack}-default-dead`];
    const first = await workspace.downOutput('--delete-data');
    expect(first.code, first.stderr).to.equal(3);
    expect(first.stderr).to.include(`autoscaling:UpdateAutoScalingGroup on arn:aws:autoscaling`);
    expect(first.stderr).to.include(`sqs:DeleteQueue on arn:aws:sqs:us-east-1:${cloud.account}:${stack}-default-dead`);
    expect(await leftovers()).to.have.members([
      `group ${stack}-gpu`,
      `launchTemplate ${stack}-gpu`,
      `queue ${stack}-gpu`,
      `queue ${stack}-gpu-dead`,
      `securityGroup ${stack}-worker`,
      `role ${stack}-worker`,
      `profile ${stack}-worker`,
      `bucket ${stack}`,
      `queue ${stack}-default-dead`,
    ]);
    expect(remaining(first.lines)).to.include(`launchTemplate ${stack}-gpu: group ${stack}-gpu uses it`);

    denied = [`iam:RemoveRoleFromInstanceProfile ${stack}-worker`];
    const second = await workspace.downOutput('--delete-data');
    expect(second.code, second.stderr).to.equal(3);
    expect(second.stderr).to.include('iam:DeleteInstanceProfile');
    expect(remaining(second.lines)).to.include(`role ${stack}-worker: profile ${stack}-worker uses it`);
    expect(await leftovers()).to.deep.equal([`profile ${stack}-worker`, `role ${stack}-worker`]);

    denied = [];
    await workspace.down('--delete-data');
    expect(await leftovers()).to.deep.equal([]);
  });

  it('shows what would be removed, and removes nothing, with --dry-run', async () => {
    await workspace.up();
    const lines = await workspace.answer(['infra', 'down', '--dry-run']);
    expect(lines.some(({ kind, outcome }) => kind === 'group' && outcome === 'removed')).to.equal(true);
    await workspace.answer(['infra', 'status']);
  });

  it('removes from an existing bucket only objects below the prefix of the stack', async () => {
    const { s3 } = others;
    const Bucket = workspace.stack;
    await s3.createBucket({ Bucket });
    await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
    const rule = { ID: 'theirs', Status: 'Enabled', Filter: { Prefix: 'theirs' }, Expiration: { Days: 9 } } as const;
    await s3.putBucketLifecycleConfiguration({ Bucket, LifecycleConfiguration: { Rules: [rule] } });
    await s3.putBucketTagging({ Bucket, Tagging: { TagSet: [{ Key: 'team', Value: 'theirs' }] } });
    // Objects outside of the prefix whose keys begin similarly.
    for (const Key of ['theirs', 'ours', 'ours-too/x', 'ours.txt']) {
      for (const Body of ['1', '2']) await s3.putObject({ Bucket, Key, Body });
    }
    await s3.createMultipartUpload({ Bucket, Key: 'theirs-large' });
    const bucketState = async () => {
      const [{ Rules }, { TagSet }, { Versions = [], DeleteMarkers = [] }, { Uploads = [] }] = await Promise.all([
        s3.getBucketLifecycleConfiguration({ Bucket }),
        s3.getBucketTagging({ Bucket }),
        s3.listObjectVersions({ Bucket }),
        s3.listMultipartUploads({ Bucket }),
      ]);
      const versions = [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => `${Key} ${VersionId}`).sort();
      return { Rules, TagSet, versions, uploads: Uploads.map(({ UploadId }) => UploadId) };
    };
    const before = await bucketState();
    workspace.configure({ bucket: { name: Bucket, existing: true, prefix: 'ours/' } }, workspace.stack);
    await workspace.up();
    for (const Body of ['1', '2']) await s3.putObject({ Bucket, Key: 'ours/data/a b+c', Body });
    await s3.createMultipartUpload({ Bucket, Key: 'ours/data/large' });
    await workspace.down();
    expect((await bucketState()).versions.length).to.be.above(before.versions.length);
    await workspace.down('--delete-data');
    expect(await bucketState()).to.deep.equal(before);
  });

  it('deletes nothing from an existing bucket in which the stack has no prefix', async () => {
    const Bucket = workspace.stack;
    await others.s3.createBucket({ Bucket });
    const theirs = ['data/theirs', 'releases/app-1.2.tar.gz', 'releases/notes.json'];
    for (const Key of theirs) await others.s3.putObject({ Bucket, Key, Body: '1' });
    workspace.configure({ bucket: { name: Bucket, existing: true } }, workspace.stack);
    const keys = async (): Promise<readonly (string | undefined)[]> =>
      ((await others.s3.listObjectVersions({ Bucket })).Versions ?? []).map(({ Key }) => Key);
    await workspace.up();
    expect(await keys()).to.include('releases/0000.json');
    await workspace.down();
    expect(await keys()).to.deep.equal(theirs);
    const lines = await workspace.down('--delete-data');
    expect(lines.find(({ kind }) => kind === 'bucket')?.why).to.include('has no prefix in it');
    expect(await keys()).to.deep.equal(theirs);
  });

  it("leaves other owners' resources, whatever their names", async () => {
    const { stack } = workspace;
    await others.sqs.createQueue({ QueueName: `${stack}-default` });
    await createRole(others, `${stack}-worker`);
    await others.ec2.createLaunchTemplate({
      LaunchTemplateName: `${stack}-gpu`,
      LaunchTemplateData: { InstanceType: 'm7g.large' },
      TagSpecifications: [{ ResourceType: 'launch-template', Tags: [{ Key: STACK_TAG, Value: `${stack}x` }] }],
    });
    await others.ec2.createSecurityGroup({ GroupName: `${stack}-worker`, Description: 'theirs' });
    const before = await leftovers();
    const kinds = ['launchTemplate', 'queue', 'role', 'securityGroup'];
    const status = await workspace.answer(['infra', 'status'], 11);
    const foreign = status.filter(({ state }) => state === 'foreign').map(({ kind }) => kind);
    expect(foreign).to.include.members(kinds);
    const lines = await workspace.down('--delete-data');
    expect(lines.map(({ kind, outcome }) => `${kind} ${outcome}`)).to.have.members(kinds.map((kind) => `${kind} kept`));
    expect(await leftovers()).to.deep.equal(before);
    await others.iam.deleteRole({ RoleName: `${stack}-worker` });
    await others.sqs.getQueueUrl({ QueueName: `${stack}-default` });
  });
});
