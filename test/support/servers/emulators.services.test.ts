// Protects: emulated services do what AWS's models and pages say where batchctl depends on it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MessageSystemAttributeName, SQS } from '@aws-sdk/client-sqs';
import { expect } from 'chai';
import { randomId } from '../../../src/lib/id.ts';
import { CREDENTIALS } from '../aws-keys.ts';
import { readModelNames } from '../aws-model.mjs';
import { forEachTest, forSuite } from '../fixture.ts';
import { type AccountClients, accountClients, createRole } from '../grid/account-clients.ts';
import { startCloud } from '../grid/cloud.ts';
import { rejection } from '../rejection.ts';
import { startFauxqs } from './fauxqs.ts';
import { startMotoSqs } from './moto.ts';

/** Those that each message of a queue has (SQS: ReceiveMessage, MessageSystemAttributeNames). */
const OF_EACH = ['ApproximateFirstReceiveTimestamp', 'ApproximateReceiveCount', 'SenderId', 'SentTimestamp'] as const;

for (const [name, start] of [
  ['moto', startMotoSqs],
  ['fauxqs', startFauxqs],
] as const)
  describe(`the SQS of ${name}`, () => {
    const server = forSuite(start);
    const sqs = forSuite(() => new SQS({ region: 'us-east-1', endpoint: server.url, credentials: CREDENTIALS }));
    const queue = forEachTest(async () => {
      const { QueueUrl = '' } = await sqs.createQueue({ QueueName: `q-${randomId(6)}` });
      await sqs.sendMessage({ QueueUrl, MessageBody: 'one' });
      return { QueueUrl };
    });
    /** The system attributes of a message for a request with these names. */
    const attributesFor = async (names: object) => {
      const { Messages = [] } = await sqs.receiveMessage({ ...queue, ...names, VisibilityTimeout: 0 });
      expect(Messages).to.have.length(1);
      return Object.keys(Messages[0]?.Attributes ?? {}).sort();
    };

    it('returns exactly the system attributes that are asked for, by either parameter', async () => {
      expect(await attributesFor({})).to.deep.equal([]);
      for (const each of OF_EACH) {
        expect(await attributesFor({ MessageSystemAttributeNames: [each] })).to.deep.equal([each]);
        expect(await attributesFor({ AttributeNames: [each] })).to.deep.equal([each]);
      }
      const two = [OF_EACH[1], OF_EACH[3]] as const;
      expect(await attributesFor({ MessageSystemAttributeNames: two })).to.deep.equal([...two]);
    });

    it('returns all of them for All, and none that the model does not have', async () => {
      for (const parameter of ['MessageSystemAttributeNames', 'AttributeNames']) {
        const all = await attributesFor({ [parameter]: ['All'] });
        expect(all).to.include.members([...OF_EACH]);
        expect(Object.keys(MessageSystemAttributeName)).to.include.members(all);
      }
    });
  });

