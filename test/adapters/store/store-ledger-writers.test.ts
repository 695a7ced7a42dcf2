// Protects: progress counts stay exact with many workers and failing writes, and reading them stays cheap.

import { expect } from 'chai';
import fc from 'fast-check';
import { openStoreLedger } from '../../../src/adapters/store/store-ledger.ts';
import type { AttemptEvent } from '../../../src/model/ledger/records.ts';
import { mergeAll, standingOf } from '../../../src/model/ledger/transitions.ts';
import type { Ledger } from '../../../src/ports/ledger.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import { Recorder } from '../../../src/worker/recorder.ts';
import {
  doneEvents,
  event,
  exactCounts,
  job,
  readCounts,
  readPages,
  T0,
  worker,
} from '../../contracts/ledger-events.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { HeldTime } from '../../support/held-time.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { readText } from '../../support/read-text.ts';
import { rejection } from '../../support/rejection.ts';
import { keysBelow } from '../../support/stored.ts';
import { beforeFirstPut, wrapStore } from '../../support/wrap-store.ts';

const open = (store: ObjectStore, writer: string): Ledger => openStoreLedger({ store, writer });

/** A store that lists in `reads` and `puts` the keys of these calls. */
function watch(memory: MemoryStore) {
  const calls: { reads: string[]; puts: string[] } = { reads: [], puts: [] };
  const store = wrapStore(memory, {
    read: (key, options) => {
      calls.reads.push(key);
      return memory.read(key, options);
    },
    put: (key, body, options) => {
      calls.puts.push(key);
      return memory.put(key, body, options);
    },
  });
  return { store, calls };
}

/** A store that runs `act` before each put. */
function beforePuts(memory: MemoryStore, act: () => unknown): ObjectStore {
  return wrapStore(memory, {
    put: async (key, body, options) => {
      await act();
      return await memory.put(key, body, options);
    },
  });
}

/** Attempts of a few tasks by three workers, each recorded by its own worker, and some also by another. */
const histories = fc.array(
  fc.record({
    task: fc.nat(3),
    round: fc.nat(2),
    number: fc.integer({ min: 1, max: 3 }),
    worker: fc.nat(2),
    recorder: fc.nat(2),
    outcome: fc.constantFrom('running', 'interrupted', 'failedAttempt', 'failed', 'done'),
    started: fc.nat(9),
    bytesIn: fc.nat(100),
  }),
  { maxLength: 16 },
);

