// Protects: a stack with 50 groups has roles that IAM accepts, which reach no other stack and not the manager.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { policyFor, ROLE_LIMIT } from '../../src/infra/policies.ts';
import type { PolicyDocument } from '../../src/infra/policy.ts';
import { rolePlan } from '../../src/infra/role.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { allows } from '../support/iam.ts';
import { idleParts } from '../support/iam-reference.ts';

const profileOf = (count: number, more: object = {}) => {
  const groups = Array.from({ length: count }, (_, n) => [`a-group-with-a-long-name-${n}`, {}]);
  return awsProfile({ groups: Object.fromEntries(groups), manager: {}, ...more });
};

const own = { 'aws:ResourceTag/batchctl:stack': 'month-end' };
const queue = (name: string) => `arn:aws:sqs:eu-west-1:123456789012:${name}`;
const group = (name: string) =>
  `arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:0a:autoScalingGroupName/${name}`;

describe('the roles of a stack with many groups', () => {
  for (const who of ['worker', 'manager'] as const) {
    const scales = who === 'worker' ? 'autoscaling:SetDesiredCapacity' : 'autoscaling:UpdateAutoScalingGroup';
    const may = (policy: PolicyDocument, action: string, resource: string, context = {}): boolean =>
      allows(policy, { action, resource, context });

    it(`name each queue and group of 20 for the ${who}, whatever their tags`, async () => {
      const policy = policyFor(who, await profileOf(20));
      const sends = (name: string) => may(policy, 'sqs:SendMessage', queue(`month-end-${name}`));
      const names = ['a-group-with-a-long-name-19', 'a-group-with-a-long-name-19-dead', 'a-group-with-a-long-name-20'];
      expect(names.map(sends)).to.deep.equal([true, true, false]);
      expect(JSON.stringify(policy)).not.to.include('month-end-*');
    });

    it(`fit IAM for the ${who} with 50 and with 200 groups, by patterns and tags`, async () => {
      for (const count of [50, 200]) {
        const profile = await profileOf(count);
        const { policy } = rolePlan(who, profile);
        expect(JSON.stringify(policy.document).length).to.be.at.most(ROLE_LIMIT);
        expect(await idleParts(policy.document)).to.deep.equal([]);
      }
    });

    it(`let the ${who} use the stack's own queues and groups, and those of no other stack`, async () => {
      const policy = policyFor(who, await profileOf(50));
      const name = 'month-end-a-group-with-a-long-name-49';
      const others = { 'aws:ResourceTag/batchctl:stack': 'month-end-2' };
      for (const tags of [own, others, {}]) {
        const isOwn = tags === own;
        for (const each of [name, `${name}-dead`])
          for (const action of ['sqs:SendMessage', 'sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueUrl'])
            expect(may(policy, action, queue(each), tags), `${action} ${each}`).to.equal(isOwn);
        expect(may(policy, scales, group(name), tags)).to.equal(isOwn);
      }
      expect(may(policy, 'sqs:SendMessage', queue('payroll-default'), own)).to.equal(false);
      expect(may(policy, scales, group('payroll-default'), own)).to.equal(false);
      expect(may(policy, 'sqs:DeleteQueue', queue(name), own)).to.equal(false);
    });

    it(`never let the ${who} change the size of the manager's group`, async () => {
      const tags = { ...own, 'aws:ResourceTag/batchctl:group': 'manager' };
      for (const count of [1, 50]) {
        const policy = policyFor(who, await profileOf(count));
        expect(may(policy, scales, group('month-end-manager'), tags), String(count)).to.equal(false);
        const worker = { ...own, 'aws:ResourceTag/batchctl:group': 'a-group-with-a-long-name-0' };
        expect(may(policy, scales, group('month-end-a-group-with-a-long-name-0'), worker)).to.equal(true);
      }
    });
  }

  it('are refused if something else than groups is too long, with what to shorten', async () => {
    const read = Array.from({ length: 150 }, (_, n) => `s3://acme-raw-data/a/rather/long/prefix/of/the/month/${n}/`);
    const profile = await profileOf(50, { groups: { default: { read } } });
    expect(() => rolePlan('worker', profile)).to.throw(
      BatchctlError,
      /the policy of month-end-worker has \d+ characters/,
    );
  });
});