describe('the emulated account', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto' }));
  const here = forSuite(() => accountClients(cloud, { region: 'us-east-1' }));
  const there = forSuite(() => accountClients(cloud, { region: 'eu-west-1' }));

  it('has one IAM for all regions: roles, instance profiles and policies', async () => {
    const name = `role-${randomId(6)}`;
    await createRole(here, name);
    const Statement = [{ Effect: 'Allow', Action: 'sqs:*', Resource: '*' }];
    const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement });
    await here.iam.putRolePolicy({ RoleName: name, PolicyName: 'p', PolicyDocument });
    await there.iam.createInstanceProfile({ InstanceProfileName: name });
    await there.iam.addRoleToInstanceProfile({ InstanceProfileName: name, RoleName: name });
    for (const { iam } of [here, there]) {
      expect((await iam.listRolePolicies({ RoleName: name })).PolicyNames).to.deep.equal(['p']);
      const { InstanceProfile } = await iam.getInstanceProfile({ InstanceProfileName: name });
      expect(InstanceProfile?.Roles?.map(({ RoleName }) => RoleName)).to.deep.equal([name]);
    }
    expect((await rejection(createRole(there, name))).name).to.match(/^EntityAlreadyExists/);
  });

  it('has queues, launch templates, groups and instances of each region, and buckets of all', async () => {
    const name = `own-${randomId(6)}`;
    await here.sqs.createQueue({ QueueName: name });
    const LaunchTemplateData = { ImageId: 'ami-12c6146b' };
    await here.ec2.createLaunchTemplate({ LaunchTemplateName: name, LaunchTemplateData });
    const { Instances: [instance] = [] } = await here.ec2.runInstances({
      ...LaunchTemplateData,
      MinCount: 1,
      MaxCount: 1,
    });
    await here.s3.createBucket({ Bucket: name });
    const seen = async ({ sqs, ec2, s3 }: AccountClients) => {
      const [queues, templates, instances, buckets] = await Promise.all([
        sqs.listQueues({ QueueNamePrefix: name }),
        ec2.describeLaunchTemplates({}),
        ec2.describeInstances({}),
        s3.listBuckets({}),
      ]);
      return {
        queue: queues.QueueUrls?.length ?? 0,
        template: templates.LaunchTemplates?.some(({ LaunchTemplateName }) => LaunchTemplateName === name),
        instance: instances.Reservations?.some(({ Instances: [one] = [] }) => one?.InstanceId === instance?.InstanceId),
        bucket: buckets.Buckets?.some(({ Name }) => Name === name),
      };
    };
    expect(await seen(here)).to.deep.equal({ queue: 1, template: true, instance: true, bucket: true });
    expect(await seen(there)).to.deep.equal({ queue: 0, template: false, instance: false, bucket: true });
  });

  it('lists the regions that the account may use, its own among them', async () => {
    for (const { ec2 } of [here, there]) {
      const { Regions = [] } = await ec2.describeRegions({});
      expect(Regions.map(({ RegionName }) => RegionName)).to.include.members(['us-east-1', 'eu-west-1']);
      expect(Regions.map(({ OptInStatus }) => OptInStatus)).to.not.include('not-opted-in');
    }
  });

  it('keeps versions of objects: each put has its own, a deletion hides them, and each can be read and removed', async () => {
    const at = { Bucket: `versions-${randomId(6)}`, Key: 'a' };
    const { s3 } = here;
    await s3.createBucket({ Bucket: at.Bucket });
    expect((await s3.putObject({ ...at, Body: 'before' })).VersionId, 'without versions').to.equal(undefined);
    await s3.putBucketVersioning({ Bucket: at.Bucket, VersioningConfiguration: { Status: 'Enabled' } });
    const [one, two] = [await s3.putObject({ ...at, Body: 'one' }), await s3.putObject({ ...at, Body: 'two' })];
    const [first = '', second = ''] = [one.VersionId, two.VersionId];
    expect(new Set([first, second, '']).size).to.equal(3);
    const read = async (VersionId?: string) => {
      const { Body, VersionId: found } = await s3.getObject({ ...at, ...(VersionId !== undefined && { VersionId }) });
      return [await Body?.transformToString(), found];
    };
    expect(await read()).to.deep.equal(['two', second]);
    expect(await read(first)).to.deep.equal(['one', first]);
    // What was put before is the version `null` (S3: PutBucketVersioning).
    expect((await read('null'))[0]).to.equal('before');
    expect((await s3.headObject(at)).VersionId).to.equal(second);

    const { DeleteMarker, VersionId: marker = '' } = await s3.deleteObject(at);
    expect(DeleteMarker).to.equal(true);
    expect((await rejection(read())).name).to.equal('NoSuchKey');
    expect(await read(first)).to.deep.equal(['one', first]);
    const { Versions = [], DeleteMarkers = [] } = await s3.listObjectVersions({ Bucket: at.Bucket });
    expect(Versions.map(({ VersionId }) => VersionId)).to.have.members([first, second, 'null']);
    expect(DeleteMarkers.map(({ VersionId, IsLatest }) => [VersionId, IsLatest])).to.deep.equal([[marker, true]]);

    await s3.deleteObject({ ...at, VersionId: marker });
    expect(await read()).to.deep.equal(['two', second]);
    await s3.deleteObject({ ...at, VersionId: second });
    expect(await read()).to.deep.equal(['one', first]);
    expect((await rejection(read(second))).name).to.equal('NoSuchVersion');
  });
});

describe('the corrections of moto', () => {
  it('read and answer only members that EC2 has', () => {
    const text = readFileSync(join(import.meta.dirname, 'moto-grid.py'), 'utf8');
    const known = readModelNames('ec2');
    const asked = [...text.matchAll(/\._get_\w*param\w*\("(\w+)"/g)].map(([, name = '']) => name);
    // Keys of answers, and elements of XML that is written out.
    const answered = [...text.matchAll(/^ {8}"(\w+)":|"(\w+Set)":|<(\w+)>/gm)].map((found) => found.slice(1).join(''));
    expect(asked.length).to.be.above(12);
    expect(answered.length).to.be.above(15);
    expect([...new Set([...asked, ...answered])].filter((name) => !known.has(name.toLowerCase()))).to.deep.equal([]);
  });
});
