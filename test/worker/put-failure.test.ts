// Protects: a task counts as bad input only if its program failed in all attempts, on two workers; a failure is recorded
// once, under its round, with what people and later attempts read of it.
import { expect } from 'chai';
import { causeText, type Failure } from '../../src/model/failure.ts';
import { begunKey, failedKey, isBegunKey, tryKey } from '../../src/model/keys.ts';
import { isBadInput, putFailure } from '../../src/worker/put-failure.ts';
import { viewOf } from '../model/job-of.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { makeContext, makePlatform, makeTask } from './worker-context.ts';

const TASK = makeTask(viewOf([]), { round: 1 });
const AT = [TASK.message.job, TASK.message.step, TASK.message.task] as const;

describe('the verdict bad input', () => {
  it('is given to a task whose attempts are used up on two workers, and to no other', async () => {
    const store = new MemoryStore();
    const storeTry = (round: number, attempt: string, worker: string): Promise<unknown> =>
      store.put(tryKey(...AT, round, attempt), JSON.stringify({ format: 1, worker, reason: 'exit' }));
    /** The verdict on the last one of `attempts`, of at most `limit`, which worker `here` ran. */
    const isBad = ({
      attempts = 3,
      limit = 3,
      here = 'w-1',
      ...failure
    }: Partial<Failure> & { attempts?: number; limit?: number; here?: string | null } = {}) =>
      isBadInput(
        store,
        { ...TASK, step: { ...TASK.step, attempts: limit } },
        { attempts, failure: { reason: 'exit', exitCode: 1, error: null, ...failure }, here },
      );
    await storeTry(0, 'a', 'w-9');
    await storeTry(1, 'b', 'w-1');
    await store.put(begunKey(...AT, 1, 'c'), '');
    expect(await isBad(), 'on one worker').to.equal(false);
    expect(await isBad({ here: null }), 'on one worker, and not here').to.equal(false);
    expect(await isBad({ here: 'w-2' })).to.equal(true);
    await storeTry(1, 'd', 'w-2');
    expect(await isBad()).to.equal(true);
    expect(await isBad({ here: null })).to.equal(true);
    expect(await isBad({ attempts: 2 }), 'one attempt is left').to.equal(false);
    expect(await isBad({ attempts: 1, limit: 1 }), 'the only attempt').to.equal(false);
    for (const reason of ['killed', 'changed', 'missing', 'kills-workers'])
      expect(await isBad({ reason }), reason).to.equal(false);
    for (const error of [
      'connect ETIMEDOUT 203.0.113.7:443',
      'curl: (28) Connection timed out after 10001 milliseconds',
      'curl: (28) Operation timed out after 5000 milliseconds with 0 bytes received',
      'requests.exceptions.ReadTimeout: HTTPSConnectionPool(host=x): Read timed out. (read timeout=5)',
      'Error: read ECONNRESET',
      'dial tcp 203.0.113.7:443: i/o timeout',
      'net/http: TLS handshake timeout',
      'HTTP 503 Service Unavailable',
      'getaddrinfo EAI_AGAIN rates.example.com',
    ])
      expect(await isBad({ error }), error).to.equal(false);
    for (const error of ['row 503: not a number', 'timed out in row 7', 'not an amount: 2,US,3;10', 'exit code 502'])
      expect(await isBad({ error }), error).to.equal(true);
  });
});

describe('the record of a failure', () => {
  const failure = { reason: 'exit', exitCode: 3, error: 'no rate' } as const;
  const any = makeTask({ ...viewOf([]), next: 5 }, { task: 7, round: 2 });
  const task = { ...any, step: { ...any.step, attempts: 2 } };
  const { job, step } = task.message;
  const [startedAt, endedAt] = [Date.UTC(2026, 10, 30, 6), Date.UTC(2026, 10, 30, 7)];
  const failing = { task, attempt: 'b', number: 2, startedAt, endedAt } as const;
  const facts = {
    ...{ format: 1, ...failure, number: 2, worker: 'w', entries: task.view.next },
    ...{ startedAt: '2026-11-30T06:00:00.000Z', endedAt: '2026-11-30T07:00:00.000Z' },
    cause: causeText({ step, ...failure }),
  };

  /** What is stored under the keys of this task. */
  async function recordsOf(store: MemoryStore): Promise<Readonly<Record<string, object>>> {
    const found: Record<string, object> = {};
    for await (const { key } of store.list(''))
      if (!isBegunKey(key)) found[key] = JSON.parse(String(Buffer.from((await store.read(key)) ?? [])));
    return found;
  }

  it('is under the task, its round and the attempt while it is retried, and is written once', async () => {
    const store = new MemoryStore();
    const ctx = makeContext(makePlatform({ store }));
    const outcome = { kind: 'retry', failure, delay: 1 } as const;
    await putFailure(ctx, { ...failing, outcome, wholeRecords: true });
    await putFailure(ctx, { ...failing, outcome, number: 9 });
    expect(await recordsOf(store)).to.deep.equal({
      [tryKey(job, step, 7, 2, 'b')]: { ...facts, attempt: 'b', wholeRecords: true },
    });
  });

  it('is under the task and its round once it failed for good, and says if its input is the likely cause', async () => {
    for (const [attempt, first, expected] of [
      ['b', 'w', {}],
      ['b', 'w-9', { badInput: true }],
      [null, 'w-9', {}],
    ] as const) {
      const store = new MemoryStore();
      const ctx = makeContext(makePlatform({ store }));
      const tried = tryKey(job, step, 7, 2, 'a');
      await store.put(tried, JSON.stringify({ ...facts, attempt: 'a', worker: first }));
      await store.put(begunKey(job, step, 7, 2, 'c'), JSON.stringify({ ...facts, worker: 'w-8' }));
      const attempts = task.step.attempts;
      await putFailure(ctx, { ...failing, attempt, outcome: { kind: 'failed', failure, attempts } });
      const { [tried]: _, ...records } = await recordsOf(store);
      expect(records, String(attempt)).to.deep.equal({
        [failedKey(job, step, 7, 2)]: { ...facts, attempt: attempt ?? 'none', ...expected },
      });
    }
  });
});
