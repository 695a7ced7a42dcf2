// Protects: each file that a step produces becomes one task, in order, within tolerance and maxTasks.
import { expect } from 'chai';
import { retry } from '../../src/jobs/change/retry.ts';
import { openExploded } from '../../src/jobs/explode.ts';
import { refreshView } from '../../src/jobs/journal.ts';
import { readOutput } from '../../src/jobs/output.ts';
import { statusOf } from '../../src/jobs/status.ts';
import { look } from '../../src/jobs/watch/look.ts';
import { openedKey, stepPartsPrefix } from '../../src/model/keys.ts';
import { type JobView, stateOf } from '../../src/model/view.ts';
import type { Platform } from '../../src/ports/platform.ts';
import type { TaskQueue } from '../../src/ports/task-queue.ts';
import { addEntry, failForGood } from '../support/claims-job.ts';
import { recordedStore } from '../support/recorded-store.ts';
import { failsWith } from '../support/rejection.ts';
import { keysBelow } from '../support/stored.ts';
import { withMethods } from '../support/with-methods.ts';
import { EXPLODING, explodingJob, partsOf, publishFiles, publishRest, queuedIn } from './exploding-job.ts';
import { type Place, publishManifest } from './published-job.ts';
import { work } from './submitted-job.ts';

describe('explode', () => {
  let place: Place;
  let view: JobView;
  async function setUp(yaml = EXPLODING): Promise<void> {
    ({ place, view } = await explodingJob(yaml));
  }
  afterEach(() => place.end());

  const parts = () => partsOf(place, view);
  const names = async (): Promise<readonly string[]> => (await parts()).map(({ from, name }) => `${from} ${name}`);
  const queued = () => queuedIn(place);

  const publishNothing = async (): Promise<void> => {
    for (const task of [0, 1, 2]) await publishManifest({ platform: place.platform, view }, 'split', task, {});
  };

  it('opens once all chains have ended, with a task for each file, in task order and then by name', async () => {
    await setUp();
    await publishFiles(place, view, [0, 1]);
    expect((await look(place.platform, view)).did).to.deep.equal([]);
    await publishFiles(place, view, [2]);
    const before = await queued();
    const found = await look(place.platform, view);
    expect(found.did).to.deep.equal(['open']);
    expect([...(found.standing.steps[1]?.undecided ?? [])]).to.deep.equal([0, 1, 2, 3, 4]);
    expect(await names()).to.deep.equal([
      'split/0 a.txt',
      'split/0 sub/b.txt',
      'split/1 empty.txt',
      'split/2 a.txt',
      'split/2 c.txt',
    ]);
    expect((await parts()).map(({ n }) => n)).to.deep.equal([0, 1, 2, 3, 4]);
    expect((await queued()) - before).to.equal(5);
  });

  it('sends messages only after the opening and its parts are stored', async () => {
    await setUp();
    await publishFiles(place, view);
    const order: string[] = [];
    const { job } = view.record;
    const below = `jobs/${job}/steps/count/`;
    const store = recordedStore(place.platform.store, (method, key) => {
      if (method === 'put' && key.startsWith(below)) order.push(key.slice(below.length));
    });
    const queue: Platform['queue'] = async (group) => {
      const real = await place.platform.queue(group);
      const send: TaskQueue['send'] = (messages) => {
        order.push('send');
        return real.send(messages);
      };
      return withMethods(real, { send });
    };
    await look({ ...place.platform, store, queue }, view);
    expect(order).to.deep.equal(['opened.json', 'parts/00000.ndjson', 'send']);
  });

  it('shows the number of tasks as unknown until it is open', async () => {
    await setUp();
    const totals = async (): Promise<readonly (number | null)[]> => {
      view = await refreshView(place.platform.store, view);
      return (await statusOf(place.platform, view)).steps.map(({ total }) => total);
    };
    const ledgerTotals = async (): Promise<readonly number[] | undefined> =>
      (await (await place.platform.ledger()).job(view.record.job))?.steps.map(({ total }) => total);
    expect(await totals()).to.deep.equal([3, null, 1]);
    expect(await ledgerTotals()).to.deep.equal([3, 0, 1]);
    await publishFiles(place, view);
    await look(place.platform, view);
    expect(await totals()).to.deep.equal([3, 5, 1]);
    expect(await ledgerTotals()).to.deep.equal([3, 5, 1]);
  });

  it("leaves out failures within tolerance, which can't be retried afterwards", async () => {
    await setUp();
    await publishFiles(place, view, [0, 2]);
    await failForGood(place.platform, view.record.job, 'split', 1);
    await look(place.platform, view);
    expect(await names()).to.deep.equal(['split/0 a.txt', 'split/0 sub/b.txt', 'split/2 a.txt', 'split/2 c.txt']);
    const error = await failsWith('refused', retry(place.platform, view));
    expect(error.message).to.include('split/1').and.include('too late to retry');
    // A late output makes no part.
    await publishFiles(place, view, [1]);
    await look(place.platform, view);
    expect(await parts()).to.have.length(4);
  });

  it('fails beyond tolerance, and opens after a retry', async () => {
    await setUp();
    await publishFiles(place, view, [0]);
    for (const task of [1, 2]) await failForGood(place.platform, view.record.job, 'split', task);
    expect(stateOf((await look(place.platform, view)).view)).to.equal('failed');
    const retried = await retry(place.platform, view);
    expect(retried.sent).to.equal(2);
    await publishFiles(place, view, [1, 2]);
    const { did, view: after } = await look(place.platform, retried.view);
    expect(did).to.deep.equal(['open']);
    expect(after.exploded.get(1)).to.equal(5);
  });

  it('opens nothing if the task that it would leave out was asked for again since it was decided', async () => {
    await setUp();
    await publishFiles(place, view, [0, 2]);
    await failForGood(place.platform, view.record.job, 'split', 1);
    await addEntry(place.platform, view, {
      what: 'retry',
      round: 1,
      tasks: { split: '1' },
      canaries: null,
      overrides: {},
    });
    const move = { move: 'open', step: 1, count: 0, leftOut: '1' } as const;
    expect(await openExploded(place.platform, view, move)).to.include({ round: 1, next: view.next + 1 });
    expect(await place.platform.store.head(openedKey(view.record.job, 'count'))).to.equal(null);
    expect(await parts()).to.deep.equal([]);
  });

  it('makes a task of a single file', async () => {
    await setUp(EXPLODING.replace('tolerate: 1', 'tolerate: 2'));
    await publishFiles(place, view, [1]);
    for (const task of [0, 2]) await failForGood(place.platform, view.record.job, 'split', task);
    await look(place.platform, view);
    expect(await names()).to.deep.equal(['split/1 empty.txt']);
  });

  it('leaves out tasks that a person skipped', async () => {
    await setUp(EXPLODING.replace('tolerate: 1', 'tolerate: 0'));
    await publishFiles(place, view, [0, 1]);
    await addEntry(place.platform, view, { what: 'skip', tasks: { split: '2' }, reason: 'damaged' });
    await look(place.platform, view);
    expect(await parts()).to.have.length(3);
  });

  it('counts tolerated failures of later steps separately', async () => {
    await setUp();
    await publishFiles(place, view, [0, 2]);
    await failForGood(place.platform, view.record.job, 'split', 1);
    view = (await look(place.platform, view)).view;
    await failForGood(place.platform, view.record.job, 'count', 3);
    view = await publishRest(place, view, 3);
    expect(stateOf(view)).to.equal('succeeded');
  });

  it('opens an empty gather if there are no files', async () => {
    await setUp();
    await publishNothing();
    const { did } = await look(place.platform, view);
    expect(did).to.deep.equal(['open', 'open']);
    await work(place.platform);
    view = await refreshView(place.platform.store, view);
    expect(stateOf(view)).to.equal('succeeded');
    const total = await readOutput(place.platform.store, view.record.job, 'total', 0);
    expect(total?.meta).to.include({ bytesIn: 0, bytesOut: 0 });
  });

  it('closes the job as succeeded if there are no files and no gather', async () => {
    await setUp(EXPLODING.replace(/ {2}- \{ name: total.*\n/, ''));
    await publishNothing();
    const { did, view: after } = await look(place.platform, view);
    expect(did).to.deep.equal(['open', 'close']);
    expect(stateOf(after)).to.equal('succeeded');
  });

  it('makes a task of each file if there are exactly maxTasks files', async () => {
    await setUp(`${EXPLODING}maxTasks: 5\n`);
    await publishFiles(place, view);
    view = (await look(place.platform, view)).view;
    expect(stateOf(view)).to.equal('running');
    expect((await publishRest(place, view, 5)).closed?.state).to.equal('succeeded');
  });

  it('fails the job if there are more files than maxTasks, and opens nothing', async () => {
    await setUp(`${EXPLODING}maxTasks: 4\n`);
    await publishFiles(place, view);
    view = (await look(place.platform, view)).view;
    expect([stateOf(view), view.closed?.reason]).to.deep.equal(['failed', 'maxTasks']);
    expect(await place.platform.store.head(openedKey(view.record.job, 'count'))).to.equal(null);
    const again = await look(place.platform, view);
    expect(again.did).to.deep.equal([]);
    expect(again.view.next).to.equal(view.next);
  });

  it('explodes again after an explode, and after a gather', async () => {
    await setUp(`name: words
input: { split: { by: range, from: 1, to: 3 } }
steps:
  - { name: split, output: files, explode: true, run: [cat] }
  - { name: count, output: files, explode: true, run: [cat] }
  - { name: more, run: [cat] }
  - { name: all, gather: true, output: files, explode: true, run: [cat] }
  - { name: end, run: [cat] }
`);
    await publishFiles(place, view);
    view = (await look(place.platform, view)).view;
    await publishFiles(place, view, [0, 1, 2, 3, 4], 'count');
    view = (await look(place.platform, view)).view;
    expect(Object.fromEntries(view.exploded)).to.deep.equal({ 1: 5, 2: 5 });
    await work(place.platform);
    view = await refreshView(place.platform.store, view);
    expect(stateOf(view)).to.equal('succeeded');
    expect(view.exploded.get(4)).to.equal(0);
    expect(await keysBelow(place.platform.store, stepPartsPrefix(view.record.job, 'end'))).to.deep.equal([]);
  });
});
