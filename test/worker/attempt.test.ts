// Protects: an attempt runs the code and for the time that its step says, reveals no secret, and charges no task for a
// missing permission.
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { tryKey } from '../../src/model/keys.ts';
import { encodeMessage } from '../../src/model/message.ts';
import type { JobView } from '../../src/model/view.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { admit } from '../../src/worker/admit.ts';
import { type AttemptResult, runAttempt } from '../../src/worker/attempt.ts';
import { Denials } from '../../src/worker/denials.ts';
import type { Command, CommandEnd } from '../../src/worker/executor.ts';
import { JobCache } from '../../src/worker/job-cache.ts';
import type { EndReason } from '../../src/worker/outcome.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { delivered } from '../support/claims-job.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { forEachTest } from '../support/fixture.ts';
import { wrapStore } from '../support/wrap-store.ts';

const YAML = `
name: claims
files: [price.sh]
input: { split: { by: range, from: 1, to: 2 } }
steps:
  - { name: price, run: [cat], timeout: 60 }
`;

describe('an attempt', () => {
  const place = forEachTest(openPlace);
  let view: JobView;
  let clock: FakeClock;
  beforeEach(async () => {
    view = await submitJob(place, YAML, { 'price.sh': 'cat\n' });
    clock = new FakeClock();
  });

  const EXIT: CommandEnd = {
    ...{ how: 'exit', code: 0, signal: null, seconds: 1, cpuSeconds: null, peakMemory: null, strays: 0 },
  };
  const SECRET = 'hunter2-of-the-desk';

  /** One attempt; `run` is what its command does. Staging takes 25 seconds, waiting for secrets 100. */
  async function tried(
    run: (command: Command) => CommandEnd,
    {
      store = place.platform.store,
      receiveCount = 1,
      signal = new AbortController().signal,
    }: { store?: Platform['store']; receiveCount?: number; signal?: AbortSignal } = {},
  ): Promise<AttemptResult['outcome']> {
    const platform = { ...place.platform, store, clock };
    const body = encodeMessage({ job: view.record.job, step: 'price', task: 0, round: 0 });
    const jobs = new JobCache(place.platform.store, 1e9);
    const at = { group: 'default', now: Date.now() };
    const task = await admit(place.platform.store, jobs, { ...delivered(body), receiveCount }, at);
    if (task.kind !== 'admitted') throw new Error('not admitted');
    const ctx = {
      ...{
        platform,
        worker: 'w',
        jobs: new JobCache(store, 1e9),
        graceMs: 1,
        log: { warn: () => undefined },
        denials: new Denials(),
      },
      ...{
        scratch: join(place.directory, '.batchctl', 'tmp', 'w'),
        secrets: {
          read: async () => {
            clock.pass(100);
            return { TOKEN: SECRET };
          },
        },
      },
      executor: { run: async (_: number, command: Command) => run(command) },
      passed: (point: string) => point === 'stage' && clock.pass(25),
    };
    await jobs.get(view.record.job);
    const { outcome } = await runAttempt(ctx as never, task, {
      ...{ attempt: 'a', slot: 0, group: 'default', leaseSeconds: 15, signal },
      code: { copyInto: async () => undefined } as never,
    });
    return outcome;
  }

  it('gives its command the time left after staging, however long its secrets took, and records which code ran', async () => {
    let given = 0;
    const outcome = await tried(({ timeoutMs, stdout }) => {
      given = timeoutMs;
      writeFileSync(stdout, 'x\n');
      return EXIT;
    });
    expect(given).to.equal(35_000);
    expect(outcome.kind).to.equal('published');
    expect(view.record.code).to.match(/^[0-9a-f]{64}$/);
    expect(outcome).to.have.nested.property('meta.code', view.record.code);
  });

  it('shows no secret, wherever its command wrote it', async () => {
    const counted = await tried(({ env, stdout }) => {
      writeFileSync(stdout, 'x\n');
      writeFileSync(env.BATCHCTL_COUNTERS ?? '', `${SECRET} rows\n`);
      return EXIT;
    });
    expect(counted.kind).to.equal('retry');
    expect(JSON.stringify(counted)).to.include('****').and.not.include(SECRET);
    const failed = await tried(({ stderr }) => {
      appendFileSync(stderr, `no such user: ${SECRET}\n`);
      return { ...EXIT, code: 1 };
    });
    expect(failed).to.have.nested.property('failure.error', 'no such user: ****');
    const stored = await place.platform.store.read(tryKey(view.record.job, 'price', 0, 0, 'a'));
    expect(String(Buffer.from(stored ?? [])))
      .to.include('****')
      .and.not.include(SECRET);
  });

  it("whose failure can't be written has none: its task is returned, or ends with its original outcome", async () => {
    const store = wrapStore(place.platform.store, {
      put: (key, body, options) =>
        /\/(tries|failed)\//.test(key)
          ? Promise.reject(new BatchctlError('unavailable', 'AWS limits the request rate'))
          : place.platform.store.put(key, body, options),
    });
    const givenBack = { kind: 'interrupted', why: 'service', delay: 5 };
    process.env.BATCHCTL_TEST_PATIENCE_SECONDS = '0';
    try {
      expect(await tried(() => ({ ...EXIT, code: 1, seconds: 0 }), { store })).to.deep.equal(givenBack);
    } finally {
      delete process.env.BATCHCTL_TEST_PATIENCE_SECONDS;
    }
    const endedBy = (reason: EndReason): Promise<AttemptResult['outcome']> => {
      const end = new AbortController();
      const run = (): CommandEnd => {
        end.abort(reason);
        return { ...EXIT, how: 'aborted', code: 1 };
      };
      return tried(run, { store, signal: end.signal });
    };
    expect(await endedBy('killFail'), 'the journal tells the next worker').to.deep.equal(givenBack);
    const lost = new AbortController();
    const failing = wrapStore(store, {
      put: (key, body, options) => {
        lost.abort('lease' satisfies EndReason);
        return store.put(key, body, options);
      },
    });
    const outcome = await tried(() => ({ ...EXIT, code: 1 }), { store: failing, signal: lost.signal });
    expect(outcome).to.deep.equal({ kind: 'leaseLost' });
  });

  it('that may not read its input is returned once, because permissions take a while, and then names the missing one', async () => {
    const error = new BatchctlError('credentials', 'not allowed: s3:GetObject', { denied: 's3:GetObject on x' });
    const store = wrapStore(place.platform.store, {
      read: (key, options) =>
        key.includes('/parts/') ? Promise.reject(error) : place.platform.store.read(key, options),
    });
    const never = (): CommandEnd => expect.fail('it ran without its input');
    expect(await tried(never, { store })).to.deep.equal({ kind: 'interrupted', why: 'service', delay: 5 });
    expect(await tried(never, { store, receiveCount: 2 })).to.deep.equal({ kind: 'denied', error: error.message });
  });
});
