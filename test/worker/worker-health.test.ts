// Protects: a machine that fails tasks which succeed elsewhere is detected, and is not blamed for a bad job.
import { expect } from 'chai';
import type { StepCounts } from '../../src/ports/ledger.ts';
import type { SettleItem } from '../../src/worker/settle.ts';
import { WorkerHealth } from '../../src/worker/worker-health.ts';

type Noted = Pick<SettleItem, 'outcome' | 'task'>;

/** What a worker learns about a task; of its message only the names matter. */
function noted(kind: 'published' | 'retry', job: string, step: string): Noted {
  return { outcome: { kind }, task: { message: { job, step } } } as Noted;
}

describe('a machine’s health', () => {
  const MAX = 5;
  let counts: Record<string, Pick<StepCounts, 'done' | 'failed' | 'retried'>>;
  let health: WorkerHealth;
  let reads: number;

  beforeEach(() => {
    counts = { price: { done: 0, failed: 0, retried: 0 }, convert: { done: 0, failed: 0, retried: 0 } };
    reads = 0;
    health = new WorkerHealth(MAX, async () => ({
      counts: async () => {
        reads += 1;
        return Object.entries(counts).map(([step, count]) => ({ step, ...count }) as StepCounts);
      },
    }));
  });

  const fails = async (step: string, times: number, job = 'a'): Promise<string | null> => {
    let last: string | null = null;
    for (let n = 0; n < times; n += 1) {
      const count = counts[step];
      if (count !== undefined) counts[step] = { ...count, retried: count.retried + 1 };
      expect(health.note(noted('retry', job, step))).to.equal(true);
      last = (await health.verdict())?.message ?? null;
    }
    return last;
  };
  const doneElsewhere = (step: string, done: number, retried = 0): void => {
    const count = counts[step];
    if (count !== undefined) counts[step] = { ...count, done: count.done + done, retried: count.retried + retried };
  };

  it('is bad if a step fails here and succeeds elsewhere, whatever other steps do here', async () => {
    for (let n = 1; n < MAX; n += 1) {
      expect(await fails('convert', 1)).to.equal(null);
      expect(health.note(noted('published', 'a', 'price'))).to.equal(false);
      doneElsewhere('convert', 3);
    }
    expect(await fails('convert', 1)).to.equal(
      '5 attempts in a row failed on this worker, while elsewhere 12 tasks of a/convert succeeded and 0 attempts failed (--max-failures)',
    );
  });

  it('is bad if several steps fail here without a success in between, even if each alone is below the limit', async () => {
    expect(await fails('price', 3)).to.equal(null);
    doneElsewhere('price', 4);
    expect(await fails('convert', 1)).to.equal(null);
    doneElsewhere('convert', 4);
    expect(await fails('convert', 1)).to.match(/^5 attempts .* 8 tasks of a\/price, a\/convert/);
  });

  it('starts over once a task of the step is done here', async () => {
    await fails('convert', MAX - 1);
    doneElsewhere('convert', 20);
    expect(health.note(noted('published', 'a', 'convert'))).to.equal(false);
    expect(await fails('convert', MAX - 1)).to.equal(null);
  });

  it('is not to blame if others fail too, or if there are no others', async () => {
    await fails('convert', 1);
    expect(await fails('convert', 2 * MAX)).to.equal(null);
    doneElsewhere('convert', 20, 11);
    expect(await fails('convert', 1)).to.equal(null);
    // The same, except for the failures elsewhere.
    doneElsewhere('convert', 2);
    expect(await fails('convert', 1)).to.match(/22 tasks of a\/convert succeeded and 11 attempts failed/);
  });

  it('queries the ledger once when a step begins to fail, and then only about one that fails too often', async () => {
    for (let job = 0; job < 300; job += 1) {
      await fails('convert', 1, `job-${job}`);
      health.note(noted('published', `job-${job}`, 'price'));
    }
    expect(reads).to.equal(300);
  });

  it('counts from the time when the ledger answers, if it could not be read before', async () => {
    let away = true;
    health = new WorkerHealth(2, async () => {
      if (away) throw new Error('away');
      return { counts: async () => [{ step: 'convert', ...counts.convert } as StepCounts] };
    });
    doneElsewhere('convert', 100);
    expect(await fails('convert', 2)).to.equal(null);
    away = false;
    expect(await fails('convert', 1)).to.equal(null);
    doneElsewhere('convert', 2);
    expect(await fails('convert', 1)).to.match(/4 attempts .* 2 tasks of a\/convert/);
  });
});
