// Protects: a task that waits for a slot obeys what is decided meanwhile, and the cost of a worker is shared among its
// jobs without losing a second.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import type { EntryKind } from '../../src/model/journal.ts';
import type { Receipt } from '../../src/ports/task-queue.ts';
import type { SettleItem } from '../../src/worker/settle.ts';
import { SlotSeconds } from '../../src/worker/slot-seconds.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { addEntry } from '../support/claims-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { until } from '../support/until.ts';
import { deliveryOf, endOf, makeClient, makeContext, makeDispatcher } from './worker-context.ts';

describe('tasks that wait for a slot', () => {
  const place = forEachTest(openPlace);

  /**
   * How the three tasks of a job end whose first task runs in the only slot, until `entry` is in the journal and the
   * worker has read it.
   */
  async function endsAfter(entry: EntryKind): Promise<readonly string[]> {
    const { platform, directory } = place;
    const view = await submitJob(place, JSON.stringify(rangeJob('claims', 3, { name: 'price', run: 'cat' })), {});
    const { job } = view.record;
    const settled: SettleItem[] = [];
    const decision = new AbortController();
    const decided = once(decision.signal, 'abort');
    const ctx = makeContext(platform, {
      scratch: directory,
      executor: {
        run: async (_, { stdout }) => {
          await decided;
          writeFileSync(stdout, '');
          return endOf();
        },
        close: async () => undefined,
      },
    });
    const dispatcher = makeDispatcher(ctx, { settle: (item) => settled.push(item) });
    const deliveries = [0, 1, 2].map((task) =>
      deliveryOf({ job, step: 'price', task, round: 0 }, { receipt: `r${task}` as Receipt }),
    );
    await dispatcher.offer(makeClient(), deliveries);
    await ctx.jobs.refresh(await addEntry(platform, view, entry));
    decision.abort();
    await until('all have ended', async () => settled.length === 3);
    return settled.map(({ outcome }) => (outcome.kind === 'dropped' ? `dropped: ${outcome.why}` : outcome.kind));
  }

  for (const [what, entry, ends] of [
    ['stopped', { what: 'stop', cause: 'failed for good' }, ['dropped: stopped', 'dropped: stopped']],
    ['paused', { what: 'pause', now: false, reason: 'person' }, ['dropped: paused', 'dropped: paused']],
    ['cancelled', { what: 'cancel' }, ['dropped: cancelled', 'dropped: cancelled']],
    ['killed for good', { what: 'kill', tasks: { price: '1' }, mode: 'fail' }, ['failed', 'published']],
    ['adjusted', { what: 'adjust', maxRunning: 3 }, ['published', 'published']],
  ] as const satisfies readonly (readonly [string, EntryKind, readonly string[]])[])
    it(`end accordingly once the worker has read that their job, or one of them, is ${what}`, async () => {
      const [first, ...others] = await endsAfter(entry);
      expect(first, 'the task in the slot').to.equal('published');
      expect(others.toSorted()).to.deep.equal(ends);
    });
});

describe('a message that the queue delivers twice', () => {
  const place = forEachTest(openPlace);

  it('runs its command once in a worker, whether its copy comes during the attempt or after it', async () => {
    const { platform, directory } = place;
    const view = await submitJob(place, JSON.stringify(rangeJob('claims', 2, { name: 'price', run: 'cat' })), {});
    const { job } = view.record;
    const settled: SettleItem[] = [];
    const decision = new AbortController();
    const decided = once(decision.signal, 'abort');
    let runs = 0;
    const ctx = makeContext(platform, {
      scratch: directory,
      total: { slots: 2, memory: 1e9, disk: 1e9 },
      executor: {
        run: async (_, { stdout }) => {
          runs += 1;
          await decided;
          writeFileSync(stdout, '');
          return endOf();
        },
        close: async () => undefined,
      },
    });
    const dispatcher = makeDispatcher(ctx, { settle: (item) => settled.push(item) });
    const copy = (receipt: string) =>
      deliveryOf({ job, step: 'price', task: 0, round: 0 }, { receipt: receipt as Receipt });
    const ends = () => settled.map(({ outcome }) => outcome.kind);
    await dispatcher.offer(makeClient(), [copy('first'), copy('during')]);
    expect(ends()).to.deep.equal(['declined']);
    decision.abort();
    await until('the attempt has ended', async () => settled.length === 2);
    await dispatcher.offer(makeClient(), [copy('after')]);
    await until('the last copy has ended', async () => settled.length === 3);
    expect(ends()).to.deep.equal(['declined', 'published', 'twin']);
    expect(runs).to.equal(1);
  });
});

describe('the slot-seconds that a worker spent on jobs', () => {
  it('are summed by job, including those of running attempts', () => {
    const spent = new SlotSeconds();
    spent.note('a', 1.5);
    spent.note('b', 2);
    spent.note('a', 1);
    expect(spent.with([])).to.deep.equal({ a: 2.5, b: 2 });
    expect(
      spent.with([
        ['a', 3],
        ['c', 0.25],
      ]),
    ).to.deep.equal({ a: 5.5, b: 2, c: 0.25 });
  });

  it('are listed for the latest 64 jobs, and summed up for the others', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 1, max: 99 }))), (notes) => {
        const spent = new SlotSeconds();
        for (const [job, seconds] of notes) spent.note(`j${job}`, seconds);
        const summed = spent.with([]);
        const named = Object.keys(summed).filter((name) => name !== '');
        expect(named.length).to.be.at.most(64);
        const last = notes.at(-1);
        if (last !== undefined) expect(named).to.include(`j${last[0]}`);
        const sum = Object.values(summed).reduce((a, b) => a + b, 0);
        expect(sum).to.equal(notes.reduce((total, [, seconds]) => total + seconds, 0));
      }),
    );
  });
});
