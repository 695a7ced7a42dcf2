// Protects: a worker obeys every kill, every skip, every pause and a SIGTERM that comes while it starts.
import { expect } from 'chai';
import { workerCommand } from '../../src/cli/commands/worker.ts';
import { openContext } from '../../src/cli/context.ts';
import { splitGlobalFlags } from '../../src/cli/global-flags.ts';
import { pause } from '../../src/jobs/change/lifecycle.ts';
import type { Platform } from '../../src/ports/platform.ts';
import type { AdmittedTask } from '../../src/worker/admitted-task.ts';
import { obeyJournals } from '../../src/worker/decisions.ts';
import type { RunningAttempt } from '../../src/worker/dispatcher.ts';
import type { Executor } from '../../src/worker/executor.ts';
import { JobCache } from '../../src/worker/job-cache.ts';
import { createShellExecutor } from '../../src/worker/shell-executor.ts';
import { fakeIo } from '../cli/fake-io.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { addEntry, claimsJob } from '../support/claims-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { HeldTime } from '../support/held-time.ts';
import { runWorkerInProcess } from '../support/inside-worker.ts';
import { until } from '../support/until.ts';
import { makeClient, makeContext, makeDispatcher, makeTask } from './worker-context.ts';

/** The numbers of those tasks whose attempts are ended when a worker that runs them reads their journals. */
async function endedByJournals(platform: Platform, tasks: readonly AdmittedTask[]): Promise<readonly number[]> {
  const running = tasks.map(
    (task): RunningAttempt => ({
      queue: makeClient(),
      task,
      needs: { slots: 1, memory: 0, disk: 0 },
      attempt: 'a',
      slots: [0],
      startedAt: Date.now() - 10_000,
      end: new AbortController(),
      announced: false,
    }),
  );
  const dispatcher = Object.assign(makeDispatcher(makeContext(platform)), {
    running: () => running,
    end: (reason: string, which: (attempt: RunningAttempt) => boolean = () => true) => {
      for (const attempt of running.filter(which)) attempt.end.abort(reason);
    },
  });
  await obeyJournals(platform.store, new JobCache(platform.store, 1), dispatcher);
  return running.filter(({ end }) => end.signal.aborted).map(({ task }) => task.message.task);
}

describe('a worker', () => {
  const place = forEachTest(openPlace);

  it('obeys a kill even if a later attempt of the job was admitted after it', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    const killed = await addEntry(platform, view, { what: 'kill', tasks: { price: '0' }, mode: 'fail' });
    expect(await endedByJournals(platform, [makeTask(view), makeTask(killed, { task: 1 })])).to.deep.equal([0]);
  });

  it('ends the attempt of a task that a person skips, and no other', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    await addEntry(platform, view, { what: 'skip', tasks: { price: '1' }, reason: 'hangs' });
    expect(await endedByJournals(platform, [makeTask(view), makeTask(view, { task: 1 })])).to.deep.equal([1]);
  });

  it("obeys kill --requeue even if the killer's clock is behind", async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    const behind = { ...platform, clock: { ...platform.clock, now: () => Date.now() - 60_000 } };
    await addEntry(behind, view, { what: 'kill', tasks: { price: '0' }, mode: 'requeue' });
    expect(await endedByJournals(platform, [makeTask(view)])).to.deep.equal([0]);
  });

  it('obeys a pause at once that a person has ended by now, so that the program before a change does not run on', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    const paused = await addEntry(platform, view, { what: 'pause', now: true, reason: 'person' });
    const resumed = await addEntry(platform, paused, { what: 'resume' });
    const tasks = [makeTask(view), makeTask(paused, { task: 1 }), makeTask(resumed, { task: 2 })];
    expect(await endedByJournals(platform, tasks)).to.deep.equal([0]);
  });

  it('lets attempts finish that a pause let finish, once a person has resumed the job', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    const paused = await addEntry(platform, view, { what: 'pause', now: false, reason: 'person' });
    await addEntry(platform, paused, { what: 'resume' });
    expect(await endedByJournals(platform, [makeTask(view)])).to.deep.equal([]);
  });

  it('ends the tasks of a job that a person pauses within 15 s, however long its leases are', async () => {
    const time = new HeldTime();
    try {
      const command =
        "input: { split: { by: range, from: 1, to: 1 } }\nsteps:\n  - { name: price, run: [sleep, '1000'] }\n";
      const view = await submitJob(place, `name: claims\n${command}`, {});
      const clock = { now: Date.now, monotonic: () => time.now() };
      let hasStarted = false;
      let hasEnded = false;
      const shell = createShellExecutor({ slots: 1, worker: 'w-pauses', directory: place.directory });
      const executor: Executor = {
        owner: (slot) => shell.owner?.(slot) ?? null,
        run: async (...args) => {
          hasStarted = true;
          try {
            return await shell.run(...args);
          } finally {
            hasEnded = true;
          }
        },
        close: () => shell.close(),
      };
      const platform = { ...place.platform, clock, leaseSeconds: 300 };
      const stop = new AbortController();
      const worker = runWorkerInProcess(platform, 1, { makeExecutor: () => executor, stop: stop.signal });
      await until('the command starts', async () => {
        await time.pass(1);
        return hasStarted;
      });
      await pause(platform, view, { now: true });
      await time.pass(16_000);
      await until('the command ends', () => hasEnded);
      stop.abort();
      await time.passUntil(worker);
    } finally {
      time.release();
    }
  });

  it('drains if it gets its first SIGTERM while it starts', async () => {
    const [drain, stop] = [new AbortController(), new AbortController()];
    const ctx = openContext({
      io: fakeIo({ cwd: place.directory, env: { HOME: place.directory, PATH: process.env.PATH ?? '' } }),
      flags: splitGlobalFlags(['--profile', 'local', '--quiet']).flags,
      signal: drain.signal,
      stopNow: stop.signal,
      closed: new AbortController().signal,
    });
    let hasEnded = false;
    const worker = workerCommand(ctx)
      .run({ slots: 1, untilEmpty: false, rest: null })
      .finally(() => {
        hasEnded = true;
      });
    await ctx.config();
    // Like a signal that comes while the platform opens.
    drain.abort();
    try {
      await until('it has ended', () => hasEnded);
    } finally {
      stop.abort();
      await worker;
    }
  });
});
