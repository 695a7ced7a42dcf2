// Protects: skipping lets a job continue without tasks that can't succeed, can be undone, and changes no other task.
import { expect } from 'chai';
import { pause } from '../../../src/jobs/change/lifecycle.ts';
import { retry } from '../../../src/jobs/change/retry.ts';
import { type SkipOptions, skip } from '../../../src/jobs/change/skip.ts';
import { requireView } from '../../../src/jobs/journal.ts';
import { statusOf } from '../../../src/jobs/status.ts';
import { parseTaskName } from '../../../src/jobs/tasks.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import type { StepStatus } from '../../../src/model/answers/status.ts';
import { causeId } from '../../../src/model/failure.ts';
import { openedKey, openMark } from '../../../src/model/keys.ts';
import { isSkipped, type JobView, stateOf } from '../../../src/model/view.ts';
import { event } from '../../contracts/ledger-events.ts';
import { addEntry, claimsJob, failForGood } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { entryKinds, keysBelow } from '../../support/stored.ts';
import { beforeFirstPut } from '../../support/wrap-store.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { submitJob, work } from '../submitted-job.ts';

/** Even numbers fail for good, for two reasons; a gather counts. */
const FAILING = `
name: claims
input: { split: { by: range, from: 1, to: 4 } }
steps:
  - { name: price, attempts: 1, run: 'read n; case $n in 2) echo bad row; exit 65;; 4) exit 1;; esac >&2; echo $n' }
  - { name: total, gather: true, run: 'wc -l' }
`;

const isEntry = (key: string): boolean => key.includes('/journal/');