describe('the store ledger with several writers', () => {
  const store = forEachTest(() => new MemoryStore());

  it('counts each task once, even if workers record at the same moment, without the records of others', async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (attempts) => {
        const store = new MemoryStore();
        const ledgers = [0, 1, 2].map((n) => open(store, `w${n}`));
        const events = attempts.map(({ outcome, task, started, recorder: _, worker, ...facts }, index) =>
          event(outcome, task, {
            ...facts,
            attempt: `a${index}`,
            worker: `w${worker}`,
            startedAt: T0 + started,
            endedAt: outcome === 'running' ? null : T0 + 10,
          }),
        );
        const own = (n: number) => events.filter(({ worker }) => worker === `w${n}`);
        const foreign = (n: number) => events.filter((_, index) => attempts[index]?.recorder === n);
        await Promise.all(ledgers.map((ledger, n) => ledger.record([...own(n), ...foreign(n)])));
        const counts = await readCounts(open(store, 'cli'));
        if (events.length === 0) return;
        const tasks = [0, 1, 2, 3].map((task) => mergeAll(events.filter((each) => each.task === task)));
        const states = tasks.map((merged) => standingOf(merged));
        const count = (state: string): number => states.filter((standing) => standing.state === state).length;
        const ended = (outcome: AttemptEvent['outcome']): number => events.filter((e) => e.outcome === outcome).length;
        expect(counts).to.include({
          running: count('running'),
          done: count('done'),
          failed: count('failed'),
          retried: ended('failedAttempt'),
          interrupted: ended('interrupted'),
          bytesIn: states.reduce((sum, { state, by }) => sum + (state === 'done' ? (by?.bytesIn ?? 0) : 0), 0),
        });
      }),
      { numRuns: 400 },
    );
  });

  it('returns thousands of attempts in pages, after most were moved out of the totals', async () => {
    const ledgers = ['w0', 'w1', 'w2'].map((writer) => open(store, writer));
    const attemptOf = (task: number): AttemptEvent[] => {
      const facts = { worker: `w${task % 3}`, attempt: `x${task}` };
      return [event('running', task, facts), event(task % 7 === 0 ? 'failedAttempt' : 'done', task, facts)];
    };
    for (let first = 0; first < 3000; first += 150) {
      const tasksOf = (n: number) => Array.from({ length: 50 }, (_, k) => first + k * 3 + n);
      await Promise.all(ledgers.map((ledger, n) => ledger.record(tasksOf(n).flatMap(attemptOf))));
    }
    // Another worker completes the failed tasks.
    const failed = Array.from({ length: 429 }, (_, n) => n * 7);
    await ledgers[0]?.record(
      failed.map((task) => event('done', task, { worker: 'w0', attempt: `y${task}`, number: 2 })),
    );
    const reader = open(store, 'cli');
    expect(await readCounts(reader)).to.include({ done: 3000, retried: 429, running: 0, seconds: 3000 });
    const pages = await readPages<AttemptEvent>((after) => reader.attemptsOfJob('claims-1', { limit: 700, ...after }));
    const expected = Array.from({ length: 3000 }, (_, n) => (n % 7 === 0 ? [`x${n}`, `y${n}`] : [`x${n}`])).flat();
    expect(pages.flat().map(({ attempt }) => attempt)).to.deep.equal(expected);
    const page = await reader.tasks('claims-1', { limit: 5, states: ['done'], after: { step: 'price', task: 2103 } });
    expect(page.map(({ task, attempts }) => [task, attempts])).to.deep.equal([
      [2104, 1],
      [2105, 1],
      [2106, 1],
      [2107, 2],
      [2108, 1],
    ]);
  });

  it('remembers an attempt that it moved out of memory when its end is recorded again', async () => {
    const ledger = open(store, 'w1');
    await ledger.record([event('done', 0, { bytesIn: 3 })]);
    await ledger.record(doneEvents(900, { error: 'x'.repeat(100) }, 1));
    await ledger.record([event('done', 0, { bytesIn: 3 }), event('failedAttempt', 0, { attempt: 'late' })]);
    expect(await readCounts(ledger)).to.include({ done: 901, bytesIn: 3, retried: 1 });
    expect(await ledger.attempts('claims-1', 'price', 0)).to.have.length(2);
  });

  it('does not repeat the records of workers: rebuilding a complete ledger writes nothing', async () => {
    const events = doneEvents(600);
    await open(store, 'w1').record(events);
    const before = await keysBelow(store, 'ledger/');
    await open(store, 'ann@desk').record(events);
    expect(await keysBelow(store, 'ledger/')).to.deep.equal(before);
  });

  it('counts the records of two processes of the same person', async () => {
    await open(store, 'ann@desk').record([event('done', 1)]);
    await open(store, 'ann@desk').record([event('done', 2)]);
    expect(await readCounts(open(store, 'bob'))).to.include({ done: 2 });
  });
});

