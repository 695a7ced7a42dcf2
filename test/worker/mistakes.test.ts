// Protects: a worker obeys every kill and SIGTERM, leaks no secret and no old log, and survives unusual output names.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { workerCommand } from '../../src/cli/commands/worker.ts';
import { openContext } from '../../src/cli/context.ts';
import { splitGlobalFlags } from '../../src/cli/global-flags.ts';
import { pause } from '../../src/jobs/change/lifecycle.ts';
import { append, readView } from '../../src/jobs/journal.ts';
import { logKey } from '../../src/model/keys.ts';
import { encodeMessage } from '../../src/model/message.ts';
import { type JobView, stateOf } from '../../src/model/view.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { admit } from '../../src/worker/admit.ts';
import { runAttempt } from '../../src/worker/attempt.ts';
import { obeyJournals } from '../../src/worker/decisions.ts';
import type { Executor } from '../../src/worker/executor.ts';
import { JobCache } from '../../src/worker/job-cache.ts';
import { SecretReader } from '../../src/worker/secrets.ts';
import { settle } from '../../src/worker/settle.ts';
import { createShellExecutor } from '../../src/worker/shell-executor.ts';
import { prepareSlotDirectory } from '../../src/worker/slot-directory.ts';
import { lastLine } from '../../src/worker/stderr.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob, work } from '../jobs/submitted-job.ts';
import { addEntry, claimsJob, delivered } from '../support/claims-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { HeldTime } from '../support/held-time.ts';
import { workHere } from '../support/inside-worker.ts';
import { until } from '../support/until.ts';

interface Running {
  readonly task: { readonly message: { readonly task: number } };
}

/** Which of these attempts' tasks are ended when the journals are read. */
async function endedByJournals({ store }: Platform, running: readonly Running[]): Promise<readonly number[]> {
  const ended: number[] = [];
  const dispatcher = {
    running: () => running,
    end: (_: string, which: (attempt: unknown) => boolean) => {
      for (const each of running) if (which(each)) ended.push(each.task.message.task);
    },
  };
  await obeyJournals(store, new JobCache(store, 1), dispatcher as never);
  return ended;
}

