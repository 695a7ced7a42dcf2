// Protects: the runbook (docs/operations.md), followed line by line with only the printed rights, in an account with two
// regions and other stacks, does what it says and touches nothing of the others.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KMS } from '@aws-sdk/client-kms';
import { expect } from 'chai';
import { parseLines } from '../infra/stack-workspace.ts';
import { forSuite } from '../support/fixture.ts';
import { type AccountClients, clientConfig, createPolicy } from '../support/grid/account-clients.ts';
import { Authorizer } from '../support/grid/authorizer.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { Supervisor } from '../support/grid/supervisor.ts';
import { nextProgram } from '../support/next-program.ts';
import { until } from '../support/until.ts';
import { PageReader, type Step } from './page-reader.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8');
const REGION = 'eu-west-1';
const GROUPS = ['default', 'steady'];
const named = (kind: string, suffix = '') => GROUPS.map((group) => `${REGION}/${kind}/month-end-${group}${suffix}`);
const [QUEUES, GRID] = [
  [...named('queue'), ...named('queue', '-dead')],
  [...named('group'), ...named('template')],
];
const ROLE = ['role/month-end-worker', 'profile/month-end-worker'];

/** A job of some tasks, each of which runs `run`. */
const jobOf = (name: string, run: string) =>
  JSON.stringify({
    name,
    input: { split: { by: 'range', from: 1, to: 4 } },
    steps: [{ name: 'work', run, attempts: 1 }],
  });

/** Of `why`: 11 if something is to be said, even that the ledger is behind. */
const WHY = [0, 11];
const HOLDS = 'until [ -e /nowhere ]; do sleep 0.2; done';
const CLAIMS = JSON.stringify({
  name: 'claims',
  input: { split: { by: 'file' } },
  steps: [
    { name: 'price', run: 'cat' },
    { name: 'total', gather: true, run: 'sort' },
  ],
});

