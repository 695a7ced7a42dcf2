// Protects: the printed administrator policy is enough for plan, up, status, release and down, and reaches no other stack.
import { KMS } from '@aws-sdk/client-kms';
import { expect } from 'chai';
import type { PolicyDocument } from '../../src/infra/policy.ts';
import { randomId } from '../../src/lib/id.ts';
import { clientConfig } from '../support/grid/account-clients.ts';
import { actionsOf, allows, type Call, deniedBy, idleGrants, printedPolicy, takePermissions } from '../support/iam.ts';
import { rangeJob } from '../support/range-job.ts';
import { CHANGED_GROUPS, STRANGER, Strangers } from './strangers.ts';

describe("the administrator's policy", () => {
  const strangers = new Strangers();
  const { cloud, workspace } = strangers;
  let calls: readonly Call[];
  let policy: PolicyDocument;

  before(async () => {
    const { ec2, s3, scaling } = strangers.clients;
    const profile = await strangers.configure();
    const { stack } = workspace;
    const facts = { stack, boundary: profile.iam.permissionsBoundary };
    const takeOwn = () => [...takePermissions(cloud, facts, ({ accessKeyId }) => accessKeyId !== STRANGER)];
    await workspace.answer(['infra', 'plan']);
    await workspace.up();
    await workspace.answer(['infra', 'status']);
    await strangers.changeStack();
    const groups = CHANGED_GROUPS;
    const changed = { ...profile, groups, tags: { team: 'claims' } };
    workspace.configure(changed, stack);
    await workspace.answer(['infra', 'status'], 11);
    await workspace.up();
    // Enough versions of a template that the first ones are deleted.
    for (const disk of ['31GB', '32GB', '33GB', '34GB', '35GB']) {
      workspace.configure({ ...profile, groups: { ...groups, gpu: { ...groups.gpu, disk } } }, stack);
      await workspace.up('--only', 'grid');
    }
    await scaling.setDesiredCapacity({ AutoScalingGroupName: `${stack}-default`, DesiredCapacity: 1 });
    await cloud.grid.serves(`${stack}-default`, 1);
    await workspace.answer(['infra', 'release', '--yes']);
    // A person has borrowed the address.
    const borrower = await ec2.runInstances({ ImageId: 'ami-12c6146b', MinCount: 1, MaxCount: 1 });
    const { Addresses: [{ AllocationId } = {}] = [] } = await ec2.describeAddresses({});
    await ec2.associateAddress({ AllocationId, InstanceId: borrower.Instances?.[0]?.InstanceId });
    // An operator's job, which is unfinished at first.
    const asked = takeOwn();
    workspace.write('job.json', rangeJob('echo', 2, { name: 'one', run: ['true'] }));
    await workspace.runSuccessfully('submit', 'job.json', '--no-scale');
    cloud.takeCalls();
    expect((await workspace.downOutput()).code).to.equal(7);
    asked.push(...takeOwn());
    await workspace.runSuccessfully('cancel', 'last', '--yes');
    cloud.takeCalls();
    await s3.putObject({ Bucket: stack, Key: 'data/one', Body: 'one' });
    await s3.createMultipartUpload({ Bucket: stack, Key: 'data/two' });
    workspace.configure({ ...profile, groups, network: { publicIp: false } }, stack);
    await workspace.answer(['infra', 'plan'], 3);
    // One domain fewer than exist.
    workspace.configure({ ...changed, ledger: { kind: 'simpledb', domains: 1 } }, stack);
    await workspace.down('--delete-data', '--timeout', '1s');
    workspace.configure(changed, stack);
    policy = await printedPolicy(workspace, 'admin');
    calls = [...asked, ...takeOwn()];
  });

  it('allows everything that plan, up, status, release and down request', () => {
    expect(deniedBy(policy, calls)).to.deep.equal([]);
    expect(calls.length).to.be.above(200);
  });

  it('allows no action that none of them requested', () => {
    expect(idleGrants(policy, calls)).to.deep.equal([]);
  });

  it('may delete only release files from an existing bucket without a prefix', async () => {
    const Bucket = `theirs-${randomId(6)}`;
    await strangers.clients.s3.createBucket({ Bucket });
    workspace.write('setup.sh', 'true\n');
    const groups = { default: { instances: ['c7g.large'], setup: 'setup.sh' } };
    workspace.configure({ bucket: { name: Bucket, existing: true }, groups });
    cloud.takeCalls();
    await workspace.up();
    await workspace.down('--delete-data', '--timeout', '1s');
    const own = takePermissions(cloud, { stack: workspace.stack });
    const document = await printedPolicy(workspace, 'admin');
    expect(deniedBy(document, own)).to.deep.equal([]);
    const deleted = own.filter(({ action }) => action === 's3:DeleteObject').map(({ resource }) => resource);
    const files = deleted.filter((resource) => /releases\/(0000.json|[0-9a-f]{64}.tar.gz|setup-)/.test(resource));
    expect(files).to.have.length(3);
    const may = (action: string, key: string): boolean =>
      allows(document, { action, resource: `arn:aws:s3:::${Bucket}/${key}`, context: {} });
    for (const theirs of ['data/one', 'jobs/one', 'releases/app-1.2.tar.gz', 'releases/notes.json']) {
      for (const action of ['s3:DeleteObject', 's3:PutObject']) expect(may(action, theirs), theirs).to.equal(false);
    }
    expect(actionsOf(document)).not.to.include.oneOf(['s3:DeleteObjectVersion', 's3:AbortMultipartUpload']);
  });

  it('allows checking whether a key admits Auto Scaling, and using it', async () => {
    const kms = new KMS(clientConfig(cloud, { accessKeyId: STRANGER }));
    const { KeyMetadata } = await kms.createKey({});
    kms.destroy();
    workspace.configure({ kmsKey: KeyMetadata?.Arn });
    cloud.takeCalls();
    const { stderr } = await workspace.output('infra', 'plan', '--only', 'grid');
    expect(stderr).to.include('does not allow Auto Scaling');
    const document = await printedPolicy(workspace, 'admin');
    const ofKey = takePermissions(cloud, { stack: workspace.stack }).filter(({ action }) => action.startsWith('kms:'));
    expect(deniedBy(document, ofKey)).to.deep.equal([]);
    const reads = ['kms:DescribeKey', 'kms:GetKeyPolicy', 'kms:ListGrants'];
    expect([...new Set(ofKey.map(({ action }) => action))].sort()).to.deep.equal(reads);
    expect(actionsOf(document).filter((action) => action.startsWith('kms:'))).to.have.members([
      ...reads,
      'kms:Decrypt',
      'kms:GenerateDataKey',
    ]);
  });
});
