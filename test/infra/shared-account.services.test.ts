// Protects: stacks of one name in two regions, or in two buckets, never take, change or remove what the other has.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { HOME_TAG } from '../../src/lib/stack-names.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { type AccountClients, accountClients } from '../support/grid/account-clients.ts';
import { accountState } from '../support/grid/account-state.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { rangeJob } from '../support/range-job.ts';
import { StackWorkspace } from './stack-workspace.ts';

const [HERE, THERE] = ['us-east-1', 'eu-west-1'];

describe('an account with other stacks of the same name', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto', pace: { second: 20 } }));
  const here = forSuite(() => accountClients(cloud, { region: HERE }));
  const there = forSuite(() => accountClients(cloud, { region: THERE }));
  const ours = forEachTest(() => new StackWorkspace(cloud));
  const theirs = forEachTest(() => new StackWorkspace(cloud));

  const state = () => accountState([here, there]);
  /** The configuration of another home with the stack's name. */
  const configureTheirs = (profile: object): void =>
    theirs.configure({ bucket: `${ours.stack}-theirs`, ...profile }, ours.stack);
  const home = (): string => `${HERE}/${ours.stack}/`;

  /** What the other home is told, which may change nothing. */
  async function refusal(...args: readonly string[]): Promise<string> {
    const before = await state();
    cloud.takeCalls();
    const { code, stderr } = await theirs.output(...args);
    expect(code, stderr).to.equal(7);
    expect(cloud.takeChanges(), 'changes').to.deep.equal([]);
    expect(await state()).to.deep.equal(before);
    return stderr;
  }

  for (const [what, region, named] of [
    ['another region, where only IAM knows the name', THERE, 'the role NAME-worker exists'],
    ['the same region', HERE, 'the queue NAME-default-dead exists'],
  ] as const)
    it(`refuses infra up for another bucket in ${what}, and names the home that has it`, async () => {
      await ours.up();
      configureTheirs({ region });
      for (const verb of [['plan'], ['up', '--yes']]) {
        const stderr = await refusal('infra', ...verb);
        expect(stderr)
          .to.include(named.replace('NAME', ours.stack))
          .and.include(`belongs to the stack ${ours.stack} of ${home()}`);
        expect(stderr).to.include('use another stack name in the profile');
      }
      await ours.up();
      expect(await ours.answer(['infra', 'status'])).to.satisfy((lines: { state: string }[]) =>
        lines.every((line) => line.state === 'present'),
      );
    });

  for (const region of [HERE, THERE])
    it(`lets infra down of the other home remove nothing of a stack in ${HERE}, and say whose it is, in ${region}`, async () => {
      await ours.up();
      configureTheirs({ region, groups: { default: {}, gpu: {} } });
      await here.s3.createBucket({ Bucket: `${ours.stack}-theirs` });
      const before = await state();
      const lines = await theirs.down('--delete-data');
      const { [`bucket/${ours.stack}-theirs-`]: _removed, ...others } = before;
      expect(await state()).to.deep.equal(others);
      const kept = lines.filter(({ outcome }) => outcome === 'kept').map(({ kind, why }) => `${kind}: ${why}`);
      expect(kept).to.include(`role: belongs to the stack ${ours.stack} of ${home()}`);
      expect(kept).to.include(`profile: belongs to the stack ${ours.stack} of ${home()}`);
      expect(kept.some((line) => line.startsWith('queue: belongs to'))).to.equal(region === HERE);
    });

  it('lets no command of another home size its groups: they say whose they are', async () => {
    await ours.up();
    configureTheirs({ groups: { default: {}, gpu: {} } });
    await here.s3.createBucket({ Bucket: `${ours.stack}-theirs` });
    const before = await state();
    const owner = `the Auto Scaling group ${ours.stack}-default belongs to the stack ${ours.stack} of ${home()}`;
    for (const args of [['2'], ['--manual'], ['--max', '3']]) {
      const { code, stderr } = await theirs.run(['scale', ...args, '--yes']);
      expect(code, stderr).to.equal(7);
      expect(stderr).to.include(owner).and.include('use another stack name in the profile');
    }
    const doctor = await theirs.run(['doctor']);
    expect(doctor.stdout).to.match(new RegExp(`^fail +group +${owner}`, 'm'));
    const now = await state();
    const groups = Object.keys(before).filter((name) => /^us-east-1\/(?!queue)/.test(name));
    expect(groups).to.include(`${HERE}/group/${ours.stack}-default`);
    for (const name of groups) expect(now[name], name).to.equal(before[name]);
    await ours.runSuccessfully('scale', '1', '--yes');
  });

  it('sends no message to the queue of another home, and no worker takes any: both say whose it is', async () => {
    await ours.up();
    const job = rangeJob('echo', 2, { name: 'one', run: ['true'] });
    ours.write('job.json', job);
    await ours.runSuccessfully('submit', 'job.json', '--no-scale');
    configureTheirs({ groups: { default: {} } });
    const Bucket = `${ours.stack}-theirs`;
    await here.s3.createBucket({ Bucket });
    theirs.write('job.json', job);
    cloud.takeCalls();
    for (const args of [
      ['submit', 'job.json'],
      ['worker', '--here', '--until-empty'],
      ['queue', 'purge', '--confirm', 'default'],
    ]) {
      const { code, stderr } = await theirs.run(args);
      expect(code, `${args.join(' ')}: ${stderr}`).to.equal(7);
      expect(stderr).to.include(
        `the queue ${ours.stack}-default belongs to the stack ${ours.stack} of ${home()}, not of ${HERE}/${Bucket}/`,
      );
      expect(stderr).to.include('use another stack name in the profile');
    }
    const actions = cloud.takeCalls().map(({ action }) => action);
    for (const each of ['SendMessageBatch', 'ReceiveMessage', 'PurgeQueue', 'DeleteMessageBatch'])
      expect(actions).to.not.include(each);
    expect((await here.s3.listObjectsV2({ Bucket, Prefix: 'jobs/' })).KeyCount ?? 0).to.equal(0);
    const doctor = await theirs.run(['doctor']);
    expect(doctor.stdout).to.match(/^fail +queue +the queue \S+ belongs to the stack/m);
    // The owner of the queue goes on: a process asks once for the tags of each queue that it opens.
    cloud.takeCalls();
    await ours.runSuccessfully('worker', '--here', '--until-empty');
    expect(cloud.takeCalls().filter(({ action }) => action === 'ListQueueTags')).to.have.length(1);
    await ours.runSuccessfully('wait', 'last');
  });

  it('compares no queue whose tags it may not read, and takes a queue without a home as its own', async () => {
    await ours.up();
    ours.write('job.json', rangeJob('echo', 2, { name: 'one', run: ['true'] }));
    cloud.failNext(({ action }) => action === 'ListQueueTags', 403, 'AccessDenied', 'no', 1);
    await ours.runSuccessfully('submit', 'job.json', '--no-scale');
    const { QueueUrl } = await here.sqs.getQueueUrl({ QueueName: `${ours.stack}-default` });
    await here.sqs.untagQueue({ QueueUrl, TagKeys: [HOME_TAG] });
    await ours.runSuccessfully('worker', '--here', '--until-empty');
    await ours.runSuccessfully('wait', 'last');
  });

  it('keeps groups of a home that shares only the name of the stack with one that has other groups', async () => {
    const shared = { iam: { workerProfile: 'given' }, network: { securityGroups: ['sg-given'] } };
    await ours.up();
    configureTheirs({ groups: { other: {} }, ...shared });
    // Only its queues: the rest has no name in common.
    await theirs.up('--only', 'data');
    const before = await state();
    const status = await theirs.output('infra', 'status', '--only', 'data');
    expect(status.lines.map(({ name }) => name)).to.have.members([
      `${ours.stack}-theirs`,
      `${ours.stack}-other`,
      `${ours.stack}-other-dead`,
    ]);
    await theirs.down('--delete-data');
    const left = await state();
    expect(Object.keys(before).filter((name) => !(name in left))).to.have.members([
      `bucket/${ours.stack}-theirs-`,
      `${HERE}/queue/${ours.stack}-other`,
      `${HERE}/queue/${ours.stack}-other-dead`,
    ]);
    for (const [name, text] of Object.entries(left)) expect(text, name).to.equal(before[name]);
  });

  it('keeps a role while a launch template or an instance of others uses it, says which, and removes it after them', async () => {
    await ours.up();
    const { stack } = ours;
    const [theirTemplate, role] = [`${stack}-x`, `${stack}-worker`];
    const { ec2 } = here;
    const LaunchTemplateData = { ImageId: 'ami-12c6146b', IamInstanceProfile: { Name: role } };
    await ec2.createLaunchTemplate({ LaunchTemplateName: theirTemplate, LaunchTemplateData });
    // Only its newest version names the role; and one names it in a version that nothing uses by default.
    const LaunchTemplateName = `${stack}-y`;
    await ec2.createLaunchTemplate({ LaunchTemplateName, LaunchTemplateData: { ImageId: 'ami-12c6146b' } });
    await ec2.createLaunchTemplateVersion({ LaunchTemplateName, LaunchTemplateData });
    const run = { ImageId: 'ami-12c6146b', MinCount: 1, MaxCount: 1 };
    const { Instances: [instance] = [] } = await ec2.runInstances({ ...run, IamInstanceProfile: { Name: role } });
    await ec2.runInstances(run);
    const id = instance?.InstanceId ?? '';
    const before = await state();

    const kept = (await ours.down('--delete-data')).filter(({ outcome }) => outcome === 'kept');
    const users = `the launch template ${theirTemplate}, the launch template ${LaunchTemplateName}, the instance ${id}`;
    expect(kept.map(({ kind, name, why }) => `${kind} ${name}: ${why}`)).to.have.members([
      `profile ${role}: in use by ${users}`,
      `role ${role}: in use by the instance profile ${role}`,
    ]);
    const left = await state();
    for (const name of [`role/${role}`, `profile/${role}`])
      expect(left[name], name).to.be.a('string').and.equal(before[name]);

    for (const name of [theirTemplate, LaunchTemplateName])
      await ec2.deleteLaunchTemplate({ LaunchTemplateName: name });
    await ec2.terminateInstances({ InstanceIds: [id] });
    expect((await ours.down('--delete-data')).map(({ kind, outcome }) => `${kind} ${outcome}`)).to.have.members([
      'role removed',
      'profile removed',
    ]);
  });

  it('keeps a role while only another region uses it, says where, and which regions it could not ask', async () => {
    await ours.up();
    const role = `${ours.stack}-worker`;
    // The template has the name of the one that is removed here.
    const LaunchTemplateName = `${ours.stack}-default`;
    const { ec2 } = there;
    const LaunchTemplateData = { ImageId: 'ami-12c6146b', IamInstanceProfile: { Name: role } };
    await ec2.createLaunchTemplate({ LaunchTemplateName, LaunchTemplateData });
    const run = { ImageId: 'ami-12c6146b', MinCount: 1, MaxCount: 1 };
    const { Instances: [instance] = [] } = await ec2.runInstances({ ...run, IamInstanceProfile: { Name: role } });
    const id = instance?.InstanceId ?? '';
    const linesOf = (rows: Awaited<ReturnType<typeof ours.down>>) =>
      rows.filter(({ kind }) => kind === 'role' || kind === 'profile').map(({ outcome, why }) => `${outcome}: ${why}`);

    expect(linesOf(await ours.down())).to.have.members([
      `kept: in use by the launch template ${LaunchTemplateName} in ${THERE}, the instance ${id} in ${THERE}`,
      `kept: in use by the instance profile ${role}`,
    ]);
    await ec2.deleteLaunchTemplate({ LaunchTemplateName });
    expect(linesOf(await ours.down())).to.include(`kept: in use by the instance ${id} in ${THERE}`);

    // A region that fails to answer is no region without users.
    const isThere = (call: { action: string; region: string }, action: string) =>
      call.action === action && call.region === THERE;
    cloud.failNext((call) => isThere(call, 'DescribeInstances'), 503, 'Unavailable', 'busy', 6);
    const failed = await ours.run(['infra', 'down', '--confirm', ours.stack]);
    expect(failed.code, failed.stderr).to.equal(8);
    expect(failed.stderr).to.include(`find instances with the instance profile ${role}`);
    expect((await there.iam.getInstanceProfile({ InstanceProfileName: role })).InstanceProfile?.Roles).to.have.length(
      1,
    );

    await ec2.terminateInstances({ InstanceIds: [id] });
    cloud.failNext((call) => isThere(call, 'DescribeLaunchTemplateVersions'), 403, 'UnauthorizedOperation');
    const removed = await ours.run(['infra', 'down', '--confirm', ours.stack]);
    expect(removed.code, removed.stderr).to.equal(0);
    expect(removed.stderr).to.include(
      `could not ask who uses the instance profile ${role} in these regions: ${THERE} (denied)`,
    );
    expect(removed.stdout)
      .to.match(/^profile +\S+ +removed/m)
      .and.match(/^role +\S+ +removed/m);
  });

  it('asks only its own region if it may not list regions, and says so', async () => {
    await ours.up();
    cloud.failNext('ec2:DescribeRegions', 403, 'UnauthorizedOperation');
    const { code, stderr } = await ours.run(['infra', 'down', '--confirm', ours.stack]);
    expect(code, stderr).to.equal(0);
    expect(stderr).to.include(`${ours.stack}-worker in these regions: all others (denied)`);
  });

  it('keeps a role that someone else put into an instance profile, and says into which', async () => {
    await ours.up();
    const [role, InstanceProfileName] = [`${ours.stack}-worker`, `${ours.stack}-given`];
    await here.iam.createInstanceProfile({ InstanceProfileName });
    await here.iam.addRoleToInstanceProfile({ InstanceProfileName, RoleName: role });
    const kept = (await ours.down('--delete-data')).filter(({ outcome }) => outcome === 'kept');
    expect(kept.map(({ kind, why }) => `${kind}: ${why}`)).to.deep.equal([
      `role: in use by the instance profile ${InstanceProfileName}`,
    ]);
    const { InstanceProfile } = await here.iam.getInstanceProfile({ InstanceProfileName });
    expect(InstanceProfile?.Roles?.map(({ RoleName }) => RoleName)).to.deep.equal([role]);
    expect((await here.iam.listRolePolicies({ RoleName: role })).PolicyNames).to.have.length(1);
  });

  for (const [what, bucketOf] of [
    ['bucket', (name: string) => name],
    ['bucket that existed', (name: string) => ({ name, existing: true, prefix: 'ours/' })],
  ] as const)
    describe(`a stack that an earlier version made, with a ${what}`, () => {
      beforeEach(async () => {
        const { stack } = ours;
        ours.configure({ bucket: bucketOf(stack) }, stack);
        if (typeof bucketOf(stack) !== 'string') await here.s3.createBucket({ Bucket: stack });
        await ours.up();
        await forgetHomes(stack, here);
      });

      it('is taken over by its own home alone, once', async () => {
        configureTheirs({});
        expect(await refusal('infra', 'up', '--yes')).to.include(
          'that an earlier version made, maybe another one than this',
        );
        configureTheirs({ region: THERE });
        expect(await refusal('infra', 'up', '--yes')).to.include(
          'that an earlier version made, maybe another one than this',
        );
        const changed = (await ours.up()).filter(({ action }) => action === 'change');
        expect(changed.map(({ kind }) => kind)).to.include.members([
          'queue',
          'role',
          'profile',
          'securityGroup',
          'group',
        ]);
        expect((await ours.up()).filter(({ action }) => action !== 'keep')).to.deep.equal([]);
        configureTheirs({});
        expect(await refusal('infra', 'up', '--yes')).to.include(`belongs to the stack ${ours.stack} of ${home()}`);
      });

      it('is removed by its own home alone', async () => {
        configureTheirs({ groups: { default: {}, gpu: {} } });
        const before = await state();
        await theirs.down('--delete-data');
        expect(await state()).to.deep.equal(before);
        await ours.down('--delete-data');
        const left = Object.keys(await state()).filter((name) => name.includes(`/${ours.stack}`));
        expect(left).to.deep.equal(typeof bucketOf('') === 'string' ? [] : [`bucket/${ours.stack}-`]);
      });
    });
});