describe('the store ledger when puts fail', () => {
  it('writes a failed flush together with the next one, each event once', async () => {
    const memory = new MemoryStore();
    let fails = true;
    const store = beforePuts(memory, () => {
      if (fails) throw new Error('no network');
    });
    const ledger = open(store, 'w1');
    await rejection(ledger.record([event('done', 1, { bytesIn: 2 })]));
    fails = false;
    await ledger.record([event('done', 1, { bytesIn: 2 })]);
    expect(await readCounts(open(store, 'cli'))).to.include({ done: 1, bytesIn: 2 });
  });

  it('moves attempts once, then puts only what is new, and nothing if nothing is', async () => {
    const memory = new MemoryStore();
    const { store, calls } = watch(memory);
    const ledger = open(store, 'w1');
    await ledger.record(doneEvents(900, { error: 'x'.repeat(100) }));
    const [, first = ''] = calls.puts.splice(0);
    expect((await memory.read(first))?.length, 'the totals name the moved ones').to.be.below(4_000);
    await ledger.record([event('running', 901)]);
    const [totals = '', ...more] = calls.puts.splice(0);
    expect(more).to.deep.equal([]);
    expect((await memory.read(totals))?.length).to.be.below(4_000);
    await ledger.record([event('running', 901)]);
    expect(calls.puts).to.deep.equal([]);
  });

  it('puts totals only after the attempts that they name', async () => {
    const memory = new MemoryStore();
    let fails = true;
    const store = wrapStore(memory, {
      put: async (key, body, options) => {
        // An object that takes long is put after others that weren't waited for.
        if (key.includes('/attempts/')) await new Promise(setImmediate);
        if (fails && key.includes('/attempts/')) throw new Error('no network');
        return await memory.put(key, body, options);
      },
    });
    const ledger = open(store, 'w1');
    const events = doneEvents(900, { error: 'x'.repeat(100) });
    expect((await rejection(ledger.record(events))).message).to.equal('no network');
    expect(await keysBelow(memory, 'ledger/tasks/')).to.deep.equal([]);
    fails = false;
    await ledger.record(events);
    expect(await open(memory, 'cli').attemptsOfJob('claims-1', { limit: 1_000 })).to.have.length(900);
  });

  it('neither loses nor duplicates an event, after whichever put the writer was killed', async () => {
    for (let last = 0; last < 12; last += 1) {
      const memory = new MemoryStore();
      let puts = 0;
      const store = beforePuts(memory, () => {
        puts += 1;
        if (puts > last) throw new Error('killed');
      });
      const ledger = open(store, 'w1');
      let recorded = 0;
      for (let first = 0; first < 1200; first += 200) {
        const flush = doneEvents(200, { error: 'x'.repeat(100) }, first);
        const error = await ledger.record(flush).catch(() => 'killed');
        if (error === 'killed') break;
        recorded = first + 200;
      }
      const reader = open(memory, 'cli');
      const done = (await readCounts(reader))?.done ?? 0;
      expect(done).to.equal(recorded);
      expect(await reader.attemptsOfJob('claims-1', { limit: 10_000 })).to.have.length(recorded);
    }
  });
});

