// Protects: in regions of China and the US government, no policy, template or error names another partition.
import { expect } from 'chai';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import { openBucket, s3Operation } from '../../src/adapters/aws/s3-bucket.ts';
import { Arns } from '../../src/infra/arns.ts';
import { tlsOnly } from '../../src/infra/bucket-settings.ts';
import { templateData } from '../../src/infra/launch-template.ts';
import { adminPolicyFor, POLICY_ROLES, policyFor } from '../../src/infra/policies.ts';
import { STACK_PARTS } from '../../src/infra/resource.ts';
import { managerUserData, workerUserData } from '../../src/infra/user-data.ts';
import { awsProfile, everyField } from '../support/aws-profile.ts';

const PARTITIONS = [
  { region: 'eu-west-1', partition: 'aws', ec2: 'ec2.amazonaws.com' },
  { region: 'cn-north-1', partition: 'aws-cn', ec2: 'ec2.amazonaws.com.cn' },
  { region: 'us-gov-west-1', partition: 'aws-us-gov', ec2: 'ec2.amazonaws.com' },
];
const LEDGERS = [
  { kind: 'simpledb', domains: 2 },
  { kind: 'postgres', url: 'postgres://me@db/x', iam: true },
];
const release = { sha256: 'a'.repeat(64), setups: { default: null, gpu: 'b'.repeat(64) }, ca: null };

for (const { region, partition, ec2 } of PARTITIONS) {
  describe(`a stack in ${region}`, () => {
    it(`names only ARNs and hosts of ${partition} in its policies, templates and errors`, async () => {
      const texts: string[] = [];
      for (const ledger of LEDGERS) {
        const profile = await awsProfile({ ...everyField(region), ledger });
        const policies = [
          ...POLICY_ROLES.map((role) => policyFor(role, profile)),
          ...STACK_PARTS.map((part) => adminPolicyFor(part, profile)),
        ];
        for (const { Statement } of policies)
          for (const { Sid, Resource } of Statement)
            for (const resource of Resource) expect(resource, Sid).to.match(new RegExp(`^(\\*$|arn:${partition}:)`));
        const boot = { text: workerUserData(profile, 'gpu', release), release: 'a'.repeat(12) };
        const launch = {
          name: 'month-end-gpu',
          group: 'gpu',
          instances: ['g5.xlarge'],
          instanceProfile: 'month-end-worker',
          securityGroups: ['sg-1'],
          boot,
          image: { id: 'ami-1', rootDevice: '/dev/xvda', rootSize: 8, parameter: null },
          types: { architecture: 'arm64', ebsOptimized: true } as const,
          disk: 30e9,
        };
        const others = [tlsOnly(new Arns(profile).bucket), templateData(launch, profile), boot.text];
        const manager = managerUserData(profile, release, 'eipalloc-1');
        texts.push(...[...policies, ...others, manager].map((each) => JSON.stringify(each)));
      }
      const clients = new AwsClients({ region, profile: null, account: null, endpoints: {} });
      const place = { name: 'acme-data', owner: null, prefix: 'batch/', kmsKey: null };
      const bucket = await openBucket(clients, place, 'probe');
      texts.push(s3Operation(bucket, 's3:GetObject', 'jobs/x', 'read it').resource);
      await clients.close();
      const named = texts.flatMap((text) => [...text.matchAll(/arn:(aws[a-z-]*):/g)].map(([, found]) => found));
      expect([...new Set(named)]).to.deep.equal([partition]);
      expect(texts.at(-1)).to.equal(`arn:${partition}:s3:::acme-data/batch/jobs/x`);
    });

    it('lets roles be passed to EC2 under its name in that partition', async () => {
      const { Statement } = policyFor('admin', await awsProfile(everyField(region)));
      const passed = Statement.find(({ Sid }) => Sid === 'PassRoles');
      expect(passed?.Condition).to.deep.equal({ StringEquals: { 'iam:PassedToService': [ec2] } });
    });
  });
}
