// Protects: an attempt runs its job's code for the time that its step allows, reveals no secret, and uses up no attempt
// for a missing permission.
import { appendFileSync, renameSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { logKey, tryKey } from '../../src/model/keys.ts';
import type { JobView } from '../../src/model/view.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { type AttemptResult, runAttempt } from '../../src/worker/attempt.ts';
import type { Command, CommandEnd } from '../../src/worker/executor.ts';
import type { EndReason } from '../../src/worker/outcome.ts';
import { SecretReader } from '../../src/worker/secrets.ts';
import { createShellExecutor } from '../../src/worker/shell-executor.ts';
import { prepareSlotDirectory } from '../../src/worker/slot-directory.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { forEachTest } from '../support/fixture.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { endOf, makeAttemptOptions, makeContext, makeTask } from './worker-context.ts';

/** Bytes: a quarter of an hour to read. */
const HUGE = 2 ** 40;
const YAML = `
name: claims
files: [price.sh]
input: { split: { by: range, from: 1, to: 2 } }
steps:
  - { name: price, run: [cat], timeout: 60, secrets: { TOKEN: "ssm:/token" } }
`;

describe('an attempt', () => {
  const place = forEachTest(openPlace);
  let view: JobView;
  let clock: FakeClock;
  beforeEach(async () => {
    view = await submitJob(place, YAML, { 'price.sh': 'cat\n' });
    clock = new FakeClock();
  });

  const scratch = (): string => join(place.directory, '.batchctl', 'tmp', 'w');
  const EXIT = endOf();
  const FAILS = endOf({ code: 1 });
  const RETURNED = { kind: 'interrupted', why: 'service', delay: 5 };
  const SECRET = 'hunter2-of-the-desk';

  /** One attempt, whose command is `run`. Staging takes 25 seconds, waiting for secrets 100. */
  async function runOnce(
    run: (command: Command) => CommandEnd,
    {
      store = place.platform.store,
      receiveCount = 1,
      signal = new AbortController().signal,
    }: { store?: Platform['store']; receiveCount?: number; signal?: AbortSignal } = {},
  ): Promise<AttemptResult['outcome']> {
    const readSecret = async (): Promise<string> => {
      clock.pass(100);
      return SECRET;
    };
    const ctx = makeContext(
      { ...place.platform, store, clock },
      {
        executor: { run: async (_slot, command) => run(command), close: async () => undefined },
        passed: (point) => point === 'stage' && clock.pass(25),
        scratch: scratch(),
        secrets: new SecretReader({ source: { read: readSecret } }),
      },
    );
    const task = makeTask(view);
    const delivery = { ...task.delivery, receiveCount };
    const { outcome } = await runAttempt(ctx, { ...task, delivery }, makeAttemptOptions(ctx, { signal }));
    return outcome;
  }

  it('gives its command the time that staging left, however long its secrets took, and records which code ran', async () => {
    let timeLeft = 0;
    const outcome = await runOnce(({ timeoutMs, stdout }) => {
      timeLeft = timeoutMs;
      writeFileSync(stdout, 'x\n');
      return EXIT;
    });
    expect(timeLeft).to.equal(35_000);
    expect(outcome.kind).to.equal('published');
    expect(view.record.code).to.match(/^[0-9a-f]{64}$/);
    expect(outcome).to.have.nested.property('meta.code', view.record.code);
  });

  it('reveals no secret, wherever its command writes it', async () => {
    const miscounted = await runOnce(({ env, stdout }) => {
      writeFileSync(stdout, 'x\n');
      writeFileSync(env.BATCHCTL_COUNTERS ?? '', `${SECRET} rows\n`);
      return EXIT;
    });
    expect(miscounted.kind).to.equal('retry');
    expect(JSON.stringify(miscounted)).to.include('****').and.not.include(SECRET);
    const failed = await runOnce(({ stderr }) => {
      appendFileSync(stderr, `no such user: ${SECRET}\n`);
      return FAILS;
    });
    expect(failed).to.have.nested.property('failure.error', 'no such user: ****');
    const stored = await place.platform.store.read(tryKey(view.record.job, 'price', 0, 0, 'a'));
    expect(String(Buffer.from(stored ?? [])))
      .to.include('****')
      .and.not.include(SECRET);
  });

  it('uses up no attempt if its command fails while the disk is full', async () => {
    // The kernel reports a file system without any space.
    const outcome = await runOnce(() => {
      renameSync(scratch(), `${scratch()}-moved`);
      symlinkSync('/proc', scratch());
      return FAILS;
    });
    expect(outcome).to.deep.include(RETURNED);
    expect(await place.platform.store.read(tryKey(view.record.job, 'price', 0, 0, 'a'))).to.equal(null);
  });

  it('ends at once while a huge output is read', async () => {
    const end = new AbortController();
    const outcome = await runOnce(
      ({ stdout }) => {
        writeFileSync(stdout, '');
        truncateSync(stdout, HUGE);
        setImmediate(() => end.abort('lease' satisfies EndReason));
        return EXIT;
      },
      { signal: end.signal },
    );
    expect(outcome).to.deep.equal({ kind: 'leaseLost' });
  });

  it('never runs its command again because the store refuses what it made', async () => {
    let ran = 0;
    const store = wrapStore(place.platform.store, {
      uploadFile: () => Promise.reject(Object.assign(new Error('EPERM: operation not permitted'), { code: 'EPERM' })),
    });
    const outcome = await runOnce(
      ({ stdout }) => {
        ran += 1;
        writeFileSync(stdout, 'x\n');
        return EXIT;
      },
      { store },
    );
    expect(outcome).to.deep.include(RETURNED);
    expect(ran).to.equal(1);
  });

  it("returns its task if its failure can't be written, or ends as it was ended from outside", async () => {
    const store = wrapStore(place.platform.store, {
      put: (key, body, options) =>
        /\/(tries|failed)\//.test(key)
          ? Promise.reject(new BatchctlError('unavailable', 'AWS limits the request rate'))
          : place.platform.store.put(key, body, options),
    });
    process.env.BATCHCTL_TEST_PATIENCE_SECONDS = '0';
    try {
      expect(await runOnce(() => ({ ...FAILS, seconds: 0 }), { store })).to.deep.include(RETURNED);
    } finally {
      delete process.env.BATCHCTL_TEST_PATIENCE_SECONDS;
    }
    const abortedBy = (reason: EndReason): Promise<AttemptResult['outcome']> => {
      const end = new AbortController();
      const run = (): CommandEnd => {
        end.abort(reason);
        return { ...EXIT, how: 'aborted', code: 1 };
      };
      return runOnce(run, { store, signal: end.signal });
    };
    expect(await abortedBy('killFail'), 'the journal tells the next worker').to.deep.include(RETURNED);
    const lost = new AbortController();
    const failing = wrapStore(store, {
      put: (key, body, options) => {
        lost.abort('lease' satisfies EndReason);
        return store.put(key, body, options);
      },
    });
    const outcome = await runOnce(() => FAILS, { store: failing, signal: lost.signal });
    expect(outcome).to.deep.equal({ kind: 'leaseLost' });
  });

  it('keeps no log of an earlier attempt if its command never started', async () => {
    const scratch = join(place.directory, 'scratch');
    writeFileSync(prepareSlotDirectory(scratch, 0).stderr, 'the log of another job\n');
    const end = new AbortController();
    const executor = createShellExecutor({ slots: 1, worker: `w-attempt-${process.pid}`, directory: scratch });
    const secrets = new SecretReader({ source: { read: async () => SECRET } });
    const ctx = makeContext(place.platform, { executor, secrets, scratch, passed: () => end.abort('drain') });
    const { outcome } = await runAttempt(ctx, makeTask(view), makeAttemptOptions(ctx, { signal: end.signal }));
    await executor.close();
    expect(outcome).to.include({ kind: 'interrupted', why: 'drain' });
    expect(await place.platform.store.read(logKey(view.record.job, 'price', 0, 'a'))).to.equal(null);
  });

  const refusal = new BatchctlError('refused', 'could not put it: the KMS key is disabled', {
    hint: 'enable it',
    isRefusal: true,
  });
  const writesOutput =
    (ran: string[]) =>
    ({ stdout }: Command) => {
      ran.push('x');
      writeFileSync(stdout, 'x\n');
      return EXIT;
    };

  /** A store that refuses the first outputs, three seconds each, and what `also` says. */
  function refuseOutputs(times: number, also: (key: string) => boolean = () => false): Platform['store'] {
    const { store } = place.platform;
    let left = times;
    return wrapStore(store, {
      uploadFile: (path, key, options) => {
        if (!key.includes('/out/') || left === 0) return store.uploadFile(path, key, options);
        left -= 1;
        clock.pass(3);
        return Promise.reject(refusal);
      },
      put: (key, body, options) => (also(key) ? Promise.reject(refusal) : store.put(key, body, options)),
    });
  }

  it('keeps a result that is refused, pauses its job once that lasts, and publishes it without running again', async () => {
    const ran: string[] = [];
    expect(await runOnce(writesOutput(ran), { store: refuseOutputs(1) })).to.include({ kind: 'published' });
    const { record } = view;
    expect((await requireView(place.platform.store, record.job)).paused, 'it may pass').to.equal(null);
    view = await submitJob(place, YAML, { 'price.sh': 'cat\n' });
    expect(await runOnce(writesOutput(ran), { store: refuseOutputs(3) })).to.include({ kind: 'published' });
    expect((await requireView(place.platform.store, view.record.job)).paused).to.include({
      now: false,
      reason: 'denied',
      detail: 'could not put it: the KMS key is disabled; enable it',
    });
    expect(ran).to.have.length(2);
  });

  it('keeps a result that is refused while the job can not be paused either', async () => {
    const ran: string[] = [];
    const store = refuseOutputs(3, (key) => key.includes('/journal/'));
    expect(await runOnce(writesOutput(ran), { store })).to.include({ kind: 'published' });
    expect(ran).to.have.length(1);
  });

  it('is denied, and so pauses its job, once its result has been refused for too long', async () => {
    process.env.BATCHCTL_TEST_PATIENCE_SECONDS = '0';
    try {
      const run = (command: Command): CommandEnd => ({ ...writesOutput([])(command), seconds: 0 });
      expect(await runOnce(run, { store: refuseOutputs(1) })).to.deep.equal({
        kind: 'denied',
        error: 'could not put it: the KMS key is disabled; enable it',
      });
    } finally {
      delete process.env.BATCHCTL_TEST_PATIENCE_SECONDS;
    }
  });

  it("spends no attempt on a service's configuration error, such as another region", async () => {
    const error = new BatchctlError('config', 'it is in another region', { isRefusal: true });
    const store = wrapStore(place.platform.store, {
      read: (key, options) =>
        key.includes('/parts/') ? Promise.reject(error) : place.platform.store.read(key, options),
    });
    const mustNotRun = (): CommandEnd => expect.fail('it ran without its input');
    expect(await runOnce(mustNotRun, { store })).to.deep.equal({ ...RETURNED, error });
    expect(await runOnce(mustNotRun, { store, receiveCount: 2 })).to.include({ kind: 'denied' });
  });

  it('is returned once if it may not read its input, because permissions take a while, and then names the missing one', async () => {
    const error = new BatchctlError('credentials', 'not allowed: s3:GetObject', { denied: 's3:GetObject on x' });
    const store = wrapStore(place.platform.store, {
      read: (key, options) =>
        key.includes('/parts/') ? Promise.reject(error) : place.platform.store.read(key, options),
    });
    const mustNotRun = (): CommandEnd => expect.fail('it ran without its input');
    expect(await runOnce(mustNotRun, { store })).to.deep.include(RETURNED);
    expect(await runOnce(mustNotRun, { store, receiveCount: 2 })).to.deep.equal({
      kind: 'denied',
      error: error.message,
    });
  });
});
