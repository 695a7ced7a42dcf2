// Protects: docs/aws.md and the runbook, followed line by line with only the printed rights, in an account with two regions
// and other stacks, do what they say and touch nothing of the others.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { deploy } from '../infra/template-deployer.ts';
import { forSuite } from '../support/fixture.ts';
import { Authorizer } from '../support/grid/authorizer.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { PageReader, type Step } from './page-reader.ts';

const pageOf = (name: string): string => readFileSync(join(import.meta.dirname, '../../docs', name), 'utf8');

const GRID = ['group/month-end-default', 'template/month-end-default', 'securityGroup/month-end-worker'].map(
  (name) => `eu-west-1/${name}`,
);
const ROLE = ['role/month-end-worker', 'profile/month-end-worker'];
const QUEUES = ['eu-west-1/queue/month-end-default', 'eu-west-1/queue/month-end-default-dead'];

/** How many lines of a plan have this action. */
const countOf = (plan: string, action: string): number =>
  plan.split('\n').filter((line) => new RegExp(`^\\w+ .* ${action}( |$)`).test(line)).length;

describe('docs/aws.md', function () {
  this.timeout(900_000);
  const authorizer = new Authorizer();
  const cloud = forSuite(() => startCloud({ sqs: 'own', authorizer, pace: { second: 20 } }));
  const reader = forSuite(() => {
    const own =
      /^(eu-west-1\/\w+\/month-end-(default|default-dead|worker)$|(role|profile)\/month-end-worker$|bucket\/acme-month-end-$)/;
    return new PageReader({ cloud, authorizer, own });
  });

  const UNRUN = {
    'batchctl worker': 'an instance starts it',
    'batchctl workers logs INSTANCE': 'no instance boots here',
  };
  const deployment = (part: string, flags = ''): Step => ({
    text: `aws cloudformation deploy --region eu-west-1 --stack-name month-end-${part} --template-file ${part}.yaml${flags}`,
    instead: async () =>
      deploy(parse(readFileSync(join(reader.shell.work, `${part}.yaml`), 'utf8')), cloud, 'eu-west-1'),
  });
  const STEPS: readonly Step[] = [
    { text: 'batchctl infra plan --only data', first: () => reader.admit() },
    { text: 'batchctl infra up --only data --yes', makes: ['bucket/acme-month-end-', ...QUEUES] },
    { text: 'batchctl doctor' },
    { text: 'batchctl infra policies --for worker | head -n 9' },
    {
      text: `awk 'BEGIN { print "id,amount"; for (i = 1; i <= 40000; i++) printf "%d,%.2f\\n", i, i * 7919 % 100000 / 100 }' > claims.csv`,
    },
    { text: 'batchctl upload claims.csv --to 2026-11' },
    { text: 'batchctl submit job.yaml --input store:2026-11/claims.csv --run-key claims-2026-11 --quiet' },
    { text: 'batchctl status last' },
    { text: 'batchctl worker --here --until-empty' },
    { text: 'batchctl wait last && batchctl verify last' },
    { text: 'batchctl fetch last -o total.csv && cat total.csv' },
    { text: 'batchctl infra plan', check: (output) => expect(countOf(output, 'create')).to.equal(6) },
    {
      text: 'batchctl infra template --only data > data.yaml',
      // CloudFormation makes the stack of someone else, who has nothing yet.
      first: () => reader.alone('batchctl infra down --delete-data --confirm month-end'),
    },
    { ...deployment('data'), makes: ['bucket/acme-month-end-', ...QUEUES] },
    { text: 'batchctl infra template --only iam > iam.yaml' },
    { ...deployment('iam', ' --capabilities CAPABILITY_NAMED_IAM'), makes: ROLE },
    { text: 'batchctl infra release', confirms: true },
    { text: 'batchctl infra template --only grid > grid.yaml' },
    { ...deployment('grid'), makes: GRID },
    { text: 'batchctl infra template --only manager > manager.yaml' },
    { ...deployment('manager') },
    { text: 'batchctl infra plan', check: (output) => expect(countOf(output, 'create')).to.equal(0) },
    { text: 'batchctl infra template > stack.yaml' },
    { text: 'batchctl infra up --only data', confirms: true },
    { text: 'batchctl scale 0' },
    { text: 'batchctl ledger rebuild' },
    { text: 'batchctl infra up', confirms: true },
    { text: 'batchctl doctor' },
    // The job was removed with the data.
    { text: 'batchctl why', code: 4 },
    { text: 'batchctl infra check', as: 'owner' },
    // Without a terminal, nothing can be confirmed.
    { text: 'batchctl infra check --for-real', as: 'owner', code: 7 },
    {
      text: 'batchctl infra check --remove STACK --yes',
      as: 'owner',
      words: () => ({ STACK: 'batchctl-check-aaaaaaaa' }),
    },
  ];

  before(() => reader.settle());

  it('does what it says, line by line, and touches nothing else in the account', async () => {
    await reader.follow(pageOf('aws.md'), STEPS, UNRUN);
  });
});
