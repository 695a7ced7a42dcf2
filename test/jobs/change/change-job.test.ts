// Protects: pause, resume, cancel, retry and kill take effect once, and lose no task.
import { expect } from 'chai';
import { cancel, kill, pause, resume } from '../../../src/jobs/change/lifecycle.ts';
import { type RetryOptions, retry } from '../../../src/jobs/change/retry.ts';
import { findJob } from '../../../src/jobs/find.ts';
import { requireView } from '../../../src/jobs/journal.ts';
import { recordView } from '../../../src/jobs/record-view.ts';
import { listTasks, parseTaskName } from '../../../src/jobs/tasks.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { failedKey, openMark } from '../../../src/model/keys.ts';
import { type JobView, roundOf, stateOf } from '../../../src/model/view.ts';
import { addEntry } from '../../support/claims-job.ts';
import { collect } from '../../support/collect.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { entryKinds, keysBelow } from '../../support/stored.ts';
import { beforeFirstPut, wrapStore } from '../../support/wrap-store.ts';
import { openPlace, publishSmall, putJob, STEPS } from '../published-job.ts';

const JOB = 'claims-20261130-0600-abcde';
const GATHERED = `${STEPS}  - { name: totals, gather: true, run: [cat] }\ntolerate: 1\n`;

const PLACE = { group: 'default', host: 'h', pid: 1, version: '1', slots: 2, memory: 1, disk: 1 };
const WORKER = { ...PLACE, state: 'busy', done: 0, failed: 0, spent: {} } as const;

