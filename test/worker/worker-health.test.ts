// Protects: a machine that fails tasks which succeed elsewhere is detected, and is not blamed for a bad job.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import type { StepCounts } from '../../src/model/ledger/records.ts';
import type { Outcome } from '../../src/worker/outcome.ts';
import type { SettleItem } from '../../src/worker/settle.ts';
import { OutcomeTally, WorkerHealth } from '../../src/worker/worker-health.ts';
import { metaWith } from '../jobs/published-job.ts';
import { viewOf } from '../model/job-of.ts';
import { countsOf } from '../support/step-counts.ts';
import { makeItem, makeTask } from './worker-context.ts';

const TASK = makeTask(viewOf([]));
const PUBLISHED: Outcome = { kind: 'published', meta: metaWith(TASK.message, 1, 'sha256:0') };
const FAILED: Outcome = { kind: 'retry', failure: { reason: 'exit', exitCode: 1, error: null }, delay: 1 };

function itemOf(outcome: Outcome, job: string, step: string): SettleItem {
  return makeItem({ ...TASK, message: { ...TASK.message, job, step } }, outcome);
}

describe('a machine’s health', () => {
  const MAX = 5;
  /** The ledger's counts of the steps. */
  let counts: Record<string, StepCounts>;
  let health: WorkerHealth;
  let reads: number;

  beforeEach(() => {
    counts = { price: countsOf('price'), convert: countsOf('convert') };
    reads = 0;
    health = new WorkerHealth(MAX, async () => ({
      counts: async () => {
        reads += 1;
        return Object.values(counts);
      },
    }));
  });

  /** Attempts of the step fail here; returns the last verdict. */
  const failHere = async (step: string, times: number, job = 'a'): Promise<string | null> => {
    let last: string | null = null;
    for (let n = 0; n < times; n += 1) {
      const count = counts[step];
      if (count !== undefined) counts[step] = { ...count, retried: count.retried + 1 };
      expect(health.note(itemOf(FAILED, job, step))).to.equal(true);
      last = (await health.verdict())?.message ?? null;
    }
    return last;
  };
  /** Tasks of the step succeed on other workers, after this many failed attempts. */
  const doElsewhere = (step: string, done: number, retried = 0): void => {
    const count = counts[step];
    if (count !== undefined) counts[step] = { ...count, done: count.done + done, retried: count.retried + retried };
  };

  it('is bad if a step fails here and succeeds elsewhere, whatever other steps do here', async () => {
    for (let n = 1; n < MAX; n += 1) {
      expect(await failHere('convert', 1)).to.equal(null);
      expect(health.note(itemOf(PUBLISHED, 'a', 'price'))).to.equal(false);
      doElsewhere('convert', 3);
    }
    expect(await failHere('convert', 1)).to.equal(
      '5 attempts in a row failed on this worker, while elsewhere 12 tasks of a/convert succeeded and 0 attempts failed (--max-failures)',
    );
  });

  it('is bad if several steps fail here without a success in between, even if each alone is below the limit', async () => {
    expect(await failHere('price', 3)).to.equal(null);
    doElsewhere('price', 4);
    expect(await failHere('convert', 1)).to.equal(null);
    doElsewhere('convert', 4);
    expect(await failHere('convert', 1)).to.match(/^5 attempts .* 8 tasks of a\/price, a\/convert/);
  });

  it('starts over once a task of the step is done here', async () => {
    await failHere('convert', MAX - 1);
    doElsewhere('convert', 20);
    expect(health.note(itemOf(PUBLISHED, 'a', 'convert'))).to.equal(false);
    expect(await failHere('convert', MAX - 1)).to.equal(null);
  });

  it('is not to blame if others fail too, or if there are no others', async () => {
    await failHere('convert', 1);
    expect(await failHere('convert', 2 * MAX)).to.equal(null);
    doElsewhere('convert', 20, 11);
    expect(await failHere('convert', 1)).to.equal(null);
    // The same, except for the failures elsewhere.
    doElsewhere('convert', 2);
    expect(await failHere('convert', 1)).to.match(/22 tasks of a\/convert succeeded and 11 attempts failed/);
  });

  it('queries the ledger once when a step begins to fail, and then only about one that fails too often', async () => {
    for (let job = 0; job < 300; job += 1) {
      await failHere('convert', 1, `job-${job}`);
      health.note(itemOf(PUBLISHED, `job-${job}`, 'price'));
    }
    expect(reads).to.equal(300);
  });

  it('counts from the time when the ledger answers, if it could not be read before', async () => {
    let away = true;
    health = new WorkerHealth(2, async () => {
      if (away) throw new Error('away');
      return { counts: async () => Object.values(counts) };
    });
    doElsewhere('convert', 100);
    expect(await failHere('convert', 2)).to.equal(null);
    away = false;
    expect(await failHere('convert', 1)).to.equal(null);
    doElsewhere('convert', 2);
    expect(await failHere('convert', 1)).to.match(/4 attempts .* 2 tasks of a\/convert/);
  });
});

describe("a worker's tally of outcomes", () => {
  const refusedBy = (error: Error): Outcome => ({ kind: 'interrupted', why: 'service', delay: 5, error });
  const REFUSED = refusedBy(new BatchctlError('unavailable', 'the store is away'));

  it('gives up after three refusals in a row by the store, between which nothing was written', () => {
    for (const written of [FAILED, PUBLISHED]) {
      const tally = new OutcomeTally(null, 0);
      const noted = [REFUSED, REFUSED, written, REFUSED, REFUSED].map((outcome, at) => tally.note(outcome, at));
      expect(noted, written.kind).to.deep.equal([null, null, null, null, null]);
      expect(tally.note(REFUSED, 9)).to.include({ kind: 'unavailable' });
    }
  });

  it('says what the store said last, and does not wait for a disk that is full', () => {
    const tally = new OutcomeTally(null, 1e6);
    for (const at of [1, 2]) tally.note(REFUSED, at);
    const reason = tally.note(refusedBy(new BatchctlError('full', 'no space on /data')), 3);
    expect(reason).to.include({
      kind: 'full',
      message: 'the store rejected 3 attempts in a row: no space on /data',
    });
  });

  it('waits as long as it is told before it gives up', () => {
    const tally = new OutcomeTally(null, 100);
    expect([0, 1, 2, 99].map((at) => tally.note(REFUSED, at))).to.deep.equal([null, null, null, null]);
    expect(tally.note(REFUSED, 100)).to.include({ kind: 'unavailable' });
  });
});