describe('docs/operations.md', function () {
  this.timeout(900_000);
  const authorizer = new Authorizer();
  const cloud = forSuite(() =>
    startCloud({ sqs: 'own', authorizer, pace: { second: 20, boot: 50, wait: 20, end: 50, notice: 100 } }),
  );
  const supervisor = forSuite(
    () =>
      new Supervisor({
        cloud,
        env: {
          BATCHCTL_TEST_LEASE_SECONDS: '6',
          BATCHCTL_TEST_NOTICE_SECONDS: '1',
          BATCHCTL_TEST_REST_SECONDS: '2',
          BATCHCTL_TEST_HOLD_SECONDS: '1',
          BATCHCTL_TEST_ROLE_SECONDS: '60',
          BATCHCTL_TEST_IDLE_SECONDS: '20',
          AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
        },
      }),
  );
  const reader = forSuite(() => {
    const own =
      /^(eu-west-1\/\w+\/month-end-(default|steady)(-dead)?$|(role|profile)\/month-end-worker$|bucket\/acme-data-$)/;
    return new PageReader({ cloud, authorizer, own, untouched });
  });
  afterEach(function () {
    if (this.currentTest?.state !== 'failed') return;
    console.error(supervisor.consoles.map(([id, text]) => `${id}\n${text.slice(-2_000)}`).join('\n'));
  });

  const bucket = { Bucket: 'acme-data' };
  let [job, instance, worker, cause] = ['', '', '', ''];
  const words = () => ({ JOB: job });
  /** The time of day then: the page's own hour may be more than 18 hours ahead, which is refused. */
  const inHours = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 16);
  const onInstance = () => ({ INSTANCE: instance });
  /** The lines of a command's answer. */
  const read = async (script: string) =>
    parseLines<Readonly<Record<string, string | null>>>(await reader.alone(`${script} --json 2>/dev/null`));
  const desired = async (): Promise<number> =>
    (await reader.owner.scaling.describeAutoScalingGroups({ AutoScalingGroupNames: ['month-end-default'] }))
      .AutoScalingGroups?.[0]?.DesiredCapacity ?? -1;
  const submit = async (name: string, run: string): Promise<void> => {
    reader.shell.write('job.yaml', jobOf(name, run));
    job = (await read('batchctl submit job.yaml'))[0]?.job ?? '';
  };
  const noMachines = () => cloud.grid.failLaunches('quota');
  /** Waits until as many workers work besides this one, and notes one of them with its instance. */
  const workersUp = (count: number, but = '') =>
    until('workers are up', async () => {
      const up = (await read('batchctl workers')).filter((one) => {
        return (one.state === 'idle' || one.state === 'busy') && one.worker !== but;
      });
      [worker, instance] = [up[0]?.worker ?? '', up[0]?.instance ?? ''];
      return up.length >= count;
    });

  async function admit(): Promise<void> {
    await reader.admit();
    await reader.admitParts('iam', 'iam');
    await reader.admitParts('rest', 'data', 'grid');
  }

  /** Runs the commands that `infra plan` prints for what it finds, in one shell, and those for the bucket's settings. */
  async function obeyPlan(): Promise<void> {
    const { code, lines } = await reader.shell.sh('batchctl infra plan', { AWS_ACCESS_KEY_ID: 'AKIDADMIN' });
    expect(code, lines.join('\n')).to.equal(3);
    const fixes = lines.filter((line) => /^ {2}(ENDPOINTS=\$\()?aws /.test(line));
    expect(fixes, lines.join('\n')).to.have.length(7);
    await reader.alone(fixes.join('\n'), 'owner');
    const advice = await reader.alone('batchctl infra plan');
    const commands = [...advice.matchAll(/fix it with: (aws .*)$/gm)].map(([, command = '']) => command);
    expect(commands).to.have.length(2);
    await reader.alone(commands.join('\n'), 'owner');
    const rule = JSON.parse(
      /get-bucket-lifecycle-configuration --bucket acme-data: (\{.*\})$/m.exec(advice)?.[1] ?? '',
    );
    await reader.owner.s3.putBucketLifecycleConfiguration({ ...bucket, LifecycleConfiguration: { Rules: [rule] } });
  }

  /** From now on instances start, for a job that waits. */
  async function machines(): Promise<void> {
    await reader.alone('batchctl scale 0');
    cloud.grid.failLaunches(null);
    await reader.alone('batchctl scale 1');
    await workersUp(1);
  }

  /** A job all whose tasks fail for good. */
  async function fail(): Promise<void> {
    await submit('bad', 'exit 3');
    await reader.shell.sh(`batchctl wait ${job}`, { AWS_ACCESS_KEY_ID: 'AKIDOPERATOR' });
    cause = (await read(`batchctl failures ${job}`))[0]?.cause ?? '';
    reader.shell.write('job.yaml', jobOf('bad', 'true'));
  }

  /** A job keeps two workers busy, until it is cancelled. */
  let busy = '';
  async function keepBusy(): Promise<void> {
    const last = job;
    await submit('busy', HOLDS);
    [busy, job] = [job, last];
    // A size that a person set holds until the work is done.
    await reader.alone('batchctl scale 2');
    await workersUp(2);
  }
  async function endBusy(): Promise<void> {
    await reader.alone(`batchctl cancel ${busy} --yes`);
  }

  /** A job that is paused before it ends: its tasks wait for a file until then. */
  async function pause(): Promise<void> {
    const gate = join(supervisor.directory, 'gate');
    await submit('paused', `until [ -e '${gate}' ]; do sleep 0.1; done`);
    await reader.alone(`batchctl pause ${job}`);
    writeFileSync(gate, '');
  }

  async function releaseNext(): Promise<void> {
    const program = nextProgram({ path: (...names) => join(reader.shell.work, ...names) });
    await reader.alone(`"${process.execPath}" "${program}" infra release --yes`, 'roller');
  }

  let entry: { readonly Key: string; readonly Body: Uint8Array } | null = null;
  async function loseEntry(): Promise<void> {
    await submit('holed', HOLDS);
    await reader.alone(`batchctl pause ${job}`);
    await reader.alone(`batchctl resume ${job}`);
    const { s3 } = reader.owner;
    const { Contents = [] } = await s3.listObjectsV2({ ...bucket, Prefix: `batchctl/month-end/jobs/${job}/journal/` });
    const { Key = '' } = Contents.at(-2) ?? {};
    const { Body } = await s3.getObject({ ...bucket, Key });
    entry = { Key, Body: (await Body?.transformToByteArray()) ?? new Uint8Array() };
    await s3.deleteObject({ ...bucket, Key });
  }
  async function restoreEntry(): Promise<void> {
    await reader.owner.s3.putObject({ ...bucket, ...entry, Key: entry?.Key ?? '' });
  }

  /** The profile protects the stack, and a job is unfinished: both refuse the removal. */
  async function allowRemoval(): Promise<void> {
    const refusal = async () => {
      const down = 'batchctl infra down --confirm month-end';
      const { code, lines } = await reader.shell.sh(down, { AWS_ACCESS_KEY_ID: 'AKIDADMIN' });
      expect(code, lines.join('\n')).to.equal(7);
      return lines.join('\n');
    };
    expect(await refusal()).to.include('protect');
    const file = join(reader.shell.work, 'batchctl.config.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"protect": true', '"protect": false'));
    expect(await refusal()).to.include(job);
    await reader.alone(`batchctl cancel ${job} --yes`);
  }

  const STEPS: readonly Step[] = [
    {
      text: 'batchctl infra policies --for admin --only iam',
      first: admit,
      check: (output) => expect(output).to.include('role/month-end-worker').and.not.include('month-end-default'),
    },
    { text: 'batchctl infra plan', first: obeyPlan },
    { text: 'batchctl infra up --only iam', as: 'iam', confirms: true, makes: ROLE },
    { text: 'batchctl infra up --only data', as: 'rest', confirms: true, makes: QUEUES },
    { text: 'batchctl infra up --only grid', as: 'rest', confirms: true, makes: GRID },
    { text: 'batchctl infra up', confirms: true },
    { text: 'batchctl doctor --strict' },
    { text: 'batchctl scale 1' },
    { text: 'batchctl workers', first: () => workersUp(1) },
    { text: 'batchctl workers logs INSTANCE', words: onInstance },
    { text: 'batchctl infra user-data --group default' },
    { text: 'batchctl infra user-data | gzip -9' },
    {
      text: 'batchctl submit claims.yaml --input s3://acme-data/in/2026-11/ --period 2026-11 --run-key claims-2026-11 --finish-by 06:00 --watch',
      words: () => ({ '06:00': inHours(2) }),
      first: () => reader.shell.write('claims.yaml', CLAIMS),
    },
    { text: 'batchctl watch key:claims-2026-11' },
    { text: 'batchctl status' },
    { text: 'batchctl scale' },
    {
      text: 'batchctl scale 150',
      first: noMachines,
      confirms: true,
      check: async () => expect(await desired()).to.equal(150),
    },
    { text: 'batchctl scale 300 --max 300', confirms: true, check: async () => expect(await desired()).to.equal(300) },
    { text: 'batchctl scale --manual' },
    { text: 'batchctl scale --auto' },
    { text: 'batchctl verify key:claims-2026-11 -o claims-2026-11.proof' },
    {
      text: 'batchctl adjust JOB --finish-by 05:00',
      first: () => submit('held', HOLDS),
      words: () => ({ ...words(), '05:00': inHours(1) }),
    },
    { text: 'batchctl scale --max 300' },
    { text: 'batchctl scale', check: (output) => expect(output).to.include('quota') },
    { text: 'batchctl why', code: 11, check: (output) => expect(output).to.include('quota') },
    { text: 'batchctl workers logs INSTANCE', words: onInstance },
    { text: 'batchctl infra release', confirms: true },
    { text: 'batchctl scale 10', check: async () => expect(await desired()).to.equal(10) },
    { text: 'batchctl infra up --only iam', confirms: true },
    { text: 'batchctl scale 10' },
    { text: 'batchctl workers' },
    { text: 'batchctl status' },
    { text: 'batchctl why', code: WHY },
    { text: 'batchctl infra up', confirms: true },
    { text: 'batchctl infra status' },
    { text: 'batchctl pause JOB --now', first: machines, words },
    {
      text: 'batchctl resume JOB --with job.yaml',
      first: () => reader.shell.write('job.yaml', jobOf('held', 'true')),
      words,
    },
    {
      text: 'batchctl retry JOB --cause CAUSE --canary 5 --with job.yaml',
      first: fail,
      words: () => ({ JOB: job, CAUSE: cause }),
    },
    { text: 'batchctl why JOB', words, code: WHY },
    { text: 'batchctl resume JOB', first: pause, words },
    { text: 'batchctl workers logs INSTANCE', words: onInstance },
    { text: 'batchctl infra release --rollback --roll', first: releaseNext, confirms: true },
    { text: 'batchctl infra release --roll', confirms: true },
    { text: 'batchctl workers', first: keepBusy },
    { text: 'batchctl workers drain WORKER', words: () => ({ WORKER: worker }) },
    { text: 'batchctl workers stop WORKER', first: () => workersUp(1, worker), words: () => ({ WORKER: worker }) },
    { text: 'batchctl why', first: endBusy, code: WHY },
    { text: 'batchctl queue' },
    { text: 'batchctl verify JOB --repair', words },
    { text: 'batchctl retry JOB', words },
    { text: 'batchctl queue redrive', confirms: true },
    { text: 'batchctl workers logs INSTANCE', words: onInstance },
    { text: 'batchctl workers' },
    { text: 'batchctl infra plan' },
    { text: 'batchctl infra up', confirms: true },
    { text: 'batchctl infra release --roll', confirms: true },
    { text: 'batchctl workers' },
    { text: 'batchctl infra up --only data', confirms: true },
    { text: 'batchctl ledger rebuild' },
    { text: 'batchctl history JOB', first: loseEntry, words },
    {
      text: 'aws s3api list-object-versions --bucket acme-data --prefix batchctl/month-end/jobs/JOB/journal/',
      as: 'admin',
      words,
    },
    // The job is not over.
    { text: 'batchctl verify JOB --repair', first: restoreEntry, words, code: 6 },
    { text: 'batchctl infra status' },
    { text: 'batchctl infra up', confirms: true },
    { text: 'batchctl scale' },
    { text: 'batchctl infra down --confirm month-end', first: allowRemoval, removes: [...ROLE, ...QUEUES, ...GRID] },
    { text: 'batchctl infra down --delete-data --confirm month-end' },
    { text: 'batchctl plan JOBFILE', words: () => ({ JOBFILE: 'job.yaml' }) },
    { text: 'batchctl prune', confirms: true },
    { text: 'batchctl infra check --for-real', as: 'owner', code: 7 },
  ];
  const UNRUN = {
    'npm install -g batchctl@NEXT': 'nothing is installed here: the next program is another directory',
    'batchctl cancel JOB': 'run before batchctl infra down, which refuses until then',
  };

  before(async () => {
    await reader.settle();
    const { ec2, s3 } = reader.owner;
    const VpcId = (await ec2.createVpc({ CidrBlock: '10.9.0.0/16' })).Vpc?.VpcId ?? '';
    const subnetIn = async (zone: string, CidrBlock: string): Promise<string> =>
      (await ec2.createSubnet({ VpcId, CidrBlock, AvailabilityZone: `${REGION}${zone}` })).Subnet?.SubnetId ?? '';
    const [one, two] = [await subnetIn('a', '10.9.0.0/24'), await subnetIn('b', '10.9.1.0/24')];
    const { GroupId = '' } = await ec2.createSecurityGroup({ VpcId, GroupName: 'given', Description: 'of the team' });
    await createPolicy(reader.owner, 'boundary');
    const kms = new KMS(clientConfig(cloud, { region: REGION }));
    const { KeyMetadata: { Arn: key = '' } = {} } = await kms.createKey({});
    kms.destroy();
    authorizer.keyOf = (object) => (object.startsWith('acme-data/batchctl/') ? key : null);
    await s3.createBucket({ Bucket: 'acme-data', CreateBucketConfiguration: { LocationConstraint: REGION } });
    for (const Key of ['in/2026-11/a.csv', 'in/2026-11/b.csv', 'in/2026-10/a.csv', 'batchctl/other/x', 'theirs'])
      await s3.putObject({ Bucket: 'acme-data', Key, Body: `${Key}\n` });
    reader.names = {
      'subnet-0a': one,
      'subnet-0b': two,
      'sg-0c': GroupId,
      'arn:aws:kms:eu-west-1:123456789012:key/1111': key,
    };
  });

  it('does what it says, line by line, and touches nothing else in the account', async () => {
    await reader.follow(PAGE, STEPS, UNRUN);
  });
});

/** What no command may change in the bucket: its settings, and objects outside of the prefix. */
async function untouched({ s3 }: AccountClients): Promise<unknown> {
  const Bucket = 'acme-data';
  const none = () => null;
  const { Contents = [] } = await s3.listObjectsV2({ Bucket });
  const outside = Contents.filter(({ Key = '' }) => !Key.startsWith('batchctl/month-end/'));
  return [
    outside.map(({ Key, ETag, LastModified }) => [Key, ETag, LastModified]),
    (await s3.getBucketTagging({ Bucket }).catch(none))?.TagSet,
    (await s3.getBucketPolicy({ Bucket }).catch(none))?.Policy,
    (await s3.getBucketVersioning({ Bucket })).Status,
    (await s3.getBucketLifecycleConfiguration({ Bucket }).catch(none))?.Rules,
  ];
}
