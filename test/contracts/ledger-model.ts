import Big from 'big.js';
import { expect } from 'chai';
import fc from 'fast-check';
import type { AttemptEvent, AttemptOutcome, TaskState } from '../../src/model/ledger/records.ts';
import { event, readCounts, T0 } from './ledger-events.ts';
import type { LedgerPlace } from './ledger-place.ts';

const ENDS = ['interrupted', 'failedAttempt', 'failed', 'done'] as const;

/** Histories of attempts of a few tasks: a start and usually an end each, in order and without duplicates. */
const histories = fc
  .array(
    fc.record({
      task: fc.integer({ min: 0, max: 4 }),
      round: fc.integer({ min: 0, max: 2 }),
      number: fc.integer({ min: 1, max: 3 }),
      end: fc.constantFrom('none' as const, ...ENDS),
      started: fc.integer({ min: 0, max: 9 }),
      lasted: fc.integer({ min: 0, max: 9 }),
      bytesIn: fc.integer({ min: 0, max: 1000 }),
      amount: fc.integer({ min: -999, max: 999 }),
    }),
    { maxLength: 14 },
  )
  .map((attempts) =>
    attempts.flatMap(({ task, end, started, lasted, bytesIn, amount, ...more }, index): AttemptEvent[] => {
      const facts = { ...more, attempt: `a${index}`, startedAt: T0 + started };
      const start = event('running', task, facts);
      if (end === 'none') return [start];
      const counters = { amount: Big(amount).div(100).toFixed() };
      return [start, event(end, task, { ...facts, endedAt: T0 + started + lasted, bytesIn, counters })];
    }),
  );

/** A history as it may arrive: shuffled, partly duplicated, in flushes of two writers. */
const arrivals = histories.chain((events) =>
  fc.record({
    doubled: fc.shuffledSubarray(events),
    events: fc.constant(events),
    order: fc.array(fc.nat(), { minLength: events.length * 2, maxLength: events.length * 2 }),
    flushes: fc.array(fc.record({ writer: fc.constantFrom(0, 1), size: fc.integer({ min: 1, max: 9 }) }), {
      minLength: 28,
      maxLength: 28,
    }),
  }),
);

type Arrival = typeof arrivals extends fc.Arbitrary<infer Value> ? Value : never;

interface Expected {
  states: Map<number, TaskState>;
  retried: number;
  interrupted: number;
  bytesIn: number;
  millis: number;
  amount: string;
}

/** The model: computes the result from all events of a task at once. */
function expectedOf(events: readonly AttemptEvent[]): Expected {
  const expected: Expected = { states: new Map(), retried: 0, interrupted: 0, bytesIn: 0, millis: 0, amount: '0' };
  const ended = (outcome: AttemptOutcome, of: readonly AttemptEvent[]) => of.filter((each) => each.outcome === outcome);
  expected.retried = ended('failedAttempt', events).length;
  expected.interrupted = ended('interrupted', events).length;
  for (const task of new Set(events.map((each) => each.task))) {
    const ofTask = events.filter((each) => each.task === task);
    const round = Math.max(...ofTask.map((each) => each.round));
    const last = ofTask.filter((each) => each.round === round);
    const winner = ended('done', ofTask).sort(
      (a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0) || (a.attempt < b.attempt ? -1 : 1),
    )[0];
    if (winner !== undefined) {
      expected.states.set(task, 'done');
      expected.bytesIn += winner.bytesIn ?? 0;
      expected.millis += (winner.endedAt ?? 0) - winner.startedAt;
      expected.amount = Big(expected.amount)
        .plus(winner.counters.amount ?? '0')
        .toFixed();
    } else if (ended('failed', last).length > 0) expected.states.set(task, 'failed');
    else {
      const rank = (a: AttemptEvent): string => `${a.number} ${a.startedAt} ${a.attempt}`;
      const latest = [...last].sort((a, b) => (rank(a) < rank(b) ? 1 : -1))[0];
      const isOver = last.some((each) => each.attempt === latest?.attempt && each.outcome !== 'running');
      expected.states.set(task, isOver ? 'waiting' : 'running');
    }
  }
  return expected;
}

/** Events in any order, with duplicates, from two writers: the counts must equal those of the model. */
export function ledgerModelContract(createPlace: () => Promise<LedgerPlace>, histories: number): void {
  it('has the same counts whatever the order, duplicates and writers of its events', async () => {
    const place = await createPlace();
    // Each history is a job of its own: connecting anew for each would take longer than what is tested.
    const writers = [await place.open('w1'), await place.open('w2')] as const;
    let jobs = 0;
    const check = async ({ events, doubled, order, flushes }: Arrival): Promise<void> => {
      jobs += 1;
      const job = `claims-${jobs}`;
      const arriving = [...events, ...doubled]
        .map((each, index) => ({ each: { ...each, job }, at: order[index] ?? 0 }))
        .sort((a, b) => a.at - b.at)
        .map(({ each }) => each);
      for (const { writer, size } of flushes) await writers[writer].record(arriving.splice(0, size));
      await writers[0].record(arriving);
      const expected = expectedOf(events);
      const found = await writers[1].tasks(job, { limit: 100 });
      const count = (state: TaskState): number => [...expected.states.values()].filter((each) => each === state).length;
      expect(new Map(found.map((each) => [each.task, each.state]))).to.deep.equal(expected.states);
      if (events.length === 0) return;
      expect(await readCounts(writers[1], job)).to.deep.include({
        running: count('running'),
        done: count('done'),
        failed: count('failed'),
        retried: expected.retried,
        interrupted: expected.interrupted,
        bytesIn: expected.bytesIn,
        seconds: expected.millis / 1000,
        counters: count('done') === 0 ? {} : { amount: expected.amount },
      });
    };
    try {
      await fc.assert(fc.asyncProperty(arrivals, check), { numRuns: histories });
    } finally {
      await place.end();
    }
    // Thousands of transactions take a while on a busy machine.
  }).timeout(900_000);
}
