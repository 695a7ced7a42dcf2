// Makes a finished job of many tasks in a directory: `node --import tsx bench/million-job.ts DIRECTORY TASKS [SEED]`.
// Real are the submission, the queue, and what a worker does with a delivery: admit, publish, judge, keep the log, settle
// (store, ledger, queue) and the closing look. Not run are commands, and the clock is a simulated one: `million-plan.ts` says
// when attempts began and how they ended. What would be given back to the queue is tried again at once.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { loadConfig } from '../src/config.ts';
import { refreshView } from '../src/jobs/journal.ts';
import { look } from '../src/jobs/look.ts';
import { parseJobFile } from '../src/jobs/spec/job-file.ts';
import { prepare } from '../src/jobs/submit/prepare.ts';
import { submit } from '../src/jobs/submit/submit.ts';
import { Batcher } from '../src/lib/batcher.ts';
import { randomId } from '../src/lib/id.ts';
import { VERSION } from '../src/lib/version.ts';
import { type JobView, stateOf } from '../src/model/view.ts';
import { openPlatform } from '../src/platform.ts';
import type { AttemptEvent } from '../src/ports/ledger.ts';
import type { Platform } from '../src/ports/platform.ts';
import type { Delivery } from '../src/ports/task-queue.ts';
import { type Admitted, admit } from '../src/worker/admit.ts';
import type { AttemptResult } from '../src/worker/attempt.ts';
import type { WorkerContext } from '../src/worker/context.ts';
import { freshDirectory, type SlotDirectory } from '../src/worker/directory.ts';
import { JobCache } from '../src/worker/job-cache.ts';
import { failureOf, judgeFailure } from '../src/worker/judge.ts';
import type { Outcome } from '../src/worker/outcome.ts';
import { publish } from '../src/worker/publish.ts';
import { QueueClient } from '../src/worker/queue-client.ts';
import { settle } from '../src/worker/settle.ts';
import { keepLog, lastLine } from '../src/worker/stderr.ts';
import { attemptsOf, type PlannedAttempt, Slots, SLOTS, WORKERS } from './million-plan.ts';

/** When the job was submitted. */
const START = Date.parse('2026-03-31T16:00:00Z');
/** Deliveries that are being settled at once: enough for full group commits. */
const IN_FLIGHT = 4_000;
const RECEIVE = 256;

interface Sim {
  /** Milliseconds since the epoch, wherever the platform asks for the time. */
  now: number;
}

/** What would be given back is tried again here, at once. */
class PatientQueue extends QueueClient {
  override async release(): Promise<void> {}
}

interface Place {
  readonly ctx: WorkerContext;
  readonly slots: readonly SlotDirectory[];
  readonly recorder: Batcher<AttemptEvent>;
  readonly queue: PatientQueue;
  done: number;
  failed: number;
}

/** Makes the job; answers its id and how long that took. */
async function makeJob(directory: string, tasks: number, seed: number) {
  const began = performance.now();
  const config = await loadConfig({ cwd: directory, env: { HOME: directory }, flags: { profile: 'local' } });
  const sim: Sim = { now: START };
  const platform = timed(await openPlatform(config, { role: 'cli', who: 'bench@here', leaseSeconds: 600 }), sim);
  const submitted = await submitJob(platform, directory, tasks);
  const sent = performance.now();
  const places: Place[] = [];
  for (let n = 0; n < WORKERS; n += 1) {
    const worker = `w-bench${String(n).padStart(5, '0')}`;
    places.push(await openWorker(timed(await openPlatform(config, { role: 'worker', who: worker, leaseSeconds: 600 }), sim), worker));
  }
  const slots = new Slots(START + 2_000);
  await work(places, slots, sim, seed);
  sim.now = slots.end;
  await look(platform, await refreshView(platform.store, submitted));
  await work(places, slots, sim, seed);
  sim.now = slots.end;
  const { view } = await look(platform, await refreshView(platform.store, submitted));
  if (stateOf(view) !== 'succeeded') throw new Error(`the job is ${stateOf(view)}`);
  for (const place of places) await leave(place, sim.now);
  await platform.close();
  const seconds = (performance.now() - began) / 1_000;
  return { job: view.record.job, tasks, seconds, submitSeconds: (sent - began) / 1_000, rate: tasks / seconds };
}

/** The platform with the simulated time. */
function timed(platform: Platform, sim: Sim): Platform {
  return { ...platform, clock: { now: () => sim.now, monotonic: () => performance.now() } };
}

async function submitJob(platform: Platform, directory: string, tasks: number): Promise<JobView> {
  const spec = parseJobFile(
    JSON.stringify({
      name: 'claims',
      input: { split: { by: 'range', from: 1, to: tasks } },
      steps: [
        { name: 'price', run: ['node', 'price.mjs'], permanent: [65] },
        { name: 'total', run: ['node', 'total.mjs'], gather: true },
      ],
      tolerate: '0.1%',
      maxTasks: tasks,
      labels: { team: 'finance' },
    }),
    { file: 'job.json' },
  );
  const request = {
    ...{ spec, directory, inputs: [], inputDirectory: directory, stdin: null, params: {}, labels: {} },
    ...{ period: null, runKey: null, expectInputs: null, allowEmpty: false },
  };
  return (await submit(platform, await prepare(request, platform.store), { mode: 'new', notBefore: null })).view;
}

async function openWorker(platform: Platform, worker: string): Promise<Place> {
  const scratch = await platform.scratch(worker);
  const leases = { hold: () => undefined, drop: () => undefined, settling: async () => undefined, close: async () => undefined };
  const recorder = new Batcher<AttemptEvent>({
    ...{ max: 500, lingerMs: 4, busyMs: 20 },
    flush: async (events) => (await platform.ledger()).record(events),
  });
  const ctx: WorkerContext = {
    ...{ platform, worker, scratch, graceMs: 0, total: { slots: SLOTS, memory: 2 ** 33, disk: 2 ** 36 } },
    jobs: new JobCache(platform.store, 600_000),
    executor: { run: () => Promise.reject(new Error('nothing is run')), close: async () => undefined },
    record: (event) => recorder.add(event),
    log: { info: () => undefined, warn: () => undefined },
    passed: () => undefined,
  };
  const slots = Array.from({ length: SLOTS }, (_, slot) => freshDirectory(scratch, slot));
  const queue = new PatientQueue(await platform.queue('default'), leases);
  return { ctx, slots, recorder, queue, done: 0, failed: 0 };
}

/** Receives and runs whatever waits in the queue. */
async function work(places: readonly Place[], slots: Slots, sim: Sim, seed: number): Promise<void> {
  const settling = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | null = null;
  for (let turn = 0; failure === null; turn += 1) {
    const taker = places[turn % places.length];
    const deliveries = (await taker?.queue.receive({ max: RECEIVE, waitSeconds: 0 })) ?? [];
    if (deliveries.length === 0) break;
    for (const delivery of deliveries) {
      const settled: Promise<void> = deliver(places, taker as Place, delivery, slots, sim, seed)
        .catch((error: unknown) => {
          failure ??= { error };
        })
        .finally(() => settling.delete(settled));
      settling.add(settled);
      if (settling.size >= IN_FLIGHT) await Promise.race(settling);
    }
  }
  await Promise.all(settling);
  const first = failure as { readonly error: unknown } | null;
  if (first !== null) throw first.error;
}
