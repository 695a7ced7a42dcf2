// Protects: a task counts as bad input only if its program failed in all attempts, on two workers.
import { expect } from 'chai';
import type { Failure } from '../../src/model/failure.ts';
import { begunKey, tryKey } from '../../src/model/keys.ts';
import { isBadInput } from '../../src/worker/put-failure.ts';
import { viewOf } from '../model/job-of.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { makeTask } from './worker-context.ts';

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