describe('reading the store ledger', () => {
  const memory = forEachTest(() => new MemoryStore());

  it('costs one listing, and a read of each object that changed, whatever the number of tasks', async () => {
    const { store, calls } = watch(memory);
    const workers = ['w0', 'w1'].map((writer) => open(memory, writer));
    const record = (n: number, first: number) =>
      workers[n]?.record(doneEvents(2000, (task) => ({ worker: `w${n}`, attempt: `${task}` }), first));
    await record(0, 0);
    await record(1, 2000);
    const reader = open(store, 'cli');
    const countReads = () => calls.reads.splice(0).filter((key) => key.includes('/tasks/')).length;
    expect(await readCounts(reader)).to.include({ done: 4000 });
    expect(countReads()).to.equal(2);
    await reader.counts('claims-1');
    expect(countReads()).to.equal(0);
    await record(1, 4000);
    expect(await readCounts(reader)).to.include({ done: 6000 });
    expect(countReads()).to.equal(1);
  });

  it('costs one small object once exact totals were taken, and all objects again in a newer round', async () => {
    const { store, calls } = watch(memory);
    const workers = ['w0', 'w1', 'w2'].map((writer) => open(memory, writer));
    for (const [n, ledger] of workers.entries())
      await ledger.record([event('failed', n, { worker: `w${n}`, attempt: `${n}` })]);
    await open(memory, 'closer').recordExact('claims-1', 0, [exactCounts({ failed: 3 })]);
    expect(await readCounts(open(store, 'cli'))).to.include({ failed: 3, exact: true });
    expect(calls.reads.filter((key) => key.includes('/sums/'))).to.have.length(1);
    await workers[1]?.record([event('done', 1, { worker: 'w1', attempt: 'again', round: 1 })]);
    await workers[2]?.record([event('done', 0, { worker: 'w2', attempt: 'other', round: 1 })]);
    const reader = open(store, 'cli');
    expect(await readCounts(reader)).to.include({ failed: 1, done: 2, exact: false });
    expect(await reader.tasks('claims-1', { limit: 9, states: ['failed'] })).to.have.length(1);
  });

  it('puts exact totals once that every watcher of a closing job takes alike', async () => {
    for (const writer of ['w0', 'w1', 'w0']) {
      await open(memory, writer).recordExact('claims-1', 0, [exactCounts({ failed: 3, counters: { sum: '1.50' } })]);
    }
    expect(await keysBelow(memory, 'ledger/tasks/claims-1/sums/')).to.have.length(1);
  });

  it('takes the first by key of two exact totals of the same moment, whichever a reader knew before', async () => {
    const recordSum = (store: ObjectStore, sum: string) =>
      open(store, 'closer').recordExact('claims-1', 0, [exactCounts({ failed: 3, counters: { sum } })]);
    const [early, late] = [open(memory, 'early'), open(memory, 'late')];
    const other = beforeFirstPut(
      memory,
      () => true,
      async () => {
        await recordSum(memory, '1');
        expect((await readCounts(early))?.counters).to.deep.equal({ sum: '1' });
      },
    );
    await recordSum(other, '2');
    const [first = '', ...more] = (await keysBelow(memory, 'ledger/tasks/claims-1/sums/')).toSorted();
    expect(more).to.have.length(1);
    const { order, steps } = JSON.parse(String(await readText(memory, first)));
    expect(JSON.parse(String(await readText(memory, more[0] ?? '')))).to.include({ order });
    for (const reader of [early, late]) expect((await readCounts(reader))?.counters).to.deep.equal(steps[0].counters);
  });

  it('lists the newest jobs without reading older ones, and jobs in one state without reading others', async () => {
    const ledger = open(memory, 'cli');
    for (let n = 0; n < 60; n += 1) {
      const ending = n % 30 === 0 ? ({ state: 'failed', closedAt: T0 } as const) : {};
      await ledger.recordJob(job({ job: `claims-${n}`, createdAt: T0 + n, ...ending }));
    }
    const { store, calls } = watch(memory);
    const listed = await open(store, 'cli').jobs({ limit: 2 });
    expect(listed.map((each) => each.job)).to.deep.equal(['claims-59', 'claims-58']);
    expect(calls.reads.splice(0)).to.have.length.of.at.most(3);
    const failed = await open(store, 'cli').jobs({ states: ['failed'] });
    expect(failed.map((each) => each.job)).to.deep.equal(['claims-30', 'claims-0']);
    expect(calls.reads).to.have.length(2);
  });

  it('keeps a job closed when a slower process records an older state', async () => {
    await open(memory, 'a').recordJob(job({ state: 'submitted' }));
    const close = () => open(memory, 'b').recordJob(job({ state: 'succeeded', closedAt: T0 + 9 }));
    const late = beforeFirstPut(memory, () => true, close);
    await open(late, 'c').recordJob(job({ state: 'running' }));
    expect((await open(memory, 'd').job('claims-1'))?.state).to.equal('succeeded');
  });

  describe('with many workers that count', () => {
    /** Ledgers of workers on one store, with a fake clock. */
    async function openGrid(writers: number) {
      const memory = new MemoryStore();
      const { store, calls } = watch(memory);
      const clock = new FakeClock(T0);
      const openShared = (writer: string, at: ObjectStore = store): Ledger =>
        openStoreLedger({ store: at, writer, clock, shares: true });
      await open(store, 'cli').recordJob(job());
      const ledgers = Array.from({ length: writers }, (_, n) => openShared(`w${n}`));
      /** Each worker records another task. */
      const work = (round: number): Promise<unknown> =>
        Promise.all(
          ledgers.map((ledger, n) => ledger.record([event('done', round * writers + n, { worker: `w${n}` })])),
        );
      const done = async (ledger: Ledger | undefined, exact = false) =>
        ledger && (await readCounts(ledger, 'claims-1', { exact }))?.done;
      const takeReads = () => calls.reads.splice(0).length;
      return { memory, takeReads, calls, clock, store, openShared, ledgers, work, done };
    }

    it('puts the records of many short tasks by time, not by task', async () => {
      const { calls, openShared } = await openGrid(0);
      calls.puts.length = 0;
      const ledger = openShared('w');
      const log = { info: () => undefined, warn: () => undefined };
      const recorder = new Recorder({ ledger: async () => ledger, log, onError: () => undefined });
      const time = new HeldTime();
      try {
        const recorded: Promise<void>[] = [];
        for (const taskEvent of doneEvents(100, { worker: 'w' })) {
          recorded.push(recorder.record(taskEvent));
          await time.pass(10);
        }
        await time.passUntil(Promise.all(recorded));
      } finally {
        time.release();
      }
      // One at once, and then one in each half second.
      expect(calls.puts).to.have.length.within(2, 4);
      expect(await readCounts(ledger, 'claims-1', { exact: true })).to.include({ done: 100 });
    });

    it('lets one worker at a time count for all, however many there are', async () => {
      const { takeReads, clock, ledgers, work, done } = await openGrid(200);
      await work(0);
      takeReads();
      expect(await done(ledgers[0])).to.equal(200);
      takeReads();
      for (const ledger of ledgers) expect(await done(ledger)).to.equal(200);
      // Each reads the result of the first one. If it counted itself, it would read two hundred objects.
      expect(takeReads()).to.be.at.most(4 * 200);
      await work(1);
      takeReads();
      clock.pass(30);
      const found = [];
      for (const ledger of ledgers) found.push(await done(ledger));
      // The first one counts again; no count is older than the others'.
      expect(found.at(-1)).to.equal(400);
      expect(takeReads()).to.be.at.most(200 + 4 * 200);
    });

    it('counts exactly if exact counts are requested, and if few workers write', async () => {
      const many = await openGrid(60);
      await many.work(0);
      expect(await many.done(many.ledgers[0])).to.equal(60);
      await many.work(1);
      expect(await many.done(many.ledgers[1])).to.equal(60);
      expect(await many.done(many.ledgers[1], true)).to.equal(120);
      const few = await openGrid(20);
      for (const round of [0, 1, 2]) {
        await few.work(round);
        for (const ledger of few.ledgers) expect(await few.done(ledger)).to.equal(20 * (round + 1));
      }
    });

    it('skips a worker that dies in its turn', async () => {
      const { memory, clock, store, openShared, ledgers, work, done } = await openGrid(60);
      await work(0);
      expect(await done(ledgers[0])).to.equal(60);
      const later = openShared('later');
      await done(later);
      await work(1);
      // It takes its turn, and then dies.
      let dies = false;
      const dying = wrapStore(store, {
        list: (prefix, options) => {
          if (dies) throw new Error('killed');
          return memory.list(prefix, options);
        },
      });
      const dead = openShared('dead', dying);
      await done(dead);
      clock.pass(6);
      dies = true;
      expect(await rejection(done(dead))).to.have.property('message', 'killed');
      expect(await done(later)).to.equal(60);
      clock.pass(6);
      expect(await done(later)).to.equal(120);
    });

    it('lets one worker at a time read all heartbeats, and uses no old reading', async () => {
      const { takeReads, clock, ledgers } = await openGrid(100);
      /** The first `count` workers send heartbeats. Returns the number of workers that each then sees. */
      const beat = async (count: number): Promise<readonly number[]> => {
        for (const [n, ledger] of ledgers.slice(0, count).entries())
          await ledger.heartbeat(worker({ worker: `w${n}`, seenAt: clock.now() }));
        takeReads();
        const since = clock.now() - 480_000;
        const seen = [];
        for (const ledger of ledgers.slice(0, count)) seen.push((await ledger.workers({ since, shared: true })).length);
        return seen;
      };
      expect(new Set(await beat(100))).to.deep.equal(new Set([100]));
      expect(takeReads(), 'by itself each would read a hundred').to.be.at.most(100 + 2 * 100);
      clock.pass(40);
      expect((await beat(100)).at(-1)).to.equal(100);
      expect(takeReads()).to.be.at.most(100 + 2 * 100);
      // Hours later only half of them send heartbeats, so that the number tells these from the old ones.
      clock.pass(4 * 3_600);
      expect(new Set(await beat(50))).to.deep.equal(new Set([50]));
      expect(await ledgers[0]?.workers({ since: T0 }), 'all are read unless the reading is shared').to.have.length(100);
    });

    it('leaves nothing behind once the job is forgotten', async () => {
      const { memory, ledgers, work, done } = await openGrid(60);
      await work(0);
      for (const ledger of ledgers.slice(0, 3)) await done(ledger);
      await ledgers[0]?.forget('claims-1');
      expect(await keysBelow(memory, 'ledger/tasks/')).to.deep.equal(['ledger/tasks/claims-1/sums/pruned.json']);
    });
  });
});