describe('the worker', () => {
  const place = forEachTest(openPlace);

  for (const [what, run] of [
    ['removes its output directory', 'rmdir "$BATCHCTL_OUTPUT_DIR"'],
    [
      'writes a path too long for a key',
      'd="$BATCHCTL_OUTPUT_DIR"; for i in 1 2 3 4 5 6; do d="$d/$(printf %0200d 1)"; done; mkdir -p "$d"; echo x > "$d/f"',
    ],
    ["gives a file a name that isn't UTF-8", `echo x > "$BATCHCTL_OUTPUT_DIR/$(printf 'caf\\351')"`],
    ["gives a directory a name that isn't UTF-8", `mkdir "$BATCHCTL_OUTPUT_DIR/$(printf 'caf\\351')"`],
  ] as const) {
    it(`fails the attempt of a command that ${what}`, async () => {
      const { platform } = place;
      const yaml = `name: claims\ninput: { split: { by: range, from: 1, to: 1 } }\nsteps:\n  - { name: price, attempts: 1, output: files, run: ${JSON.stringify(run)} }\n`;
      const view = await submitJob(place, yaml, {});
      const error = await work(platform).then(
        () => null,
        (thrown: Error) => thrown,
      );
      expect(error?.message ?? null).to.equal(null);
      expect(stateOf((await readView(platform.store, view.record.job)) as JobView)).to.equal('failed');
    });
  }

  it('obeys a kill even if a later attempt of the job was admitted after it', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    const { job } = view.record;
    const killed = await addEntry(platform, view, { what: 'kill', tasks: { price: '0' }, mode: 'fail' });
    const of = (task: number, at: JobView) => ({
      task: { message: { job, step: 'price', task, round: 0 }, view: at, index: 0 },
      startedAt: 0,
    });
    const running = [of(0, view), of(1, killed)];
    expect(await endedByJournals(platform, running)).to.deep.equal([0]);
  });

  it("obeys kill --requeue even if the killer's clock is behind", async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    const { job } = view.record;
    const behind = { ...platform, clock: { ...platform.clock, now: () => Date.now() - 60_000 } };
    await append(behind, view, () => ({
      what: 'kill',
      tasks: { price: '0' },
      mode: 'requeue',
    }));
    const running = [
      { task: { message: { job, step: 'price', task: 0, round: 0 }, view, index: 0 }, startedAt: Date.now() - 10_000 },
    ];
    expect(await endedByJournals(platform, running)).to.deep.equal([0]);
  });

  it('ends what a person pauses within 15 s, however long its leases are', async () => {
    const time = new HeldTime();
    try {
      const command =
        "input: { split: { by: range, from: 1, to: 1 } }\nsteps:\n  - { name: price, run: [sleep, '1000'] }\n";
      const view = await submitJob(place, `name: claims\n${command}`, {});
      const clock = { now: Date.now, monotonic: () => time.now() };
      let started = false;
      let ended = false;
      const inner = createShellExecutor({ slots: 1, worker: 'w-pauses', directory: place.directory });
      const executor: Executor = {
        owner: (slot) => inner.owner?.(slot) ?? null,
        run: async (...of) => {
          started = true;
          try {
            return await inner.run(...of);
          } finally {
            ended = true;
          }
        },
        close: () => inner.close(),
      };
      const platform = { ...place.platform, clock, leaseSeconds: 300 };
      const stop = new AbortController();
      const worker = workHere(platform, 1, { makeExecutor: () => executor, stop: stop.signal });
      await until('the command', async () => {
        await time.pass(1);
        return started;
      });
      await pause(platform, view, { now: true });
      await time.pass(16_000);
      await until('its end', () => ended);
      stop.abort();
      await time.passUntil(worker);
    } finally {
      time.release();
    }
  });

  it('keeps no log of an earlier attempt for one that never started', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    const { job } = view.record;
    const scratch = join(place.directory, 'scratch');
    writeFileSync(prepareSlotDirectory(scratch, 0).stderr, 'another job speaks: hunter2\n');
    const found = await admit(
      platform.store,
      new JobCache(platform.store, 5_000),
      delivered(encodeMessage({ job, step: 'price', task: 0, round: 0 })),
      { group: 'default', now: Date.now() },
    );
    if (found.kind !== 'admitted') throw new Error('not admitted');
    const end = new AbortController();
    const executor = createShellExecutor({ slots: 1, worker: `w-mistakes-${process.pid}`, directory: scratch });
    const ctx = {
      platform,
      worker: 'w',
      jobs: new JobCache(platform.store, 5_000),
      executor,
      secrets: new SecretReader({ source: null }),
      scratch,
      total: { slots: 1, memory: 1, disk: 1 },
      record: async () => undefined,
      log: { info: () => undefined, warn: () => undefined },
      passed: () => end.abort('drain'),
    };
    await runAttempt(ctx as never, found, {
      attempt: 'aaaa',
      slot: 0,
      group: 'default',
      leaseSeconds: 15,
      code: {} as never,
      signal: end.signal,
    });
    await executor.close();
    expect(await platform.store.read(logKey(job, 'price', 0, 'aaaa'))).to.equal(null);
  });

  it('drains if it gets its first SIGTERM while it starts', async () => {
    const { flags } = splitGlobalFlags(['--profile', 'local', '--quiet']);
    const io = {
      cwd: place.directory,
      env: { HOME: place.directory, PATH: process.env.PATH },
      stdout: process.stdout,
      stderr: process.stderr,
      stdin: process.stdin,
    } as never;
    const [first, second] = [new AbortController(), new AbortController()];
    const ctx = openContext({
      io,
      flags,
      signal: first.signal,
      stopNow: second.signal,
      closed: new AbortController().signal,
    });
    const definition = workerCommand(ctx);
    const ended = Promise.resolve(
      definition.run({
        group: undefined,
        slots: 1,
        untilEmpty: false,
        idleExit: undefined,
        maxFailures: undefined,
      } as never),
    );
    await ctx.config();
    first.abort(); // Like a signal that comes while the platform opens.
    let hasEnded = false;
    const noted = ended.finally(() => {
      hasEnded = true;
    });
    try {
      await until('it has ended', () => hasEnded);
    } finally {
      second.abort();
      await noted;
    }
  });

  it('shows no part of a multi-line secret in the last line of stderr', async () => {
    const path = join(place.directory, 'err');
    writeFileSync(path, 'can not sign with\n-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY----- hunter2\n');
    const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY----- hunter2';
    expect(lastLine(path, { KEY: key })).to.not.include('hunter2');
  });

  it('records nothing in the ledger for a lease that is lost before its job is known', async () => {
    const { platform } = place;
    const ledger = await platform.ledger();
    const events: unknown[] = [];
    const ctx = {
      platform,
      worker: 'w',
      jobs: new JobCache(platform.store, 1),
      executor: {
        run: async () => {
          throw new Error();
        },
        close: async () => undefined,
      },
      scratch: '/',
      total: { slots: 1, memory: 1, disk: 1 },
      record: async (e: never) => {
        events.push(e);
        await ledger.record([e]);
      },
      log: { info: () => undefined, warn: () => undefined },
      passed: () => undefined,
    };
    await settle(
      ctx as never,
      {
        queue: {} as never,
        delivery: delivered('{}'),
        task: null,
        number: 0,
        slot: 0,
        attempt: null,
        result: null,
        outcome: { kind: 'leaseLost' },
      },
      async () => undefined,
    );
    expect(events).to.deep.equal([]);
  });
});