describe('an account with two regions and several stacks without a configured name', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto', pace: { second: 20 } }));
  const here = forSuite(() => accountClients(cloud, { region: HERE }));
  const there = forSuite(() => accountClients(cloud, { region: THERE }));
  const [ours, beside, abroad] = [0, 1, 2].map(() => forSuite(() => new StackWorkspace(cloud))) as [
    StackWorkspace,
    StackWorkspace,
    StackWorkspace,
  ];
  const state = () => accountState([here, there]);

  /** As the README's profile: a region, an account and a bucket. */
  const configure = (workspace: StackWorkspace, bucket: string, region: string): void =>
    workspace.configure({ stack: undefined, groups: undefined, bucket, region }, bucket);

  it('has only what docs/aws.md says touched by up, scale and down, and everything else stays as it is', async () => {
    configure(ours, 'acme-month-end', HERE);
    configure(beside, 'acme-quarter-end', HERE);
    configure(abroad, 'acme-month-end-eu', THERE);
    await beside.up();
    await abroad.up();
    const others = await state();
    const expectOthers = async (when: string): Promise<void> => {
      const now = await state();
      for (const [name, text] of Object.entries(others)) expect(now[name], `${name} ${when}`).to.equal(text);
    };
    await ours.up();
    await expectOthers('after up');
    const touched = documentedNames('acme-month-end', ['default']);
    const made = Object.keys(await state()).filter((name) => !(name in others));
    expect(made.map((name) => name.replace(/^.*\//, '').replace(/-$/, ''))).to.include.members([
      'acme-month-end-default-dead',
    ]);
    for (const name of made) expect(touched, name).to.include(name.replace(/^.*\//, '').replace(/-$/, ''));
    await ours.runSuccessfully('scale', '1', '--yes');
    await expectOthers('after scale');
    expect(cloud.grid.instances('acme-quarter-end-default')).to.deep.equal([]);
    await ours.down('--delete-data', '--timeout', '1s');
    expect(await state()).to.deep.equal(others);
    await beside.down('--delete-data');
    await abroad.down('--delete-data');
  });

  it('is told the name of the stack that has its bucket, if an earlier version named it', async () => {
    ours.configure({ bucket: 'acme-former' }, 'batchctl');
    await ours.up('--only', 'data');
    configure(ours, 'acme-former', HERE);
    const { code, stderr } = await ours.output('infra', 'plan');
    expect(code, stderr).to.equal(7);
    expect(stderr).to.include('belongs to the stack batchctl').and.include('\\"stack\\": \\"batchctl\\"');
  });
});

/** The names in the first column of the page's table, for a stack, which is also the name of its bucket. */
function documentedNames(stack: string, groups: readonly string[]): readonly string[] {
  const page = readFileSync(new URL('../../docs/aws.md', import.meta.url), 'utf8');
  const [, section = ''] = /\n## In a shared account\n([\s\S]*?)\n## /.exec(page) ?? [];
  const cells = section.split('\n').flatMap((line) => /^\| ([^|]*) \|/.exec(line)?.[1] ?? []);
  const patterns = cells.flatMap((cell) => [...cell.matchAll(/`(<stack>[^`]*)`/g)].map(([, name = '']) => name));
  const named = patterns.flatMap((each) =>
    groups.map((group) => each.replace('<stack>', stack).replace('<group>', group)),
  );
  return [stack, ...named];
}

/** Removes the homes from the tags of a stack's resources, as an earlier version left them. */
async function forgetHomes(stack: string, { s3, sqs, iam, ec2, scaling }: AccountClients): Promise<void> {
  const Tagging = await s3.getBucketTagging({ Bucket: stack }).catch(() => null);
  const TagSet = Tagging?.TagSet?.filter(({ Key }) => Key !== HOME_TAG) ?? [];
  if (TagSet.length > 0) await s3.putBucketTagging({ Bucket: stack, Tagging: { TagSet } });
  const { QueueUrls = [] } = await sqs.listQueues({ QueueNamePrefix: `${stack}-` });
  for (const QueueUrl of QueueUrls) await sqs.untagQueue({ QueueUrl, TagKeys: [HOME_TAG] });
  const TagKeys = [HOME_TAG];
  await iam.untagRole({ RoleName: `${stack}-worker`, TagKeys });
  await iam.untagInstanceProfile({ InstanceProfileName: `${stack}-worker`, TagKeys });
  const { LaunchTemplates = [] } = await ec2.describeLaunchTemplates({});
  const { SecurityGroups = [] } = await ec2.describeSecurityGroups({});
  const Resources = [
    ...LaunchTemplates.flatMap(({ LaunchTemplateId: id = '', LaunchTemplateName: name = '' }) =>
      name.startsWith(`${stack}-`) ? id : [],
    ),
    ...SecurityGroups.flatMap(({ GroupId: id = '', GroupName: name = '' }) => (name.startsWith(`${stack}-`) ? id : [])),
  ];
  await ec2.deleteTags({ Resources, Tags: [{ Key: HOME_TAG }] });
  const { AutoScalingGroups = [] } = await scaling.describeAutoScalingGroups({});
  const Tags = AutoScalingGroups.flatMap(({ AutoScalingGroupName: ResourceId = '' }) =>
    ResourceId.startsWith(`${stack}-`) ? { ResourceId, ResourceType: 'auto-scaling-group', Key: HOME_TAG } : [],
  );
  await scaling.deleteTags({ Tags });
}
