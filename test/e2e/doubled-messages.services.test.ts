// Protects: what two workers make of a queue that delivers each message to both: one output a task, and one run where the
// ledger knows the other.
import { expect } from 'chai';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import type { CloudRequest, Reply } from '../support/grid/front.ts';
import { factsOf } from '../support/job-facts.ts';
import { rangeJob } from '../support/range-job.ts';
import { HostileAws, type Rule } from '../support/servers/hostile-aws.ts';
import { until } from '../support/until.ts';
import type { Running } from '../support/workspace.ts';
import { emulatedWorkspace, emulators, expectNothingSpent } from './emulated-aws.ts';
import { submitJob } from './submit-job.ts';

const TASKS = 5;
/** A busy machine keeps such leases. */
const LEASE = 30;

interface Message {
  readonly MessageId: string;
  readonly Attributes: Readonly<Record<string, string>>;
}

/**
 * SQS delivers each message once more, to another caller than the first (SQSDG/standard-queues-at-least-once-delivery).
 * The copy says that it was received `count` times.
 */
class DoubledQueue implements Rule {
  readonly #count: number;
  readonly #copies = new Map<string, { readonly message: Message; readonly first: string; isGiven: boolean }>();
  /** Copies wait until this is set. */
  delivers = false;

  constructor(count: number) {
    this.#count = count;
  }

  get given(): number {
    return [...this.#copies.values()].filter(({ isGiven }) => isGiven).length;
  }

  amend = ({ action, accessKeyId }: CloudRequest, reply: Reply): Reply | null => {
    if (action !== 'ReceiveMessage' || reply.status !== 200) return null;
    const { Messages = [] } = JSON.parse(reply.body.toString()) as { readonly Messages?: readonly Message[] };
    for (const message of Messages)
      if (!this.#copies.has(message.MessageId))
        this.#copies.set(message.MessageId, { message, first: accessKeyId, isGiven: false });
    const due = [...this.#copies.values()].filter(({ first, isGiven }) => first !== accessKeyId && !isGiven);
    const copies = this.delivers ? due.slice(0, 10 - Messages.length) : [];
    if (copies.length === 0) return null;
    for (const copy of copies) copy.isGiven = true;
    const doubled = copies.map(({ message: { Attributes, ...message } }) => ({
      ...message,
      Attributes: { ...Attributes, ApproximateReceiveCount: String(this.#count) },
    }));
    return { ...reply, body: Buffer.from(JSON.stringify({ Messages: [...Messages, ...doubled] })) };
  };
}

describe('a queue that delivers each message twice', () => {
  const aws = forSuite(emulators);
  const hostile = forSuite(() => HostileAws.start((service) => (service === 'sqs' ? aws.sqs : aws.s3)));
  beforeEach(() => hostile.enforce());
  const workspace = forEachTest(() => emulatedWorkspace({ s3: hostile.url, sqs: hostile.url }));

  /** Starts a worker with a slot for each task. `key`: by which the queue tells workers apart. */
  const startWorker = (key: string): Running =>
    workspace.start(['worker', '--until-empty', '--slots', String(TASKS)], {
      AWS_ACCESS_KEY_ID: key,
      BATCHCTL_TEST_LEASE_SECONDS: String(LEASE),
    });

  /** A job whose commands run until `go` exists. */
  function submit(): Promise<string> {
    const run = `echo $BATCHCTL_TASK >> "${workspace.path('ran')}"; while [ ! -e "${workspace.path('go')}" ]; do sleep 0.1; done; cat`;
    return submitJob(workspace, rangeJob('doubled', TASKS, { name: 'price', run, attempts: 2 }));
  }

  const ledger = async () => (await workspace.platform()).ledger();

  async function expectOneOutputATask(job: string): Promise<void> {
    const { state, outputs } = await factsOf(await workspace.platform(), job);
    expect(state).to.equal('succeeded');
    expect(outputs.price).to.deep.equal(Object.fromEntries([1, 2, 3, 4, 5].map((n, task) => [task, `${n}\n`])));
    await expectNothingSpent(workspace, job);
    expectExit(await workspace.run(['verify', job]));
  }

  it('costs one run more where the queue takes both for first deliveries; report counts the second as interrupted', async () => {
    const doubled = new DoubledQueue(1);
    doubled.delivers = true;
    hostile.enforce(doubled);
    const job = await submit();
    const workers = ['AKIDFIRST', 'AKIDSECOND'].map(startWorker);
    await until('each command runs twice', () => workspace.lines('ran').length === 2 * TASKS);
    workspace.write('go', '');
    for (const { ended } of workers) expectExit(await ended);
    expect(workspace.lines('ran')).to.have.lengthOf(2 * TASKS);
    await expectOneOutputATask(job);
    const report = jsonOf(await workspace.runSuccessfully('report', job, '--json'));
    expect(report.totals).to.include({ attempts: 2 * TASKS, retried: 0, interrupted: TASKS });
    const { stdout } = await workspace.runSuccessfully('tasks', job, '--task', 'price/0');
    expect(stdout)
      .to.match(/done/)
      .and.match(/interrupted.*twin/);
  });

  it('runs each command once where the copy says that it was received before, and the ledger that it runs', async () => {
    const doubled = new DoubledQueue(2);
    hostile.enforce(doubled);
    const job = await submit();
    const first = startWorker('AKIDFIRST');
    await until('the heartbeat of the first worker names its tasks', async () =>
      (await (await ledger()).workers({})).some(({ busy }) => busy.length === TASKS),
    );
    await until('its attempts are in the ledger', async () => {
      const [counts] = await (await ledger()).counts(job);
      return counts?.running === TASKS;
    });
    doubled.delivers = true;
    const second = startWorker('AKIDSECOND');
    await until('the second worker has all copies', () => doubled.given === TASKS);
    const isReturned = (): boolean =>
      hostile.calls
        .filter(({ action, accessKeyId }) => accessKeyId === 'AKIDSECOND' && action === 'ChangeMessageVisibilityBatch')
        .reduce((sum, { body }) => sum + (JSON.parse(body) as { Entries: unknown[] }).Entries.length, 0) >= TASKS;
    await until('it has returned them', isReturned);
    workspace.write('go', '');
    for (const { ended } of [first, second]) expectExit(await ended);
    expect([...workspace.lines('ran')].sort()).to.deep.equal(['0', '1', '2', '3', '4']);
    await expectOneOutputATask(job);
  });

  it('gives the task of a killed worker to another one when its lease expires, not later', async () => {
    const job = await submit();
    const lease = 6;
    const env = { BATCHCTL_TEST_LEASE_SECONDS: String(lease) };
    const flags = ['worker', '--until-empty', '--slots', String(TASKS)];
    const first = workspace.start(flags, env);
    await until('the heartbeat of the first worker names its tasks', async () =>
      (await (await ledger()).workers({})).some(({ busy }) => busy.length === TASKS),
    );
    first.child.kill('SIGKILL');
    await first.ended;
    hostile.calls.length = 0;
    const second = workspace.start(flags, env);
    await until('all run again', () => workspace.lines('ran').length === 2 * TASKS);
    const returned = hostile.calls.filter(({ action }) => action.startsWith('ChangeMessageVisibility'));
    const waits = returned.flatMap(({ body }) =>
      [...body.matchAll(/"VisibilityTimeout":(\d+)/g)].map(([, n]) => Number(n)),
    );
    expect(
      waits.filter((seconds) => seconds === lease / 3),
      'returned as copies',
    ).to.deep.equal([]);
    workspace.write('go', '');
    expectExit(await second.ended);
    await expectOneOutputATask(job);
  });
});
