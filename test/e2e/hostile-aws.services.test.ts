// Protects: whole jobs run or pause cleanly on an AWS that denies keys, archives inputs, restricts prefixes, and throttles.
import { expect } from 'chai';
import { CHAINS, CHAINS_RAN } from '../support/crash-jobs.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { expectWhole } from '../support/killed-runs.ts';
import { RawBucket } from '../support/s3-bucket.ts';
import {
  answers,
  archives,
  clockAhead,
  HostileAws,
  kmsDenies,
  listsBelow,
  ownedBy,
  type Rule,
  throttlesReads,
} from '../support/servers/hostile-aws.ts';
import { until } from '../support/until.ts';
import { editProfile, emulatedWorkspace, emulators, expectNothingSpent } from './emulated-aws.ts';
import { submitJob } from './submit-job.ts';

const KEY = 'arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555';
const JOB = {
  name: 'upper',
  input: { split: { by: 'lines', every: 2 } },
  steps: [{ name: 'upper', run: 'echo $BATCHCTL_TASK >> "$HOME/ran"; tr a-z A-Z' }],
};
/** Six lines: three parts. */
const LINES = 'a\nb\nc\nd\ne\nf\n';

describe('a hostile AWS', () => {
  const aws = forSuite(emulators);
  const hostile = forSuite(() => HostileAws.start((service) => (service === 'sqs' ? aws.sqs : aws.s3)));
  beforeEach(() => hostile.enforce());
  const workspace = forEachTest(() => emulatedWorkspace({ s3: hostile.url, sqs: hostile.url, worksHere: true }));

  /** A bucket of inputs that the profile doesn't name. */
  async function makeInputs(): Promise<RawBucket> {
    const bucket = await RawBucket.make(aws.s3);
    await bucket.put('in/a.txt', LINES);
    return bucket;
  }

  const why = async (job: string) => jsonOf(await workspace.run(['why', job, '--json']), 11).causes[0];
  const status = async (job: string) => jsonOf(await workspace.runSuccessfully('status', job, '--json'));

  /** Works until the job ends or pauses. Returns the watcher's exit code. */
  async function work(job: string): Promise<number | null> {
    const [watched, worked] = await Promise.all([workspace.run(['watch', job]), workspace.work({}, '--here')]);
    expectExit(worked);
    return watched.code;
  }

  async function running(): Promise<number> {
    const workers = await (await (await workspace.platform()).ledger()).workers({});
    return workers.reduce((sum, { busy }) => sum + busy.length, 0);
  }

  /**
   * With the rule, the job pauses with a reason and spends no attempt. Without it the job ends, and each task ran once.
   * `holds`: it is the results that are refused.
   */
  async function expectPauseThenDone(
    job: string,
    { detail, holds = false }: { readonly detail: readonly string[]; readonly holds?: boolean },
  ): Promise<void> {
    // A worker with a result in hand stays. A busy machine keeps its leases.
    const leases = holds ? { BATCHCTL_TEST_LEASE_SECONDS: '30' } : {};
    const working = holds ? workspace.work(leases, '--here') : null;
    expect(holds ? (await workspace.run(['watch', job])).code : await work(job)).to.equal(7);
    expect(await status(job)).to.include({ state: 'paused', reason: 'denied' });
    const cause = await why(job);
    expect(cause).to.include({ code: 'accessDenied', severity: 'stops' });
    for (const words of detail) expect(cause.evidence[0]).to.include(words);
    expect(hostile.met.length, 'refused requests').to.be.within(1, 40);
    if (holds) await until('the worker reports the tasks whose results it holds', async () => (await running()) === 2);
    hostile.enforce();
    expectExit(await workspace.run(['resume', job], leases));
    expect(await work(job)).to.equal(0);
    if (working !== null) expectExit(await working);
    const facts = await factsOf(await workspace.platform(), job);
    // The second messages of the results in hand arrive later, and are dropped.
    const { queued } = holds ? facts : SUCCEEDED;
    expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], queued });
    expect([...workspace.lines('ran')].sort()).to.deep.equal(['0', '1', '2']);
    await expectNothingSpent(workspace, job);
  }

  async function submitWith(bucket: RawBucket): Promise<string> {
    return submitJob(workspace, JOB, '--input', bucket.uri('in/a.txt'));
  }

  it("pauses a job whose workers may not use an input's key, and names the key and the entry that allows it", async () => {
    const bucket = await makeInputs();
    const job = await submitWith(bucket);
    hostile.enforce(kmsDenies(KEY, (name) => name === bucket.name));
    await expectPauseThenDone(job, { detail: ['kms:Decrypt', KEY, `add ${KEY} to groups.default.keys`] });
  });

  it('refuses to submit an input whose key the operator may not use, and names the key', async () => {
    const bucket = await makeInputs();
    hostile.enforce(kmsDenies(KEY, (name) => name === bucket.name));
    workspace.write('job.json', JOB);
    const { code, stderr } = await workspace.run(['submit', 'job.json', '--input', bucket.uri('in/a.txt')]);
    expect(code).to.equal(3);
    expect(stderr).to.include(`kms:Decrypt on ${KEY}`);
  });

  const isOutput = (name: string, key: string): boolean =>
    name === workspace.stack && /\/steps\/upper\/out\//.test(key);

  it('pauses a job whose outputs may not be encrypted, and publishes the results in hand once they may', async () => {
    const job = await submitWith(await makeInputs());
    hostile.enforce(kmsDenies(KEY, isOutput, 'GenerateDataKey'));
    await expectPauseThenDone(job, { detail: ['kms:GenerateDataKey', KEY], holds: true });
  });

  /** Refusals that a person must end: the status, the code, the message of AWS, and what people are told. */
  const REFUSALS = [
    [400, 'KMS.DisabledException', `${KEY} is disabled.`, [KEY, 'is disabled', 'enable-key']],
    [
      400,
      'KMS.KMSInvalidStateException',
      `${KEY} is pending deletion.`,
      [KEY, 'pending deletion', 'cancel-key-deletion'],
    ],
    [400, 'KMS.NotFoundException', `Key '${KEY}' does not exist`, [KEY, 'does not exist', 'a deleted key is lost']],
    [403, 'AccountProblem', 'There is a problem with your account.', ['has blocked this account', 'billing']],
    [403, 'RequestTimeTooSkewed', 'The difference is too large.', ["machine's clock is wrong", 'timedatectl']],
    [307, 'TemporaryRedirect', 'Please re-send this request to the specified endpoint.', ['is in another region']],
  ] as const;

  for (const [status, code, message, detail] of [
    ...REFUSALS,
    [400, 'InvalidRequest', 'A cause of which nothing is known yet', ['InvalidRequest: A cause of which']],
  ] as const)
    it(`pauses a job whose outputs are refused (${code}), and runs each command once`, async () => {
      const job = await submitWith(await makeInputs());
      hostile.enforce(answers('PUT', [status, code, message], isOutput));
      await expectPauseThenDone(job, { detail: ['/out/', ...detail], holds: true });
    });

  for (const [status, code, message, detail] of REFUSALS)
    it(`pauses a job whose input is refused (${code}), and spends no attempt`, async () => {
      const bucket = await makeInputs();
      const job = await submitWith(bucket);
      hostile.enforce(answers('GET', [status, code, message], (name) => name === bucket.name));
      await expectPauseThenDone(job, { detail: ['in/a.txt', ...detail] });
    });

  it('refuses to submit an archived input, and says how to restore it', async () => {
    const bucket = await makeInputs();
    workspace.write('job.json', JOB);
    for (const archived of [
      { storageClass: 'GLACIER' },
      { storageClass: 'DEEP_ARCHIVE' },
      { storageClass: 'INTELLIGENT_TIERING', archiveStatus: 'ARCHIVE_ACCESS' },
    ] as const) {
      hostile.enforce(archives(archived, (name) => name === bucket.name));
      const { code, stderr } = await workspace.run(['submit', 'job.json', '--input', bucket.uri('in/a.txt')]);
      expect(code, archived.storageClass).to.equal(7);
      expect(stderr).to.include('is archived').and.include(`restore-object --bucket ${bucket.name} --key 'in/a.txt'`);
    }
  });

  it('pauses a job whose input was archived after submission, and continues once it is restored', async () => {
    const bucket = await makeInputs();
    const job = await submitWith(bucket);
    hostile.enforce(archives({ storageClass: 'DEEP_ARCHIVE' }, (name) => name === bucket.name));
    await expectPauseThenDone(job, { detail: ['in/a.txt is in an archive tier', 'restore-object'] });
  });

  /** A chain with a gather, and the commands people then run on it. */
  async function runWholeJob(): Promise<void> {
    const job = await submitJob(workspace, CHAINS);
    expect(await work(job)).to.equal(0);
    expectWhole(await factsOf(await workspace.platform(), job));
    expect([...workspace.lines('ran')].sort()).to.deep.equal(CHAINS_RAN);
    await workspace.runSuccessfully('fetch', job, '-o', 'out/');
    await workspace.runSuccessfully('verify', job, '--deep');
    await workspace.runSuccessfully('logs', job);
    await workspace.runSuccessfully('prune', '--older-than', '0s', '--yes');
  }

  /** An account other than that of the credentials. */
  const STRANGER = '999988887777';

  for (const { name, rules, profile } of [
    {
      name: "works on another account's bucket, naming its owner in each request",
      rules: (stack) => [ownedBy(STRANGER, stack, { demanded: true })],
      profile: (stack) => ({ bucket: { name: stack, existing: true, prefix: 'batchctl/', owner: STRANGER } }),
    },
    {
      name: "lists only keys below the profile's prefix",
      rules: (stack) => [listsBelow(stack, ['batchctl/'])],
    },
    { name: 'works while each service throttles read requests', rules: () => [throttlesReads(2)] },
    { name: 'works with a clock that is ten minutes behind', rules: () => [clockAhead(10)] },
  ] as readonly {
    readonly name: string;
    readonly rules: (stack: string) => readonly Rule[];
    readonly profile?: (stack: string) => object;
  }[]) {
    it(name, async () => {
      editProfile(workspace, (fields) => Object.assign(fields, profile?.(workspace.stack)));
      hostile.enforce(...rules(workspace.stack));
      await runWholeJob();
    });
  }

  it("says that the bucket may belong to another account if its owner is not the profile's", async () => {
    hostile.enforce(ownedBy(STRANGER, workspace.stack));
    workspace.write('job.json', CHAINS);
    const { code, stderr } = await workspace.run(['submit', 'job.json']);
    expect(code).to.equal(3);
    expect(stderr).to.include('is denied');
    const { stdout } = await workspace.run(['doctor']);
    expect(stdout).to.include('or the bucket belongs to another account than 123456789012');
  });

  it('reads foreign inputs below the one prefix that may be listed, and says what is missing elsewhere', async () => {
    const bucket = await makeInputs();
    hostile.enforce(listsBelow(bucket.name, ['in/'], { strict: true }));
    const job = await submitJob(workspace, JOB, '--input', bucket.uri('in/'));
    expect(await work(job)).to.equal(0);
    for (const key of ['in/missing.txt', 'out/']) {
      const { stderr } = expectExit(await workspace.run(['submit', 'job.json', '--input', bucket.uri(key)]), 3);
      expect(stderr).to.include(`s3:ListBucket on arn:aws:s3:::${bucket.name}`);
    }
  });

  it("says that the clock is wrong, and by how much, if the SDK can't correct it", async () => {
    workspace.write('job.json', CHAINS);
    for (const [minutes, words] of [
      [10, '10 min behind'],
      [-10, '10 min ahead of'],
    ] as const) {
      hostile.enforce(clockAhead(minutes));
      const env = { AWS_DISABLE_CLOCK_SKEW_CORRECTION: 'true' };
      const { stderr } = expectExit(await workspace.run(['submit', 'job.json'], env), 3);
      expect(stderr).to.include(`this machine's clock is ${words} AWS's`).and.include('set the clock');
    }
  });
});
