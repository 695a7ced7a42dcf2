// Protects: progress counts stay exact with many workers and failing writes, and reading them stays cheap.

import { expect } from 'chai';
import fc from 'fast-check';
import { openStoreLedger } from '../../../src/adapters/store/store-ledger.ts';
import { wait } from '../../../src/lib/wait.ts';
import { mergeAll, standingOf } from '../../../src/model/ledger/transitions.ts';
import type { AttemptEvent, Ledger, LedgerWorker } from '../../../src/ports/ledger.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import { Recorder } from '../../../src/worker/recorder.ts';
import { event, job, T0 } from '../../contracts/ledger-events.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { rejection } from '../../support/rejection.ts';
import { wrapStore } from '../../support/wrap-store.ts';

const open = (store: ObjectStore, writer: string): Ledger => openStoreLedger({ store, writer });

/** Attempts of a few tasks by three workers, each recorded by its own worker, and some also by another. */
const told = fc.array(
  fc.record({
    task: fc.nat(3),
    round: fc.nat(2),
    number: fc.integer({ min: 1, max: 3 }),
    worker: fc.nat(2),
    told: fc.nat(2),
    outcome: fc.constantFrom('running', 'interrupted', 'failedAttempt', 'failed', 'done'),
    started: fc.nat(9),
    bytesIn: fc.nat(100),
  }),
  { maxLength: 16 },
);

describe('the store ledger with several writers', () => {
  it('counts each task once, although workers that record at the same moment know nothing of each other', async () => {
    await fc.assert(
      fc.asyncProperty(told, async (attempts) => {
        const store = new MemoryStore();
        const ledgers = [0, 1, 2].map((n) => open(store, `w${n}`));
        const events = attempts.map(({ outcome, task, started, told: _, worker, ...facts }, index) =>
          event(outcome, task, {
            ...facts,
            ...{ attempt: `a${index}`, worker: `w${worker}`, startedAt: T0 + started },
            endedAt: outcome === 'running' ? null : T0 + 10,
          }),
        );
        // All at once, and then what each learned from the others.
        const own = (n: number) => events.filter(({ worker }) => worker === `w${n}`);
        const heard = (n: number) => events.filter((_, index) => attempts[index]?.told === n);
        await Promise.all(ledgers.map((ledger, n) => ledger.record([...own(n), ...heard(n)])));
        const counts = (await open(store, 'cli').counts('claims-1'))[0];
        if (events.length === 0) return;
        const tasks = [0, 1, 2, 3].map((task) => mergeAll(events.filter((each) => each.task === task)));
        const states = tasks.map((of) => standingOf(of));
        const count = (state: string): number => states.filter((standing) => standing.state === state).length;
        const ended = (outcome: AttemptEvent['outcome']): number => events.filter((e) => e.outcome === outcome).length;
        expect(counts).to.include({
          ...{ running: count('running'), done: count('done'), failed: count('failed') },
          ...{ retried: ended('failedAttempt'), interrupted: ended('interrupted') },
          bytesIn: states.reduce((sum, { state, by }) => sum + (state === 'done' ? (by?.bytesIn ?? 0) : 0), 0),
        });
      }),
      { numRuns: 400 },
    );
  });

  it('returns thousands of attempts in pages, after most were moved out of the totals', async () => {
    const store = new MemoryStore();
    const ledgers = ['w0', 'w1', 'w2'].map((writer) => open(store, writer));
    for (let first = 0; first < 3000; first += 150) {
      await Promise.all(
        ledgers.map((ledger, n) =>
          ledger.record(
            Array.from({ length: 50 }, (_, k) => first + k * 3 + n).flatMap((task) => [
              event('running', task, { worker: `w${n}`, attempt: `x${task}` }),
              event(task % 7 === 0 ? 'failedAttempt' : 'done', task, { worker: `w${n}`, attempt: `x${task}` }),
            ]),
          ),
        ),
      );
    }
    // Another worker completes what failed elsewhere.
    const again = Array.from({ length: 429 }, (_, n) => n * 7);
    await ledgers[0]?.record(
      again.map((task) => event('done', task, { worker: 'w0', attempt: `y${task}`, number: 2 })),
    );
    const reader = open(store, 'cli');
    expect((await reader.counts('claims-1'))[0]).to.include({ done: 3000, retried: 429, running: 0, seconds: 3000 });
    const seen: string[] = [];
    for (let after: { step: string; task: number; attempt: string } | undefined; ; ) {
      const page = await reader.attemptsOfJob('claims-1', { limit: 700, ...(after && { after }) });
      seen.push(...page.map(({ attempt }) => attempt));
      after = page.at(-1);
      if (after === undefined) break;
    }
    const expected = Array.from({ length: 3000 }, (_, n) => (n % 7 === 0 ? [`x${n}`, `y${n}`] : [`x${n}`])).flat();
    expect(seen).to.deep.equal(expected);
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
    const store = new MemoryStore();
    const ledger = open(store, 'w1');
    await ledger.record([event('done', 0, { bytesIn: 3 })]);
    await ledger.record(Array.from({ length: 900 }, (_, n) => event('done', n + 1, { error: 'x'.repeat(100) })));
    await ledger.record([event('done', 0, { bytesIn: 3 }), event('failedAttempt', 0, { attempt: 'late' })]);
    expect((await ledger.counts('claims-1'))[0]).to.include({ done: 901, bytesIn: 3, retried: 1 });
    expect(await ledger.attempts('claims-1', 'price', 0)).to.have.length(2);
  });

  it('does not repeat what workers recorded: rebuilding a complete ledger writes nothing', async () => {
    const store = new MemoryStore();
    const events = Array.from({ length: 600 }, (_, n) => event('done', n));
    await open(store, 'w1').record(events);
    const keys = async (): Promise<number> => {
      let count = 0;
      for await (const _ of store.keys('ledger/')) count += 1;
      return count;
    };
    const before = await keys();
    await open(store, 'ann@desk').record(events);
    expect(await keys()).to.equal(before);
  });

  it('counts what two processes of the same person record', async () => {
    const store = new MemoryStore();
    await open(store, 'ann@desk').record([event('done', 1)]);
    await open(store, 'ann@desk').record([event('done', 2)]);
    expect((await open(store, 'bob').counts('claims-1'))[0]).to.include({ done: 2 });
  });
});

