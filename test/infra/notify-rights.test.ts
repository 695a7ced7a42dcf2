// Protects: operators, workers and the manager have the permissions to notify people, and no others for it.
import { expect } from 'chai';
import type { AwsProfile } from '../../src/config/load-config.ts';
import { POLICY_ROLES, type PolicyRole, policyFor } from '../../src/infra/policies.ts';
import { instanceConfig, type Reader } from '../../src/infra/user-data.ts';
import { awsProfile } from '../support/aws-profile.ts';

const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:ops';
const NOTIFY = [
  { on: ['failed'], to: `sns:${TOPIC}` },
  { on: ['late'], to: 'sns:pages', secret: 'ssm:/unused' },
  { on: ['failed'], to: 'https://hooks.example.com/a', secret: 'secretsmanager:hook#key' },
  { on: ['failed'], to: 'https://hooks.example.com/b', secret: 'env:HOOK' },
  { on: ['failed'], to: 'exec:./page.sh' },
];

describe('the permissions to notify people and to publish metrics', () => {
  let profile: AwsProfile;
  before(async () => {
    profile = await awsProfile({ notify: NOTIFY, metrics: true });
  });

  const statement = (role: PolicyRole, sid: string) =>
    policyFor(role, profile).Statement.find(({ Sid }) => Sid === sid);

  for (const role of POLICY_ROLES.filter((each) => each !== 'admin')) {
    it(`let the ${role} publish to the topics that the profile names, and read the secrets that sign`, () => {
      expect(statement(role, 'Notify')).to.deep.include({
        Action: ['sns:Publish'],
        Resource: [TOPIC, TOPIC.replace('ops', 'pages')],
      });
      expect(statement(role, 'NotifySecrets')?.Resource).to.deep.equal([
        'arn:aws:secretsmanager:eu-west-1:123456789012:secret:hook-??????',
      ]);
    });
  }

  it("let the operator and the manager publish metrics only in batchctl's namespace, and a worker none", () => {
    for (const role of ['operator', 'manager'] as const) {
      expect(statement(role, 'Metrics')).to.deep.include({
        Action: ['cloudwatch:PutMetricData'],
        Condition: { StringEquals: { 'cloudwatch:namespace': ['batchctl'] } },
      });
    }
    expect(statement('worker', 'Metrics')).to.equal(undefined);
  });

  it('are not granted without notifications and metrics in the profile', async () => {
    const plain = await awsProfile();
    const text = JSON.stringify(POLICY_ROLES.map((role) => policyFor(role, plain)));
    expect(text).not.to.match(/sns:|cloudwatch:|"Notify/);
  });

  it("cover only receivers that a worker's instance can use: no programs or secrets of another machine", () => {
    const notify = (reader: Reader) => {
      const { profiles } = instanceConfig(profile, reader, null) as {
        profiles: Readonly<Record<string, { notify?: readonly { to: string }[]; metrics?: boolean }>>;
      };
      return profiles.prod;
    };
    expect(notify({ worker: 'default' })?.notify?.map(({ to }) => to)).to.deep.equal([
      `sns:${TOPIC}`,
      'sns:pages',
      'https://hooks.example.com/a',
    ]);
    expect(notify({ worker: 'default' })).not.to.have.property('metrics');
    expect(notify('manager')?.notify).to.have.length(NOTIFY.length);
    expect(notify('manager')?.metrics).to.equal(true);
  });
});
