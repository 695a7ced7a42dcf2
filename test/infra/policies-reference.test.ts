// Protects: IAM can match each action, resource and condition of the policies, and accepts their size.
import { expect } from 'chai';
import { adminPolicyFor, POLICY_ROLES, policyFor } from '../../src/infra/policies.ts';
import { allow, documentsOf, equals, type PolicyDocument, policyOf, type Statement } from '../../src/infra/policy.ts';
import { STACK_PARTS } from '../../src/infra/resource.ts';
import { awsProfile, everyField } from '../support/aws-profile.ts';
import { idleParts } from '../support/iam-reference.ts';
import { Workspace } from '../support/workspace.ts';

const REGION = 'eu-west-1';
/** Options that add or remove statements. */
const VARIANTS: readonly Readonly<Record<string, unknown>>[] = [
  {},
  { ledger: { kind: 'simpledb', domains: 2 } },
  { ledger: { kind: 'postgres', url: 'postgres://me@db.example.com/batch', iam: true } },
  ...['ssm:/db', 'secretsmanager:db#password'].map((password) => ({
    ledger: {
      kind: 'mysql',
      url: 'mysql://me@db.example.com/batch',
      password,
      passwordKey: 'arn:aws:kms:eu-west-1:123456789012:key/0a',
    },
  })),
  { bucket: { name: 'acme-data', existing: true, prefix: '' } },
  { iam: { workerProfile: 'given-worker', managerProfile: 'given-manager' } },
];

async function policiesOf(fields: Readonly<Record<string, unknown>>): Promise<ReadonlyMap<string, PolicyDocument>> {
  const profile = await awsProfile({ ...everyField(REGION), ...fields });
  return new Map([
    ...POLICY_ROLES.map((role) => [role, policyFor(role, profile)] as const),
    ...STACK_PARTS.map((part) => [`admin's ${part}`, adminPolicyFor(part, profile)] as const),
  ]);
}

describe('the policies', () => {
  it('have nothing that IAM would never match, according to the service authorization reference', async () => {
    for (const variant of VARIANTS)
      for (const [who, policy] of await policiesOf(variant)) expect(await idleParts(policy), who).to.deep.equal([]);
  });
  it('are checked: the test finds such entries', async () => {
    const statement = (action: string, resource: string, condition?: Statement['Condition']): PolicyDocument =>
      policyOf([allow('One', [action], [resource], condition)]);
    const tag = equals('aws:ResourceTag/batchctl:stack', 'month-end');
    const faults: readonly (readonly [PolicyDocument, readonly string[]])[] = [
      [
        statement('s3:HeadObject', 'arn:aws:s3:::b/k'),
        ['One: there is no s3:HeadObject', 'One: arn:aws:s3:::b/k is of none of its actions'],
      ],
      [statement('sqs:sendMessage', '*'), ['One: there is no sqs:sendMessage', 'One: * is of none of its actions']],
      [
        statement('s3:ListBucket', 'arn:aws:s3:::b/k/*'),
        ['One: s3:ListBucket is on none of its resources', 'One: arn:aws:s3:::b/k/* is of none of its actions'],
      ],
      [
        statement('ec2:DescribeInstances', 'arn:aws:ec2:*:*:instance/*'),
        [
          'One: ec2:DescribeInstances is on no resource but *',
          'One: arn:aws:ec2:*:*:instance/* is of none of its actions',
        ],
      ],
      [
        statement('sdb:DeleteDomain', 'arn:aws:sdb:*:*:domain/a', tag),
        ['One: sdb:DeleteDomain knows no aws:ResourceTag/batchctl:stack on domain'],
      ],
      [
        statement('ec2:DescribeInstances', '*', tag),
        ['One: ec2:DescribeInstances knows no aws:ResourceTag/batchctl:stack'],
      ],
      [statement('sqs:DeleteQueue', 'arn:aws:sqs:*:*:a', tag), []],
    ];
    for (const [policy, wanted] of faults) expect(await idleParts(policy)).to.deep.equal(wanted);
  });

  it('fit into managed policies, which together allow the same, and into a role for instances', async () => {
    for (const count of [1, 10, 40]) {
      const groups = Array.from({ length: count }, (_, n) => [
        `group-of-long-name-${n}`,
        { write: [`s3://acme-${n}/out/`] },
      ]);
      for (const [who, policy] of await policiesOf({ groups: Object.fromEntries(groups) })) {
        const documents = documentsOf(policy);
        for (const document of documents) expect(JSON.stringify(document).length, who).to.be.at.most(6_144);
        expect(rightsOf(...documents), who).to.deep.equal(rightsOf(policy));
        const sids = documents.map(({ Statement }) => Statement.map(({ Sid }) => Sid));
        for (const each of sids) expect(each).to.deep.equal([...new Set(each)]);
        // A role accepts ten managed policies (IAM: quotas).
        expect(documents.length, who).to.be.at.most(10);
        const instances = ['worker', 'manager'].includes(who);
        if (instances && count <= 10) expect(JSON.stringify(policy).length, who).to.be.at.most(10_240);
        if (documents.length === 1) expect(documents).to.deep.equal([policy]);
      }
    }
  });

  it('are printed document by document', async () => {
    const here = new Workspace();
    try {
      const prod = { backend: 'aws', account: '123456789012', stack: 'month-end', ...everyField(REGION) };
      here.write('batchctl.config.json', { profile: 'prod', profiles: { prod } });
      const policies = async (...flags: readonly string[]) =>
        here.run(['infra', 'policies', '--profile', 'prod', '--for', 'admin', ...flags]);
      const whole = await policies();
      expect(whole.stderr).to.match(
        /^This policy has 1\d{4} characters; .* Attach it as 2 policies: --document 1 to 2\.$/m,
      );
      const documents = await Promise.all(['1', '2'].map((number) => policies('--document', number)));
      expect(documents.map(({ stderr }) => stderr)).to.deep.equal(['', '']);
      const printed = documents.map(({ stdout }) => JSON.parse(stdout) as PolicyDocument);
      expect(rightsOf(...printed)).to.deep.equal(rightsOf(JSON.parse(whole.stdout) as PolicyDocument));
      const none = await policies('--document', '3');
      expect(none.code).to.equal(2);
      expect(none.stderr).to.include('expected a --document from 1 to 2, found 3');
    } finally {
      await here.remove();
    }
  });
});

/** Each action with each resource and condition, sorted. */
const rightsOf = (...documents: readonly PolicyDocument[]): readonly string[] =>
  documents
    .flatMap(({ Statement: statements }) => statements)
    .flatMap(({ Action, Resource, Condition }) =>
      Action.flatMap((action) => Resource.map((resource) => `${action} ${resource} ${JSON.stringify(Condition)}`)),
    )
    .sort();