describe('the store ledger when puts fail', () => {
  it('writes a failed flush together with the next one, each event once', async () => {
    const memory = new MemoryStore();
    let fails = true;
    const store = wrapStore(memory, {
      put: async (key, body, options) => {
        if (fails) throw new Error('no network');
        return await memory.put(key, body, options);
      },
    });
    const ledger = open(store, 'w1');
    await rejection(ledger.record([event('done', 1, { bytesIn: 2 })]));
    fails = false;
    await ledger.record([event('done', 1, { bytesIn: 2 })]);
    expect((await open(store, 'cli').counts('claims-1'))[0]).to.include({ done: 1, bytesIn: 2 });
  });

  it('neither loses nor duplicates anything, wherever between two puts the writer was killed', async () => {
    for (let last = 0; last < 12; last += 1) {
      const memory = new MemoryStore();
      let puts = 0;
      const store = wrapStore(memory, {
        put: async (key, body, options) => {
          puts += 1;
          if (puts > last) throw new Error('killed');
          return await memory.put(key, body, options);
        },
      });
      const ledger = open(store, 'w1');
      let recorded = 0;
      for (let first = 0; first < 1200; first += 200) {
        const flush = Array.from({ length: 200 }, (_, n) => event('done', first + n, { error: 'x'.repeat(100) }));
        const error = await ledger.record(flush).catch(() => 'killed');
        if (error === 'killed') break;
        recorded = first + 200;
      }
      const reader = open(memory, 'cli');
      const done = (await reader.counts('claims-1'))[0]?.done ?? 0;
      expect(done).to.equal(recorded);
      expect(await reader.attemptsOfJob('claims-1', { limit: 10_000 })).to.have.length(recorded);
    }
  });
});