describe('skipping', () => {
  const place = forEachTest(openPlace);
  let view: JobView;

  const reread = () => requireView(place.platform.store, view.record.job);
  const entries = () => entryKinds(place.platform.store, view.record.job);
  const skipTasks = async (names: readonly string[], options: Partial<SkipOptions> = {}) => {
    const now = await reread();
    const tasks = names.map((name) => parseTaskName(now, name));
    return skip(place.platform, now, { tasks, reason: 'agreed', ...options });
  };
  /** Submits four tasks and a gather, and publishes outputs of the first tasks. */
  async function publishedJob(outputs = 0, yaml = claimsJob(0)): Promise<void> {
    view = await submitJob(place, yaml, {});
    for (let n = 0; n < outputs; n += 1) await publishSmall({ platform: place.platform, view }, 'price', n, 'x');
  }
  const stepsOf = async (now: JobView) => (await statusOf(place.platform, now)).steps;
  const counts = ({ waiting, done, failed, skipped }: StepStatus) => ({ waiting, done, failed, skipped });
  const marks = () => keysBelow(place.platform.store, 'open/');
  async function failedJob(yaml = FAILING): Promise<void> {
    view = await submitJob(place, yaml, {});
    await work(place.platform);
    expect(stateOf(await reread())).to.equal('failed');
  }

  it('reopens a closed job; once nothing failed is left, the gather opens and the job succeeds', async () => {
    await failedJob();
    expect(stateOf((await skipTasks(['price/1'])).view)).to.equal('failed');
    const [price] = (await stepsOf(await reread())).map(counts);
    expect(price).to.deep.equal({ waiting: 0, done: 2, failed: 1, skipped: 1 });
    const { view: now, changed } = await skipTasks(['price/3']);
    expect({ state: stateOf(now), changed }).to.deep.equal({ state: 'running', changed: true });
    expect((await (await place.platform.ledger()).job(view.record.job))?.state).to.equal('running');
    expect(await marks()).to.deep.equal([openMark(view.record.job, 2)]);
    await work(place.platform);
    const ended = await reread();
    expect(stateOf(ended)).to.equal('succeeded');
    expect(await marks()).to.deep.equal([]);
    expect((await stepsOf(ended)).map(counts)).to.deep.equal([
      { waiting: 0, done: 2, failed: 0, skipped: 2 },
      { waiting: 0, done: 1, failed: 0, skipped: 0 },
    ]);
    expect(await entries()).to.deep.equal(['sent', 'close', 'skip', 'close', 'skip', 'open', 'close']);
    const opened = await place.platform.store.read(openedKey(view.record.job, 'total'));
    expect(JSON.parse(Buffer.from(opened ?? []).toString())).to.include({ count: 2, leftOut: '1,3' });
  });

  it('skips the tasks of a cause, and no others', async () => {
    await failedJob();
    const id = causeId({ step: 'price', reason: 'exit', exitCode: 65, error: 'bad row' });
    const { choice } = await skipTasks([], { causes: [id] });
    expect(choice).to.deep.include({ tasks: { price: '1' }, failed: { price: '1' }, count: 1 });
    expect((await skipTasks([], { causes: [id.slice(0, 4)] })).choice).to.include({ count: 0, already: 1 });
    await failsWith('notFound', skipTasks([], { causes: ['nosuch'] }));
  });

  it('writes the same skip only once, and nothing in a dry run', async () => {
    await failedJob();
    expect((await skipTasks(['price/1'], { dryRun: true })).choice.count).to.equal(1);
    expect(await entries()).to.deep.equal(['sent', 'close']);
    await skipTasks(['price/1']);
    const again = await skipTasks(['price/1']);
    expect({ changed: again.changed, already: again.choice.already }).to.deep.equal({ changed: false, already: 1 });
    expect(await entries()).to.deep.equal(['sent', 'close', 'skip', 'close']);
  });

  it('writes a skip only once even if another process writes the same one at that moment', async () => {
    await publishedJob();
    const store = beforeFirstPut(place.platform.store, isEntry, () => skipTasks(['price/3']));
    const tasks = [parseTaskName(view, 'price/3')];
    const late = await skip({ ...place.platform, store }, view, { tasks, reason: 'agreed' });
    expect([late.changed, await entries()]).to.deep.equal([false, ['sent', 'skip']]);
  });

  it('refuses published tasks, and tasks that were never requested', async () => {
    await failedJob();
    for (const name of ['price/0', 'total/0']) {
      expect(await rejection(skipTasks([name])), name).to.include({ kind: 'refused' });
    }
    expect(await entries()).to.deep.equal(['sent', 'close']);
  });

  it("continues without a waiting task, and can't be undone once the gather has opened", async () => {
    await publishedJob(2);
    await skipTasks(['price/2', 'price/3']);
    expect((await entries()).slice(1)).to.deep.equal(['skip', 'open']);
    const opened = await reread();
    expect((await stepsOf(opened)).map(({ skipped }) => skipped)).to.deep.equal([2, 0]);
    expect((await failsWith('refused', skipTasks(['price/3'], { undo: true }))).message).to.include('price/3');
  });

  it('undoes a skip before a gather opens: a failed task counts again, a waiting one is sent', async () => {
    await publishedJob();
    await failForGood(place.platform, view.record.job, 'price', 0);
    await skipTasks(['price/0', 'price/1']);
    const queue = await place.platform.queue('default');
    await queue.purge({});
    const undone = await skipTasks(['price/0', 'price/1'], { undo: true });
    expect(undone).to.include({ changed: true, sent: 1 });
    expect([0, 1].map((n) => isSkipped(undone.view, 0, n))).to.deep.equal([false, false]);
    expect((await queue.backlog()).visible).to.equal(1);
    expect((await skipTasks(['price/1'], { undo: true })).changed).to.equal(false);
  });

  it('counts the task again at once when undone, although the close had made the counters exact', async () => {
    await publishedJob(3, FAILING.replace(/ {2}- \{ name: total.*\n/, ''));
    await (await place.platform.queue('default')).purge({});
    expect(stateOf((await skipTasks(['price/3'])).view)).to.equal('succeeded');
    expect((await statusOf(place.platform, await reread())).exact).to.equal(true);
    const undone = await skipTasks(['price/3'], { undo: true });
    expect([undone.sent, stateOf(undone.view)]).to.deep.equal([1, 'running']);
    expect((await stepsOf(undone.view)).map(counts)).to.deep.equal([{ waiting: 1, done: 3, failed: 0, skipped: 0 }]);
    const [{ body } = { body: '' }] = await (await place.platform.queue('default')).receive({ max: 1, waitSeconds: 0 });
    const { job, task, round } = JSON.parse(body) as { job: string; task: number; round: number };
    await (await place.platform.ledger()).record([event('done', task, { job, round })]);
    expect((await stepsOf(undone.view)).map(counts)).to.deep.equal([{ waiting: 0, done: 4, failed: 0, skipped: 0 }]);
    await publishSmall({ platform: place.platform, view: undone.view }, 'price', 3, 'x');
    await look(place.platform, undone.view);
    expect(stateOf(await reread())).to.equal('succeeded');
    expect(await marks()).to.deep.equal([]);
  });

  it('opens no gather of a paused job, and sends nothing when undone', async () => {
    await publishedJob(3);
    await pause(place.platform, view, { now: false });
    expect(stateOf((await skipTasks(['price/3'])).view)).to.equal('paused');
    expect(await place.platform.store.read(openedKey(view.record.job, 'total'))).to.equal(null);
    expect(await skipTasks(['price/3'], { undo: true })).to.include({ changed: true, sent: 0 });
  });

  it('runs the remaining tasks once every task that stopped the job is skipped', async () => {
    await failedJob(FAILING.replace('name: claims', 'name: claims\nonFailure: stop'));
    const { view: now } = await skipTasks(['price/1', 'price/3']);
    expect(now.stopped).to.equal(null);
    await work(place.platform);
    expect(stateOf(await reread())).to.equal('succeeded');
  });

  it('sends the remaining tasks at once if the stopped job still runs', async () => {
    await publishedJob(0, `${claimsJob(0)}onFailure: stop\n`);
    await failForGood(place.platform, view.record.job, 'price', 0);
    await addEntry(place.platform, view, { what: 'stop', cause: '1 failed for good' });
    const { view: now, sent } = await skipTasks(['price/0']);
    expect([now.stopped, stateOf(now), sent]).to.deep.equal([null, 'running', 3]);
  });

  it('opens the gather when a skip that died after its entry is repeated', async () => {
    await publishedJob(3);
    await addEntry(place.platform, view, { what: 'skip', tasks: { price: '3' }, reason: 'agreed' });
    expect((await skipTasks(['price/3'])).changed).to.equal(false);
    expect(await place.platform.store.head(openedKey(view.record.job, 'total'))).to.not.equal(null);
  });

  it('refuses a retry that names the task until the skip is undone', async () => {
    await failedJob();
    await skipTasks(['price/1']);
    const options = { tasks: [parseTaskName(await reread(), 'price/1')] };
    const { hint } = await failsWith('refused', retry(place.platform, await reread(), options));
    expect(hint).to.include('--undo');
    await skipTasks(['price/1'], { undo: true });
    expect((await retry(place.platform, await reread(), options)).choice.tasks).to.deep.equal({ price: '1' });
  });

  it('leaves no open job without a mark if a close happens at the same moment', async () => {
    await failedJob();
    // Another watcher completes the close that it saw, after the skip's mark and before its entry.
    const closed = await reread();
    let raced = false;
    const store = beforeFirstPut(place.platform.store, isEntry, async () => {
      raced = true;
      await look(place.platform, closed);
    });
    const tasks = ['price/1', 'price/3'].map((name) => parseTaskName(closed, name));
    const { view: now } = await skip({ ...place.platform, store }, closed, { tasks, reason: 'agreed' });
    expect({ raced, state: stateOf(now) }).to.deep.equal({ raced: true, state: 'running' });
    expect(await marks()).to.have.length(1);
  });
});
