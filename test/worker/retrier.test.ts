// Protects: finished work is not discarded because the store is unavailable or asks to slow down: its command runs once.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { tryKey } from '../../src/model/keys.ts';
import { stateOf } from '../../src/model/view.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { publishRetryMs, Retrier } from '../../src/worker/retrier.ts';
import { forEachTest } from '../support/fixture.ts';
import { HeldTime } from '../support/held-time.ts';
import { startWorkerInProcess } from '../support/inside-worker.ts';
import { factsOf } from '../support/job-facts.ts';
import { rangeJob } from '../support/range-job.ts';
import { rejection } from '../support/rejection.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { wrapStore } from '../support/wrap-store.ts';

const TRY = { format: 1, reason: 'exit', exitCode: 1, error: 'x', attempt: 'a', number: 1, worker: 'w', cause: 'x' };

/** Returns a function that tells whether it is called with a key for the first time. */
const firstTime = (): ((key: string) => boolean) => {
  const keys = new Set<string>();
  return (key) => {
    const before = keys.size;
    return keys.add(key).size > before;
  };
};

const slowDown = (): Error => new BatchctlError('unavailable', 'AWS limits the request rate (SlowDown, HTTP 503)');

describe('a store that is unavailable while outputs are published', () => {
  const workspace = forEachTest(() => new Workspace());

  /** A platform whose store refuses keys as `refuses` says, and the refused keys. */
  async function refusePuts(refuses: (key: string) => boolean): Promise<{ platform: Platform; refused: string[] }> {
    // A lease that a busy machine can keep: losing it would end the attempt.
    const platform = await workspace.platform(workspace.worker, 6);
    const refused: string[] = [];
    const check = (key: string): void => {
      if (!key.includes('/steps/') || !refuses(key)) return;
      refused.push(key);
      throw slowDown();
    };
    const put: ObjectStore['put'] = async (key, body, options) => {
      check(key);
      return platform.store.put(key, body, options);
    };
    const uploadFile: ObjectStore['uploadFile'] = async (path, key, options) => {
      check(key);
      return platform.store.uploadFile(path, key, options);
    };
    return { platform: { ...platform, store: wrapStore(platform.store, { put, uploadFile }) }, refused };
  }

  it('gets each put again, of logs, files, manifests and whole outputs, and every command runs once', async () => {
    const run = (what: string): string => `echo run >> "${workspace.path('ran')}"; echo said >&2; ${what}`;
    workspace.write(
      'job.json',
      rangeJob(
        'claims',
        2,
        { name: 'one', run: run('cat') },
        { name: 'two', run: run('cat > "$BATCHCTL_OUTPUT_DIR/a"; echo b > "$BATCHCTL_OUTPUT_DIR/b"'), output: 'files' },
        { name: 'none', run: run('cat > /dev/null'), output: 'none' },
      ),
    );
    const job = await workspace.submit();
    const { platform, refused } = await refusePuts(firstTime());
    const worker = startWorkerInProcess(workspace, platform, { slots: 2, untilEmpty: true });
    await worker.done;
    expect(stateOf(await requireView(platform.store, job))).to.equal('succeeded');
    expect(workspace.lines('ran'), 'each task of each step once').to.have.length(6);
    const kinds = refused.map((key) => /\/steps\/(\w+\/\w+)\//.exec(key)?.[1]);
    const once = ['none/log', 'none/out', 'one/log', 'one/out', 'two/files', 'two/log', 'two/out'];
    expect([...new Set(kinds)].sort()).to.deep.equal(once);
    expect((await factsOf(platform, job)).outputs).to.deep.include({ one: { 0: '1\n', 1: '2\n' } });
  });

  it('gets the record of a failed attempt or task again, and each command runs only as often as it may fail', async () => {
    const run = `echo run >> "${workspace.path('ran')}"; exit 1`;
    workspace.write('job.json', rangeJob('claims', 2, { name: 'one', run, attempts: 2 }));
    const job = await workspace.submit();
    const { platform, refused } = await refusePuts(firstTime());
    await startWorkerInProcess(workspace, platform, { slots: 2, untilEmpty: true }).done;
    expect(stateOf(await requireView(platform.store, job))).to.equal('failed');
    expect(workspace.lines('ran'), 'each task twice').to.have.length(4);
    expect(refused.map((key) => key.split('/')[4]).sort()).to.deep.equal(['failed', 'failed', 'tries', 'tries']);
    const [counts] = await (await platform.ledger()).counts(job);
    expect(counts).to.include({ failed: 2, retried: 2, interrupted: 0 });
  });

  it("makes the worker return a task that failed without running, and stay, while that can't be written", async () => {
    workspace.write('job.json', rangeJob('claims', 1, { name: 'one', run: 'echo run >> ran; exit 1', attempts: 2 }));
    const job = await workspace.submit();
    const older = await workspace.platform();
    // An older worker used up the attempts, and died before it wrote the rest.
    for (const attempt of ['a', 'b'])
      await older.store.put(tryKey(job, 'one', 0, 0, attempt), JSON.stringify(TRY), { ifAbsent: true });
    const queue = await older.queue('default');
    const [delivery] = await queue.receive({ max: 1, waitSeconds: 5, signal: new AbortController().signal });
    if (delivery === undefined) throw new Error('nothing was sent');
    await queue.release([{ receipt: delivery.receipt, delay: 0 }]);
    let left = 1;
    const { platform } = await refusePuts((key) => key.includes('/failed/') && left-- > 0);
    await startWorkerInProcess(workspace, platform, { slots: 1, untilEmpty: true }).done;
    expect(left).to.be.below(0);
    expect(stateOf(await requireView(platform.store, job))).to.equal('failed');
    expect(workspace.lines('ran')).to.deep.equal([]);
  });

  it('makes the worker return the task at once if it must stop', async () => {
    workspace.write('job.json', rangeJob('claims', 1, { name: 'one', run: 'cat' }));
    const job = await workspace.submit();
    const { platform, refused } = await refusePuts((key) => key.includes('/out/'));
    const worker = startWorkerInProcess(workspace, platform, { slots: 1, untilEmpty: true });
    await until('the output was refused twice', () => refused.length >= 2);
    await worker.stop();
    expect((await (await platform.queue('default')).backlog()).visible).to.equal(1);
    expect(stateOf(await requireView(platform.store, job))).to.equal('running');
  });
});

describe('a store that is unavailable while a worker reads its jobs', () => {
  const workspace = forEachTest(() => new Workspace());
  beforeEach(() => {
    const step = { name: 'one', run: `echo run >> "${workspace.path('ran')}"; cat` };
    workspace.write('job.json', rangeJob('claims', 1, step));
  });

  /** A platform whose store refuses this many such listings; also the remaining refusals, and the log. */
  async function refuseListings(times: number, what = '/out/') {
    const own = await workspace.platform(workspace.worker, 60);
    const refusals: { left: number; log: string[] } = { left: times, log: [] };
    const keys: ObjectStore['keys'] = (prefix, options) => {
      if (prefix.includes(what) && refusals.left-- > 0) throw slowDown();
      return own.store.keys(prefix, options);
    };
    const put: ObjectStore['put'] = (key, body, options) => {
      if (key.startsWith('workers/')) refusals.log.push(String(body));
      return own.store.put(key, body, options);
    };
    return { platform: { ...own, store: wrapStore(own.store, { keys, put }) }, refusals };
  }

  for (const [untilEmpty, what, warning] of [
    [false, '/out/', /can't read jobs/g],
    [true, 'open/', /can't check whether to leave/g],
  ] as const) {
    it(`is asked again, and the worker continues${untilEmpty ? ', with --until-empty too' : ''}`, async () => {
      const job = await workspace.submit();
      const { platform, refusals } = await refuseListings(3, what);
      const worker = startWorkerInProcess(workspace, platform, { slots: 1, untilEmpty });
      const isClosed = async () => stateOf(await requireView(platform.store, job)) === 'succeeded';
      await Promise.race([until('the job is closed', isClosed), worker.done]);
      await worker.drain();
      expect(refusals.left).to.be.below(0);
      expect(await isClosed()).to.equal(true);
      expect(refusals.log.at(-1)?.match(warning), 'reported once').to.have.length(1);
    });
  }

  it('makes the worker leave once its time is up', async () => {
    await workspace.submit();
    process.env.BATCHCTL_TEST_PATIENCE_SECONDS = '0';
    try {
      for (const [untilEmpty, what] of [
        [false, '/out/'],
        [true, 'open/'],
      ] as const) {
        const { platform } = await refuseListings(1_000, what);
        const worker = startWorkerInProcess(workspace, platform, { slots: 1, untilEmpty });
        expect(await rejection(worker.done), what).to.include({ kind: 'unavailable' });
      }
    } finally {
      delete process.env.BATCHCTL_TEST_PATIENCE_SECONDS;
    }
  });

  it('no longer delays a worker that must stop', async () => {
    await workspace.submit();
    const { platform, refusals } = await refuseListings(1_000);
    const worker = startWorkerInProcess(workspace, platform, { slots: 1, untilEmpty: false });
    await until('it was refused', () => refusals.left < 1_000);
    expect(await rejection(worker.stop())).to.include({ kind: 'unavailable' });
  });
});

describe('a retrier', () => {
  const time = forEachTest(() => new HeldTime());

  const makeRetrier = (limitMs: number, signal = new AbortController().signal, troubles: unknown[] = []): Retrier =>
    new Retrier({ limitMs, signal, monotonic: () => time.now(), onTrouble: (error) => troubles.push(error) });

  it('outlasts a minute of refusals, reports them once, and starts over after a success', async () => {
    const began = time.now();
    const troubles: unknown[] = [];
    const retrier = makeRetrier(61_000, undefined, troubles);
    const away = async (): Promise<number> => {
      if (time.now() - began < 60_000) throw slowDown();
      return time.now() - began;
    };
    expect(await time.passUntil(retrier.run(away))).to.be.within(60_000, 80_000);
    const again = time.now();
    await time.passUntil(
      retrier.run(async () => {
        if (time.now() - again < 30_000) throw slowDown();
      }),
    );
    expect(troubles).to.have.length(1);
  });

  it('ends with the refusal itself once its time is up, when the attempt ends, and for permanent refusals', async () => {
    const error = slowDown();
    const refuse = async (): Promise<never> => {
      throw error;
    };
    const began = time.now();
    expect(await time.passUntil(rejection(makeRetrier(20_000).run(refuse)))).to.equal(error);
    expect(time.now() - began).to.be.within(20_000, 40_000);
    const abort = new AbortController();
    const signals: unknown[] = [];
    const ended = rejection(
      makeRetrier(600_000, abort.signal).run(async (signal) => {
        signals.push(signal);
        throw error;
      }),
    );
    await time.pass(2_000);
    abort.abort('spot');
    expect(await ended).to.equal(error);
    expect(signals.slice(0, 2), 'the first try continues to its end').to.deep.equal([undefined, abort.signal]);
    expect(await rejection(makeRetrier(600_000, abort.signal).run(refuse)), 'no other try').to.equal(error);
    const denied = new BatchctlError('credentials', 'denied');
    expect(await rejection(makeRetrier(600_000).run(() => Promise.reject(denied)))).to.equal(denied);
  });

  it('waits for a person, as for a service that is unavailable, where a result would be lost', async () => {
    const refusal = new BatchctlError('refused', 'the key is disabled', { isRefusal: true });
    const expired = new BatchctlError('credentials', 'they have expired');
    const damaged = new BatchctlError('corrupt', 'not a refusal');
    for (const [error, told] of [
      [refusal, true],
      [new BatchctlError('credentials', 'denied', { denied: 's3:PutObject on x' }), true],
      [expired, false],
    ] as const) {
      const refused: unknown[] = [];
      const [began, signal] = [time.now(), new AbortController().signal];
      const options = { limitMs: 61_000, signal, monotonic: () => time.now(), onTrouble: () => undefined };
      const act = async (): Promise<void> => {
        if (time.now() - began < 60_000) throw error;
      };
      const patient = new Retrier({ ...options, onRefusal: async (each) => void refused.push(each) });
      await time.passUntil(patient.run(act));
      expect(time.now() - began).to.be.at.least(60_000);
      expect(new Set(refused)).to.deep.equal(new Set(told ? [error] : []));
      expect(refused.length).to.be.within(told ? 5 : 0, told ? 20 : 0);
      const again = time.now();
      expect(await time.passUntil(rejection(patient.run(() => Promise.reject(error))))).to.equal(error);
      expect(time.now() - again).to.be.within(61_000, 80_000);
      expect(await rejection(new Retrier(options).run(() => Promise.reject(error))), 'no result').to.equal(error);
      expect(await rejection(patient.run(() => Promise.reject(damaged)))).to.equal(damaged);
    }
  });

  it('retries to publish for as long as the command would take again, from 30 to 45 minutes', () => {
    expect([1, 2_400, 36_000].map(publishRetryMs)).to.deep.equal([1_800_000, 2_400_000, 2_700_000]);
  });
});