describe('reading the store ledger', () => {
  it('costs one listing, and a read of each object that changed, whatever the number of tasks', async () => {
    const memory = new MemoryStore();
    const calls: string[] = [];
    const store = wrapStore(memory, {
      read: (key, options) => {
        calls.push(key);
        return memory.read(key, options);
      },
    });
    const workers = ['w0', 'w1'].map((writer) => open(memory, writer));
    const record = (n: number, from: number) =>
      workers[n]?.record(
        Array.from({ length: 2000 }, (_, k) => event('done', from + k, { worker: `w${n}`, attempt: `${from + k}` })),
      );
    await record(0, 0);
    await record(1, 2000);
    const reader = open(store, 'cli');
    const sums = () => calls.splice(0).filter((key) => key.includes('/tasks/')).length;
    expect((await reader.counts('claims-1'))[0]).to.include({ done: 4000 });
    expect(sums()).to.equal(2);
    await reader.counts('claims-1');
    expect(sums()).to.equal(0);
    await record(1, 4000);
    expect((await reader.counts('claims-1'))[0]).to.include({ done: 6000 });
    expect(sums()).to.equal(1);
  });

  it('costs one small object once exact totals were taken, and all objects again in a newer round', async () => {
    const memory = new MemoryStore();
    let read: string[] = [];
    const store = wrapStore(memory, {
      read: (key, options) => {
        if (key.includes('/sums/')) read.push(key);
        return memory.read(key, options);
      },
    });
    const workers = ['w0', 'w1', 'w2'].map((writer) => open(memory, writer));
    for (const [n, ledger] of workers.entries())
      await ledger.record([event('failed', n, { worker: `w${n}`, attempt: `${n}` })]);
    const exact = { step: 'price', done: 0, failed: 3, bytesIn: 0, bytesOut: 0, seconds: 0, counters: {} };
    await open(memory, 'closer').recordExact('claims-1', 0, [exact]);
    expect((await open(store, 'cli').counts('claims-1'))[0]).to.include({ failed: 3, exact: true });
    expect(read).to.have.length(1);
    await workers[1]?.record([event('done', 1, { worker: 'w1', attempt: 'again', round: 1 })]);
    await workers[2]?.record([event('done', 0, { worker: 'w2', attempt: 'other', round: 1 })]);
    read = [];
    const reader = open(store, 'cli');
    expect((await reader.counts('claims-1'))[0]).to.include({ failed: 1, done: 2, exact: false });
    expect(await reader.tasks('claims-1', { limit: 9, states: ['failed'] })).to.have.length(1);
  });

  it('lists the newest jobs without reading older ones, and jobs in one state without reading others', async () => {
    const memory = new MemoryStore();
    const ledger = open(memory, 'cli');
    for (let n = 0; n < 60; n += 1) {
      const state = n % 30 === 0 ? 'failed' : 'running';
      await ledger.recordJob(
        job({ job: `claims-${n}`, createdAt: T0 + n, state, closedAt: state === 'failed' ? T0 : null }),
      );
    }
    let reads = 0;
    const store = wrapStore(memory, {
      read: (key, options) => {
        reads += 1;
        return memory.read(key, options);
      },
    });
    const listed = await open(store, 'cli').jobs({ limit: 2 });
    expect(listed.map((each) => each.job)).to.deep.equal(['claims-59', 'claims-58']);
    expect(reads).to.be.at.most(3);
    reads = 0;
    const failed = await open(store, 'cli').jobs({ states: ['failed'] });
    expect(failed.map((each) => each.job)).to.deep.equal(['claims-30', 'claims-0']);
    expect(reads).to.equal(2);
  });

  it('keeps a job closed when a slower process records an older state', async () => {
    const memory = new MemoryStore();
    await open(memory, 'a').recordJob(job({ state: 'submitted' }));
    let isLate = true;
    const late = wrapStore(memory, {
      put: async (key, body, options) => {
        if (isLate) {
          isLate = false;
          await open(memory, 'b').recordJob(job({ state: 'succeeded', closedAt: T0 + 9 }));
        }
        return await memory.put(key, body, options);
      },
    });
    await open(late, 'c').recordJob(job({ state: 'running' }));
    expect((await open(memory, 'd').job('claims-1'))?.state).to.equal('succeeded');
  });

  describe('with many workers that count', () => {
    /** A store that counts reads, and a clock. */
    async function grid(writers: number) {
      const memory = new MemoryStore();
      const [asked, time] = [{ reads: 0 }, { now: 0 }];
      const store = wrapStore(memory, {
        read: (key, options) => {
          asked.reads += 1;
          return memory.read(key, options);
        },
      });
      const clock = { now: () => T0 + time.now, monotonic: () => time.now };
      const worker = (writer: string, at: ObjectStore = store): Ledger =>
        openStoreLedger({ store: at, writer, clock, shares: true });
      await open(store, 'cli').recordJob(job());
      const ledgers = Array.from({ length: writers }, (_, n) => worker(`w${n}`));
      const work = (round: number): Promise<unknown> =>
        Promise.all(
          ledgers.map((ledger, n) => ledger.record([event('done', round * writers + n, { worker: `w${n}` })])),
        );
      const done = async (ledger: Ledger, exact = false) => (await ledger.counts('claims-1', { exact }))[0]?.done;
      return { memory, asked, time, store, worker, ledgers, work, done };
    }

    it('puts the records of many short tasks by time, not by task', async () => {
      const { memory } = await grid(0);
      let puts = 0;
      const store = wrapStore(memory, {
        put: (key, body, options) => {
          puts += 1;
          return memory.put(key, body, options);
        },
      });
      const ledger = openStoreLedger({ store, writer: 'w', shares: true });
      const log = { info: () => undefined, warn: () => undefined };
      const recorder = new Recorder({ ledger: async () => ledger, log, onError: () => undefined });
      const began = performance.now();
      const recorded: Promise<void>[] = [];
      for (let task = 0; task < 100; task += 1) {
        recorded.push(recorder.record(event('done', task, { worker: 'w' })));
        await wait(10);
      }
      await Promise.all(recorded);
      // One at once, and then one in each half second.
      expect(puts).to.be.at.most(1 + Math.ceil((performance.now() - began) / 500));
      expect((await ledger.counts('claims-1', { exact: true }))[0]?.done).to.equal(100);
    });

    it('lets one worker at a time count for all, however many there are', async () => {
      const { asked, time, ledgers, work, done } = await grid(200);
      await work(0);
      asked.reads = 0;
      expect(await done(ledgers[0] as Ledger)).to.equal(200);
      const alone = asked.reads;
      for (const ledger of ledgers) expect(await done(ledger)).to.equal(200);
      // Each reads what the first one found; counting by itself, each would have read two hundred objects.
      expect(asked.reads - alone).to.be.at.most(4 * 200);
      await work(1);
      asked.reads = 0;
      time.now += 30_000;
      const found = [];
      for (const ledger of ledgers) found.push(await done(ledger));
      // The first one counts again; no count is older than the others'.
      expect(found.at(-1)).to.equal(400);
      expect(asked.reads).to.be.at.most(200 + 4 * 200);
    });

    it('counts exactly if exact counts are requested, and if few workers write', async () => {
      const many = await grid(60);
      await many.work(0);
      expect(await many.done(many.ledgers[0] as Ledger)).to.equal(60);
      await many.work(1);
      expect(await many.done(many.ledgers[1] as Ledger)).to.equal(60);
      expect(await many.done(many.ledgers[1] as Ledger, true)).to.equal(120);
      const few = await grid(20);
      for (const round of [0, 1, 2]) {
        await few.work(round);
        for (const ledger of few.ledgers) expect(await few.done(ledger)).to.equal(20 * (round + 1));
      }
    });

    it('skips a worker that dies in its turn', async () => {
      const { memory, time, store, worker, ledgers, work, done } = await grid(60);
      await work(0);
      expect(await done(ledgers[0] as Ledger)).to.equal(60);
      const later = worker('later');
      await done(later);
      await work(1);
      // Its turn is taken, and nothing follows.
      let dies = false;
      const dying = wrapStore(store, {
        list: (prefix, options) => {
          if (dies) throw new Error('killed');
          return memory.list(prefix, options);
        },
      });
      const dead = worker('dead', dying);
      await done(dead);
      time.now += 6_000;
      dies = true;
      expect(await rejection(done(dead))).to.have.property('message', 'killed');
      expect(await done(later)).to.equal(60);
      time.now += 6_000;
      expect(await done(later)).to.equal(120);
    });

    it('lets one worker at a time read all heartbeats, and uses no old reading', async () => {
      const { asked, time, ledgers } = await grid(100);
      const sign = (n: number): LedgerWorker => ({
        ...{ worker: `w${n}`, group: 'default', host: 'h', pid: 1, version: '1', slots: 1, memory: 1, disk: 1 },
        ...{ done: 0, failed: 0, startedAt: T0, seenAt: T0 + time.now, state: 'busy', busy: [`claims-1/one/${n}`] },
      });
      const beat = async (count: number): Promise<readonly number[]> => {
        for (const [n, ledger] of ledgers.entries()) if (n < count) await ledger.heartbeat(sign(n));
        asked.reads = 0;
        const since = T0 + time.now - 480_000;
        const seen = [];
        for (const ledger of ledgers.slice(0, count)) seen.push((await ledger.workers({ since, shared: true })).length);
        return seen;
      };
      expect(new Set(await beat(100))).to.deep.equal(new Set([100]));
      expect(asked.reads, 'by itself each would read a hundred').to.be.at.most(100 + 2 * 100);
      time.now += 40_000;
      expect((await beat(100)).at(-1)).to.equal(100);
      expect(asked.reads).to.be.at.most(100 + 2 * 100);
      // Hours later, as others begin: half of them, so that the number says whose heartbeats these are.
      time.now += 4 * 3_600_000;
      expect(new Set(await beat(50))).to.deep.equal(new Set([50]));
      expect((await ledgers[0]?.workers({ since: T0 }))?.length, 'all are read where it is not shared').to.equal(100);
    });

    it('leaves nothing behind once the job is forgotten', async () => {
      const { memory, ledgers, work, done } = await grid(60);
      await work(0);
      for (const ledger of ledgers.slice(0, 3)) await done(ledger);
      await (ledgers[0] as Ledger).forget('claims-1');
      const left: string[] = [];
      for await (const key of memory.keys('ledger/tasks/')) left.push(key);
      expect(left).to.deep.equal(['ledger/tasks/claims-1/sums/pruned.json']);
    });
  });
});