describe('changing a job', () => {
  const place = forEachTest(openPlace);

  async function sentJob(yaml = STEPS, sent = true): Promise<JobView> {
    const view = await putJob(place.platform, [{ name: 'a' }, { name: 'b' }, { name: 'c' }], { yaml });
    await place.platform.store.put(openMark(JOB, 0), '{}');
    const after = sent ? await addEntry(place.platform, view, { what: 'sent' }) : view;
    await recordView(place.platform, after);
    return after;
  }
  const publish = (view: JobView, task: number, step = 'price') =>
    publishSmall({ platform: place.platform, view }, step, task, 'x');
  const failForGood = (task: number, round = 0) =>
    place.platform.store.put(failedKey(JOB, 'price', task, round), '{"format":1}');
  const isFailed = async (task: number) => (await place.platform.store.head(failedKey(JOB, 'price', task, 0))) !== null;
  const ledgerState = async () => (await (await place.platform.ledger()).job(JOB))?.state;
  const visible = async () => (await (await place.platform.queue('default')).backlog()).visible;
  const reread = () => requireView(place.platform.store, JOB);
  const marks = () => keysBelow(place.platform.store, 'open/');
  const entries = () => entryKinds(place.platform.store, JOB);
  const retryTasks = async (options: Partial<RetryOptions> = {}) => retry(place.platform, await reread(), options);
  const taskNames = async (...names: readonly string[]) => {
    const view = await reread();
    return names.map((name) => parseTaskName(view, name));
  };
  const killTask = async (view: JobView, name: string, mode: 'fail' | 'requeue' = 'fail') =>
    kill(place.platform, view, [parseTaskName(view, name)], mode);
  async function failedJob(tasks: readonly number[], yaml = STEPS): Promise<void> {
    const view = await sentJob(yaml);
    for (const task of [0, 1, 2]) await (tasks.includes(task) ? failForGood(task) : publish(view, task));
    await look(place.platform, view);
  }

  it('sends the tasks that live workers run later if the pause was for a refusal, as they may hold the results', async () => {
    const ledger = await place.platform.ledger();
    const now = place.platform.clock.now();
    const beat = { ...WORKER, startedAt: now, seenAt: now };
    await ledger.heartbeat({ ...beat, worker: 'w1', busy: [`${JOB}/price/1`, `${JOB}/other/0`, 'other/price/0'] });
    await ledger.heartbeat({ ...beat, worker: 'w2', state: 'gone', busy: [`${JOB}/price/2`] });
    await ledger.heartbeat({ ...beat, worker: 'w3', seenAt: now - 3_600_000, busy: [`${JOB}/price/0`] });
    const pausedFor = async (view: JobView, reason: string) =>
      addEntry(place.platform, view, { what: 'pause', now: false, reason });
    const counts = async () => {
      const { visible: seen, delayed } = await (await place.platform.queue('default')).readCounts();
      return { seen, delayed };
    };
    const refused = await resume(place.platform, await pausedFor(await sentJob(), 'denied'));
    expect(refused.sent).to.equal(3);
    expect(await counts()).to.deep.equal({ seen: 2, delayed: 1 });
    await resume(place.platform, await pausedFor(refused.view, 'halt'));
    expect(await counts(), 'all at once after another pause').to.deep.equal({ seen: 5, delayed: 1 });
  });

  it('pauses only once, and sends undecided tasks on resume', async () => {
    const view = await sentJob();
    await publish(view, 0);
    expect((await pause(place.platform, view, { now: false })).changed).to.equal(true);
    expect((await pause(place.platform, view, { now: false })).changed).to.equal(false);
    expect(stateOf(await reread())).to.equal('paused');
    const resumed = await resume(place.platform, await reread());
    expect(resumed).to.include({ changed: true, sent: 2 });
    expect(await visible()).to.equal(2);
    expect(await ledgerState()).to.equal('running');
  });

  it('completes a submission whose submitter died', async () => {
    const view = await sentJob(STEPS, false);
    expect(stateOf(view)).to.equal('submitted');
    expect(await resume(place.platform, view)).to.include({ sent: 3 });
    expect(stateOf(await reread())).to.equal('running');
  });

  it('closes a job on resume if its tasks ended while it was paused', async () => {
    const view = await sentJob();
    await pause(place.platform, view, { now: true });
    for (const task of [0, 1, 2]) await publish(view, task);
    expect(stateOf((await resume(place.platform, view)).view)).to.equal('succeeded');
  });

  it('closes a cancelled job and deletes its open mark, and changes nothing when it is cancelled again', async () => {
    const view = await sentJob();
    expect((await cancel(place.platform, view)).changed).to.equal(true);
    expect(await entries()).to.deep.equal(['sent', 'cancel', 'close']);
    expect(await marks()).to.deep.equal([]);
    expect((await cancel(place.platform, view)).changed).to.equal(false);
    expect(await entries()).to.have.length(3);
    expect(await ledgerState()).to.equal('cancelled');
    for (const refused of [pause(place.platform, view, { now: false }), resume(place.platform, view), retryTasks()]) {
      await failsWith('refused', refused);
    }
  });

  it('refuses an immediate pause of a job that was cancelled while it was paused', async () => {
    const view = await sentJob();
    await pause(place.platform, view, { now: false });
    await cancel(place.platform, view);
    await failsWith('refused', pause(place.platform, view, { now: true }));
    expect(await entries()).to.deep.equal(['sent', 'pause', 'cancel', 'close']);
  });

  it('refuses to cancel a job that has ended otherwise', async () => {
    await failedJob([]);
    expect((await failsWith('refused', cancel(place.platform, await reread()))).message).to.include('succeeded');
  });

  it('retries permanently failed tasks in a new round, and closes it when they are published', async () => {
    await failedJob([1]);
    expect(stateOf(await reread())).to.equal('failed');
    const retried = await retryTasks({ overrides: { timeout: 60 } });
    expect(retried).to.include({ round: 1, sent: 1 });
    expect(retried.choice.tasks).to.deep.equal({ price: '1' });
    expect(await marks()).to.deep.equal([openMark(JOB, 1)]);
    expect(retried.view.overrides.timeout).to.equal(60);
    await publish(retried.view, 1);
    expect(stateOf((await look(place.platform, retried.view)).view)).to.equal('succeeded');
    expect(await marks()).to.deep.equal([]);
  });

  it('holds other tasks back while a canary runs, and for good if it fails', async () => {
    await failedJob([0, 1, 2]);
    const { view, sent } = await retryTasks({ canaries: 1 });
    expect(sent).to.equal(1);
    expect([0, 1, 2].map((task) => roundOf(view, 0, task))).to.deep.equal([1, 0, 0]);
    expect((await look(place.platform, view)).did).to.deep.equal([]);
    await failForGood(0, 1);
    expect((await look(place.platform, view)).did).to.deep.equal(['close']);
    expect(await visible()).to.equal(1);
    expect(stateOf(await reread())).to.equal('failed');
  });

  it('releases the other tasks once every canary is published', async () => {
    await failedJob([0, 1, 2]);
    const { view } = await retryTasks({ canaries: 1 });
    await publish(view, 0);
    const found = await look(place.platform, view);
    expect(found.did).to.deep.equal(['retry-rest']);
    expect([1, 2].map((task) => roundOf(found.view, 0, task))).to.deep.equal([1, 1]);
    expect(await visible()).to.equal(3);
  });

  it('releases the other tasks of a round whose canary succeeds after a later round requested different tasks', async () => {
    await failedJob([0, 1, 2]);
    await retryTasks({ tasks: await taskNames('price/0', 'price/1'), canaries: 1 });
    const { view } = await retryTasks({ tasks: await taskNames('price/2') });
    expect(view.round).to.equal(2);
    await publish(view, 0);
    await publish(view, 2);
    const found = await look(place.platform, await reread());
    expect(found.did).to.deep.equal(['retry-rest']);
    expect([0, 1, 2].map((task) => roundOf(found.view, 0, task))).to.deep.equal([1, 1, 2]);
  });

  it('never releases the other tasks of a round whose canary failed and was requested again by a later round', async () => {
    await failedJob([0, 1]);
    await retryTasks({ canaries: 1 });
    await failForGood(0, 1);
    await look(place.platform, await reread());
    const { view } = await retryTasks({ tasks: await taskNames('price/0') });
    await publish(view, 0);
    expect((await look(place.platform, await reread())).did).to.deep.equal(['close']);
    expect(roundOf(await reread(), 0, 1)).to.equal(0);
  });

  it('refuses to retry tasks that an opened gather left out, and tasks that did not fail', async () => {
    await failedJob([1], GATHERED);
    for (const tasks of [[], await taskNames('price/1'), await taskNames('price/000000002')]) {
      await failsWith('refused', retryTasks({ tasks }));
    }
    expect(await entries()).to.deep.equal(['sent', 'open']);
  });

  it('starts no round if nothing failed', async () => {
    await failedJob([]);
    expect(await retryTasks()).to.include({ round: null, sent: 0 });
    expect(await marks()).to.deep.equal([]);
  });

  it('continues a failed job in a new round if its failed task was published after the close', async () => {
    await failedJob([1], GATHERED.replace('tolerate: 1', ''));
    await publish(await reread(), 1);
    const dry = await retryTasks({ dryRun: true });
    expect([dry.round, dry.choice.count, await marks()]).to.deep.equal([null, 0, []]);
    const { view, round, choice } = await retryTasks();
    expect([stateOf(view), round, choice.count, await marks()]).to.deep.equal(['running', 1, 0, [openMark(JOB, 1)]]);
    const { view: gathering } = await look(place.platform, view);
    await publish(gathering, 0, 'totals');
    expect(stateOf((await look(place.platform, gathering)).view)).to.equal('succeeded');
    expect((await retryTasks()).round).to.equal(null);
  });

  it('sends nothing for a paused job until it is resumed', async () => {
    const view = await sentJob();
    await failForGood(0);
    await pause(place.platform, view, { now: false });
    expect(await retryTasks()).to.include({ round: 1, sent: 0 });
    expect(await resume(place.platform, await reread())).to.include({ sent: 3 });
  });

  it('starts only one round for two retries at the same time', async () => {
    await failedJob([0, 1]);
    const rounds = (await Promise.all([retryTasks(), retryTasks()])).map(({ round }) => round);
    expect(rounds).to.have.members([1, null]);
  });

  it('fails a killed task for good, in its own round, and closes the job if it was the last one', async () => {
    const view = await sentJob();
    await publish(view, 0);
    await failForGood(2);
    await killTask(view, 'price/1', 'requeue');
    expect(await isFailed(1)).to.equal(false);
    expect(stateOf(await killTask(view, 'price/1'))).to.equal('failed');
    expect(await isFailed(1)).to.equal(true);
    const [task] = await (await place.platform.ledger()).tasks(JOB, { limit: 1 });
    expect(task).to.include({ task: 1, state: 'failed', reason: 'killed' });
  });

  it('completes a kill that died after its entry, without a second entry', async () => {
    const view = await sentJob();
    await killTask(
      await addEntry(place.platform, view, { what: 'kill', mode: 'fail', tasks: { price: '1' } }),
      'price/1',
    );
    expect(await entries()).to.deep.equal(['sent', 'kill']);
    expect(await isFailed(1)).to.equal(true);
  });

  it("doesn't fail a killed task that is published at that moment", async () => {
    const view = await sentJob();
    const isEntry = (key: string): boolean => key.includes('/journal/');
    const store = beforeFirstPut(place.platform.store, isEntry, () => publish(view, 1));
    await kill({ ...place.platform, store }, view, [parseTaskName(view, 'price/1')], 'fail');
    expect(await isFailed(1)).to.equal(false);
    expect((await (await place.platform.ledger()).counts(JOB))[0]?.failed).to.equal(0);
  });

  it('gives up the remaining tasks when a killed task is one failure too many', async () => {
    const view = await sentJob(`${STEPS}onFailure: stop\n`);
    const after = await killTask(view, 'price/1');
    expect([after.stopped === null, stateOf(after)]).to.deep.equal([false, 'failed']);
  });

  it('updates the ledger of a cancel that died before its close', async () => {
    const view = await sentJob();
    const store = wrapStore(place.platform.store, {
      keys: (prefix, options) =>
        prefix.endsWith('/out/') ? expect.fail('killed') : place.platform.store.keys(prefix, options),
    });
    await rejection(cancel({ ...place.platform, store }, view));
    expect(await entries()).to.deep.equal(['sent', 'cancel']);
    expect(await ledgerState()).to.equal('cancelled');
  });

  it('refuses to kill a task that has ended', async () => {
    const view = await sentJob();
    await publish(view, 0);
    await failsWith('refused', killTask(view, 'price/0'));
  });

  it('finds a job by id, prefix, name and last, from the store if the ledger has none', async () => {
    await putJob(place.platform, [{ name: 'a' }]);
    await putJob(place.platform, [{ name: 'a' }], { job: 'claims-20261130-0600-bbbbb' });
    const find = async (text: string | undefined) => (await findJob(place.platform, text)).record.job;
    expect(await find(JOB)).to.equal(JOB);
    expect(await find('claims-20261130-0600-a')).to.equal(JOB);
    expect(await find('name:claims')).to.match(/^claims-/);
    expect(await find('last')).to.match(/^claims-/);
    expect((await failsWith('usage', find('claims'))).message).to.include(JOB);
    for (const text of ['nothing', 'key:none', 'name:none']) {
      expect((await failsWith('notFound', find(text))).hint).to.equal('batchctl jobs');
    }
  });

  it('lists waiting tasks from the store: those that neither ended nor run', async () => {
    const view = await sentJob();
    await publish(view, 1);
    const filter = { step: undefined, state: 'waiting', after: parseTaskName(view, 'price/0'), limit: 10 } as const;
    const waiting = await collect(listTasks(place.platform, view, filter));
    expect(waiting.map(({ task }) => task)).to.deep.equal([2]);
  });
});
