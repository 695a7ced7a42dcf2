// Protects: a task counts as bad input only if all its attempts failed, on two workers, as its program says.
import { expect } from 'chai';
import { begunKey, tryKey } from '../../src/model/keys.ts';
import { isBadInput } from '../../src/worker/put-failure.ts';
import { MemoryStore } from '../support/memory-store.ts';

const MESSAGE = { job: 'claims-20261130-0600-abcde', step: 'price', task: 0, round: 1 };
const AT = [MESSAGE.job, MESSAGE.step, MESSAGE.task] as const;

describe('the verdict bad input', () => {
  it('is given to a task whose attempts are used up on two workers, and to no other', async () => {
    const store = new MemoryStore();
    const failed = (round: number, attempt: string, worker: string): Promise<unknown> =>
      store.put(tryKey(...AT, round, attempt), JSON.stringify({ format: 1, worker, reason: 'exit' }));
    const isBad = (
      more: { attempts?: number; of?: number; reason?: string; here?: string | null; error?: string } = {},
    ) => {
      const { attempts = 3, of = 3, reason = 'exit', here = 'w-1', error = null } = more;
      const failure = { reason, exitCode: 1, error };
      return isBadInput(store, { message: MESSAGE, step: { attempts: of } } as never, { attempts, failure, here });
    };
    await failed(0, 'a', 'w-9');
    await failed(1, 'b', 'w-1');
    await store.put(begunKey(...AT, 1, 'c'), '');
    expect(await isBad(), 'on one worker').to.equal(false);
    expect(await isBad({ here: null }), 'on one worker, and not here').to.equal(false);
    expect(await isBad({ here: 'w-2' })).to.equal(true);
    await failed(1, 'd', 'w-2');
    expect(await isBad()).to.equal(true);
    expect(await isBad({ here: null })).to.equal(true);
    expect(await isBad({ attempts: 2 }), 'not all').to.equal(false);
    expect(await isBad({ attempts: 1, of: 1 }), "one doesn't say so").to.equal(false);
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
