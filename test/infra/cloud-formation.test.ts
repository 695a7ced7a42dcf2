// Protects: the CloudFormation template obeys AWS's published resource schemas and limits, for any configuration, in three partitions.
import { expect } from 'chai';
import { parse, stringify } from 'yaml';
import type { AwsProfile } from '../../src/config/load-config.ts';
import {
  deployHints,
  postDeployCommands,
  requireTemplateSize,
  type StackTemplate,
  stackTemplate,
  type TemplateFacts,
} from '../../src/infra/cloud-formation.ts';
import { machinesOf, managerBoot } from '../../src/infra/grid.ts';
import { policyFor } from '../../src/infra/policies.ts';
import { STACK_PARTS } from '../../src/infra/resource.ts';
import { decodeUserData } from '../../src/infra/user-data.ts';
import { partitionOf } from '../../src/lib/stack-names.ts';
import { awsProfile, everyField, sampleFields } from '../support/aws-profile.ts';
import { type Deployment, resolved, templateMistakes } from '../support/cloud-formation.ts';
import { rejection } from '../support/rejection.ts';

const SEED = Number(process.env.BATCHCTL_TEST_SEED ?? Date.now() % 1_000_000);
const CONFIGURATIONS = 12;
const REGIONS = ['eu-west-1', 'cn-north-1', 'us-gov-west-1'];
const RELEASE = { sha256: 'a'.repeat(64), setups: { gpu: 'b'.repeat(64) }, ca: null };
const AL2023 = '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64';

function factsOf(profile: AwsProfile): TemplateFacts {
  const types = { architecture: 'arm64', ebsOptimized: true } as const;
  const machines = machinesOf(profile).map(({ group, ami }) => {
    const parameter = ami === null ? AL2023 : ami.startsWith('ssm:') ? ami.slice('ssm:'.length) : null;
    const image = { id: 'ami-1', rootDevice: '/dev/xvda', rootSize: 8, parameter };
    return [group, { types, image, subnets: ['subnet-1', 'subnet-2'] }] as const;
  });
  return { vpc: 'vpc-1', machines: new Map(machines) };
}

const templateOf = (profile: AwsProfile, only: (typeof STACK_PARTS)[number] | null = null) =>
  stackTemplate(profile, factsOf(profile), RELEASE, only);

/** A deployment whose resources have their own names as references. */
const deployment = (profile: AwsProfile): Deployment => ({
  partition: partitionOf(profile.region),
  region: profile.region,
  account: profile.account ?? '',
  reference: (id, attribute) => (attribute === null ? id : `${id}.${attribute}`),
  parameter: (name) => `image of ${name}`,
});

/** The properties of a resource of a template, as it is deployed. */
const propertiesOf = <Properties>(template: StackTemplate, id: string, profile: AwsProfile) =>
  resolved(template.Resources[id]?.Properties, deployment(profile)) as Properties;

describe('a stack as a CloudFormation template', () => {
  for (const region of REGIONS) {
    it(`obeys the published resource schemas in ${region}, whole and in parts (seed ${SEED})`, async () => {
      const place = { region, account: '123456789012', bucket: 'acme' };
      const all = [everyField(region), ...sampleFields(CONFIGURATIONS, SEED, place)];
      for (const fields of all) {
        const profile = await awsProfile(fields);
        for (const only of [null, ...STACK_PARTS]) {
          const template = templateOf(profile, only);
          expect(templateMistakes(template), JSON.stringify(fields)).to.deep.equal([]);
          expect(Buffer.byteLength(template.Description)).to.be.at.most(1024);
        }
      }
    });

    it(`lets CloudFormation fill in partition, region and account in ${region}, with the policies of the roles`, async () => {
      const elsewhere = `sns:arn:${partitionOf(region)}:sns:xx-east-9:999999999999:theirs`;
      const notify = [{ on: ['failed'], to: elsewhere }];
      const profile = await awsProfile({ ...everyField(region), bucket: { name: 'acme', prefix: 'a*b/' }, notify });
      const template = templateOf(profile);
      expect(JSON.stringify(template)).to.not.match(/"arn:aws[a-z-]*:(s3|sqs|autoscaling|ssm|secretsmanager):/);
      for (const [id, role] of [
        ['WorkerRole', 'worker'],
        ['ManagerRole', 'manager'],
      ] as const) {
        const { Policies } = propertiesOf<{ readonly Policies: readonly unknown[] }>(template, id, profile);
        expect(Policies).to.deep.equal([{ PolicyName: 'batchctl', PolicyDocument: policyFor(role, profile) }]);
      }
    });
  }

  it('means the same in YAML 1.1, which CloudFormation reads, as in JSON', async () => {
    const tags = { on: 'no', '0123': '1:30', date: '2026-11-28', null: '~' };
    const template = templateOf(await awsProfile({ ...everyField('eu-west-1'), tags }));
    const text = stringify(template, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false });
    expect(parse(text, { version: '1.1' })).to.deep.equal(template);
    expect(text).to.not.match(/[&*]a1\b/);
  });

  it('keeps the bucket and its policy when the CloudFormation stack is deleted', async () => {
    const { Resources } = templateOf(await awsProfile(everyField('eu-west-1')));
    const kept = Object.keys(Resources).filter((id) => Resources[id]?.DeletionPolicy === 'Retain');
    expect(kept).to.deep.equal(['Bucket', 'BucketPolicy']);
    expect(kept.map((id) => Resources[id]?.UpdateReplacePolicy)).to.deep.equal(['Retain', 'Retain']);
  });

  it('creates nothing that the profile declares as existing', async () => {
    const iam = { workerProfile: 'theirs', managerProfile: 'theirs-too' };
    const network = { subnets: ['subnet-1'], securityGroups: ['sg-theirs'] };
    const bucket = { name: 'acme', existing: true, prefix: 'a/' };
    const profile = await awsProfile({ ...everyField('eu-west-1'), iam, network, bucket });
    const template = templateOf(profile);
    const ids = Object.keys(template.Resources);
    expect(ids.filter((id) => /^Bucket|Role$|Profile$|^WorkerSec/.test(id))).to.deep.equal([]);
    const groups = ['Default', 'Manager'].map((group) => {
      const { LaunchTemplateData: data } = propertiesOf<{
        readonly LaunchTemplateData: { readonly NetworkInterfaces: readonly { readonly Groups: unknown }[] };
      }>(template, `${group}LaunchTemplate`, profile);
      return data.NetworkInterfaces[0]?.Groups;
    });
    expect(groups).to.deep.equal([['sg-theirs'], ['ManagerSecurityGroup.GroupId', 'sg-theirs']]);
  });

  it('names the image by its parameter, without a label, which no dynamic reference can have', async () => {
    const amis = ['ami-12', 'ssm:/image', 'ssm:/image:3', 'ssm:/image:blue'];
    const groups = Object.fromEntries(amis.map((ami, at) => [`g${at}`, { ami }]));
    const { Resources } = templateOf(await awsProfile({ bucket: 'acme', groups: { ...groups, plain: {} } }));
    const images = ['G0', 'G1', 'G2', 'G3', 'Plain'].map((id) => {
      const { LaunchTemplateData } = Resources[`${id}LaunchTemplate`]?.Properties ?? {};
      return (LaunchTemplateData as { readonly ImageId: string }).ImageId;
    });
    expect(images).to.deep.equal([
      'ami-1',
      '{{resolve:ssm:/image}}',
      '{{resolve:ssm:/image:3}}',
      'ami-1',
      `{{resolve:ssm:${AL2023}}}`,
    ]);
  });

  it('gives groups whose names differ only by a dash separate resources', async () => {
    const names = ['a1', 'a-1', 'a-dash1', 'adash1', 'a--1', 'a-'];
    const groups = Object.fromEntries(names.map((name) => [name, {}]));
    const { Resources } = templateOf(await awsProfile({ bucket: 'acme', groups }));
    expect(Object.keys(Resources)).to.have.length(2 + 2 + 1 + 4 * names.length);
  });

  it("has the manager's script with the address that CloudFormation allocates", async () => {
    const profile = await awsProfile(everyField('eu-west-1'));
    const template = templateOf(profile);
    expect(template.Outputs?.Address?.Value).to.deep.equal({ 'Fn::GetAtt': ['ManagerAddress', 'PublicIp'] });
    expect(templateOf(profile, 'grid')).to.not.have.property('Outputs');
    const { LaunchTemplateData } = propertiesOf<{
      readonly LaunchTemplateData: { readonly UserData: string };
    }>(template, 'ManagerLaunchTemplate', profile);
    const { text } = managerBoot(profile, RELEASE, 'ManagerAddress.AllocationId');
    expect(decodeUserData(LaunchTemplateData.UserData)).to.equal(text);
    expect(Buffer.byteLength(text)).to.be.at.most(16_384);
  });

  it("comes with the commands that deploy it, and with what it can't do", async () => {
    const groups = { default: {}, gpu: {} };
    const ledger = { kind: 'simpledb', domains: 2 };
    const profile = await awsProfile({ bucket: 'acme', groups, ledger });
    const deploy = 'deploy it: aws cloudformation deploy --region eu-west-1 --stack-name';
    const named = '--capabilities CAPABILITY_NAMED_IAM';
    expect(deployHints(profile, null, 51_200)).to.deep.equal([`${deploy} month-end --template-file FILE ${named}`]);
    expect(deployHints(profile, 'iam', 1)).to.deep.equal([`${deploy} month-end-iam --template-file FILE ${named}`]);
    expect(deployHints(profile, 'grid', 51_201)).to.deep.equal([
      `${deploy} month-end-grid --template-file FILE --s3-bucket BUCKET`,
      'it has 51201 bytes, more than the 51200 of a request, so it is passed through any BUCKET of the region',
    ]);
    const suspended = ['default', 'gpu'].map(
      (group) =>
        `aws autoscaling suspend-processes --region eu-west-1 --auto-scaling-group-name month-end-${group} --scaling-processes AZRebalance`,
    );
    const domains = 'batchctl infra up --only data --profile prod';
    expect(postDeployCommands(profile, null)).to.deep.equal([domains, ...suspended]);
    expect(postDeployCommands(profile, 'data')).to.deep.equal([domains]);
    expect(postDeployCommands(profile, 'grid')).to.deep.equal(suspended);
    expect(postDeployCommands(profile, 'manager')).to.deep.equal([]);
  });

  it('is rejected if CloudFormation would not accept it', async () => {
    const queues = async (count: number) => {
      const groups = Object.fromEntries(Array.from({ length: count }, (_, at) => [`g${at}`, {}]));
      return templateOf(await awsProfile({ bucket: 'acme', groups }), 'data');
    };
    const error = await rejection(queues(250));
    expect(error.message).to.equal('the template has 502 resources, but CloudFormation allows 500');
    expect(Object.keys((await queues(249)).Resources)).to.have.length(500);
    const groups = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`g${at}`, { instances: ['c7g.large'] }]));
    const managed = await awsProfile({ bucket: 'acme', groups, manager: {} });
    expect(() => templateOf(managed, 'manager')).to.throw(/^the manager's user-data has \d+ bytes/);
    expect(() => requireTemplateSize(1_000_001)).to.throw('the template has 1000001 bytes');
    requireTemplateSize(1_000_000);
  });
});
