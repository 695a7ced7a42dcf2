// Makes a finished job of many tasks in a directory: `node --import tsx bench/million-job.ts DIRECTORY TASKS [SEED]`.
// The submission and the queue are real, and so is what a worker does with a delivery: admit, publish, judge, keep the
// log, settle (store, ledger, queue), and the closing look. No commands run, and the clock is simulated:
// `million-plan.ts` says when attempts began and how they ended. A task that would be released to the queue is retried
// at once.
import { rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { loadConfig } from '../src/config/load-config.ts';
import { parseJobFile } from '../src/jobs/spec/job-file.ts';
import { prepare } from '../src/jobs/submit/prepare.ts';
import { submit } from '../src/jobs/submit/submit.ts';
import { look } from '../src/jobs/watch/look.ts';
import { Batcher } from '../src/lib/batcher.ts';
import { randomId } from '../src/lib/id.ts';
import { FailureStreaks } from '../src/model/breaker.ts';
import type { AttemptEvent } from '../src/model/ledger/records.ts';
import { type JobView, stateOf } from '../src/model/view.ts';
import { openPlatform } from '../src/platform/open-platform.ts';
import type { Platform } from '../src/ports/platform.ts';
import { admit } from '../src/worker/admit.ts';
import type { AdmittedTask } from '../src/worker/admitted-task.ts';
import type { AttemptResult } from '../src/worker/attempt.ts';
import type { WorkerContext } from '../src/worker/context.ts';
import { Denials } from '../src/worker/denials.ts';
import type { CommandEnd } from '../src/worker/executor.ts';
import { JobCache } from '../src/worker/job-cache.ts';
import { failureOf, judgeFailure, type Outcome } from '../src/worker/outcome.ts';
import { publish } from '../src/worker/publish.ts';
import { putFailure } from '../src/worker/put-failure.ts';
import { QueueClient } from '../src/worker/queue-clients.ts';
import { SecretReader } from '../src/worker/secrets.ts';
import { settle } from '../src/worker/settle.ts';
import { prepareSlotDirectory, type SlotDirectory } from '../src/worker/slot-directory.ts';
import { lastLine, uploadLog } from '../src/worker/stderr.ts';
import { worker as ledgerWorker } from '../test/contracts/ledger-events.ts';
import { submissionRequest } from '../test/support/submission-request.ts';
import { attemptsOf, type Place, type PlannedAttempt, SLOTS, Slots, WORKERS } from './million-plan.ts';

/** When the job was submitted. */
const START = Date.parse('2026-03-31T16:00:00Z');
/** Deliveries settled concurrently: enough for full group commits. */
const IN_FLIGHT = 4_000;
const RECEIVE = 256;

/** A queue that only settles. Releases do nothing, as the simulation retries at once. */
class PatientQueue extends QueueClient {
  override async release(): Promise<void> {}
}

interface Worker {
  readonly ctx: WorkerContext;
  readonly directory: SlotDirectory;
  done: number;
  failed: number;
}

/** One attempt with its place and time. */
interface Placed extends Omit<Place, 'worker'> {
  readonly planned: PlannedAttempt;
  readonly worker: Worker;
  readonly number: number;
}

/** Runs a job's deliveries according to the plan. */
class Simulation {
  readonly #platform: Platform;
  readonly #queue: PatientQueue;
  readonly #workers: readonly Worker[];
  readonly #slots = new Slots(START + 2_000);
  readonly #seed: number;
  readonly #settling = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;
  /** Publishes one at a time, because all attempts of a worker share a directory here. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(platform: Platform, queue: PatientQueue, workers: readonly Worker[], seed: number) {
    this.#platform = platform;
    this.#queue = queue;
    this.#workers = workers;
    this.#seed = seed;
  }

  /** When the last attempt ended, milliseconds since the epoch. */
  get end(): number {
    return this.#slots.end;
  }

  /** Receives and runs everything that waits in the queue. */
  async work(): Promise<void> {
    const jobs = new JobCache(this.#platform.store, 600_000);
    while (this.#failure === null) {
      const deliveries = await this.#queue.receive({ max: RECEIVE, waitSeconds: 0 });
      if (deliveries.length === 0) break;
      for (const received of deliveries) {
        const delivery = { ...received, sentAt: START + 1_000 };
        const admitted = await admit(this.#platform.store, jobs, delivery, { group: 'default', now: START });
        if (admitted.kind === 'refused') throw new Error(`refused: ${JSON.stringify(admitted.outcome)}`);
        await this.#begin(admitted);
      }
    }
    await Promise.all(this.#settling);
    if (this.#failure !== null) throw this.#failure.error;
  }

  async #begin(task: AdmittedTask): Promise<void> {
    const attempts = attemptsOf(task.message.task, this.#seed).map((planned, at): Placed => {
      const { worker, ...place } = this.#slots.take(planned.seconds);
      return { ...place, planned, worker: this.#workers[worker] as Worker, number: at + 1 };
    });
    const settled: Promise<void> = this.#run(task, attempts)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#settling.delete(settled));
    this.#settling.add(settled);
    if (this.#settling.size >= IN_FLIGHT) await Promise.race(this.#settling);
  }

  async #run(task: AdmittedTask, attempts: readonly Placed[]): Promise<void> {
    for (const placed of attempts) {
      const attempt = randomId(16);
      const numbered: AdmittedTask = { ...task, number: placed.number };
      const outcome = await this.#inTurn(() => outcomeOf(numbered, placed, attempt));
      if (outcome.kind === 'published') placed.worker.done += 1;
      if (outcome.kind === 'failed') placed.worker.failed += 1;
      const result = resultOf(placed);
      const { number, slot } = placed;
      const { startedAt, endedAt } = result;
      const of = { task: numbered, attempt, number };
      if (outcome.kind === 'retry' || outcome.kind === 'failed')
        await putFailure(placed.worker.ctx, { ...of, startedAt, endedAt, outcome });
      const { delivery } = task;
      const item = { ...of, queue: this.#queue, delivery, result, outcome, slot };
      await settle(placed.worker.ctx, item, async () => undefined);
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}

/** The steps after the command: publish its output, or keep its log and judge its failure. */
async function outcomeOf(task: AdmittedTask, placed: Placed, attempt: string): Promise<Outcome> {
  const { end: planned } = placed.planned;
  const { ctx, directory } = placed.worker;
  if (planned === 'interrupted') return { kind: 'interrupted', why: 'drain', delay: 0 };
  const { store } = ctx.platform;
  const { message } = task;
  if (planned !== 'done') {
    writeFileSync(directory.stderr, `claim ${message.task}: begun\n${planned.stderr}\n`);
    await uploadLog(store, message, attempt, directory.stderr, {});
    const line = planned.stderr === '' ? null : lastLine(directory.stderr, {});
    return judgeFailure(task, failureOf({ ...planned, ...usageOf(placed), strays: 0 }, line));
  }
  const amount = ((message.task * 37) % 100_000) / 100;
  writeFileSync(directory.stdout, `${message.task},claim-${message.task},${amount.toFixed(2)},EUR\n`);
  const { signal } = new AbortController();
  const to = { store, retrier: { run: <T>(act: () => Promise<T>) => act() }, signal, refuseNoOutput: () => undefined };
  const { meta } = await publish(to, task, directory, {
    attempt,
    number: placed.number,
    round: message.round,
    worker: ctx.worker,
    startedAt: new Date(placed.from).toISOString(),
    endedAt: new Date(placed.to).toISOString(),
    ...usageOf(placed),
    // The number of the range that the task gets as its input, with a line end; not known of the gather here.
    bytesIn: message.step === 'price' ? `${message.task + 1}\n`.length : 0,
    counters: { claims: '1', amount: amount.toFixed(2) },
    code: null,
  });
  return { kind: 'published', meta };
}

function usageOf({ planned: { seconds } }: Placed): Pick<CommandEnd, 'seconds' | 'cpuSeconds' | 'peakMemory'> {
  const cpuSeconds = Math.round(seconds * 70) / 100;
  return { seconds: Math.round(seconds * 1_000) / 1_000, cpuSeconds, peakMemory: 40 * 2 ** 20 };
}

function resultOf(placed: Placed): Omit<AttemptResult, 'outcome'> {
  const end: CommandEnd = { how: 'exit', code: 0, signal: null, strays: 0, ...usageOf(placed) };
  return { startedAt: placed.from, endedAt: placed.to, end, bytesIn: 0 };
}

/** Makes the job in a directory with a configuration. Returns how long it took, in seconds. */
async function makeJob(directory: string, tasks: number, seed: number): Promise<object> {
  const began = performance.now();
  const config = await loadConfig({ cwd: directory, env: { HOME: directory }, flags: { profile: 'local' } });
  const time = { now: START };
  const clock = { now: () => time.now, monotonic: () => performance.now() };
  const open = async (who: string): Promise<Platform> => ({
    ...(await openPlatform(config, { role: 'worker', who, leaseSeconds: 600 })),
    clock,
  });
  const platform = await open('bench@here');
  const view = await submitJob(platform, directory, tasks);
  const submitted = performance.now();
  const names = Array.from({ length: WORKERS }, (_, n) => `w-bench${String(n).padStart(5, '0')}`);
  const workers = await Promise.all(names.map(async (name) => openWorker(await open(name), name)));
  const simulation = new Simulation(platform, new PatientQueue(await platform.queue('default'), LEASES), workers, seed);
  await simulation.work();
  time.now = simulation.end;
  await look(platform, view);
  await simulation.work();
  time.now = simulation.end + 1_000;
  const { view: after } = await look(platform, view);
  if (stateOf(after) !== 'succeeded') throw new Error(`the job is ${stateOf(after)}`);
  for (const worker of workers) await leave(worker);
  await platform.close();
  const [submitSeconds, seconds] = [(submitted - began) / 1_000, (performance.now() - began) / 1_000];
  return { job: view.record.job, tasks, submitSeconds, seconds };
}

/** No attempt runs long enough here to lose its lease. */
const LEASES = {
  hold: () => undefined,
  drop: () => undefined,
  dropAndWait: async () => undefined,
  close: async () => undefined,
};

async function submitJob(platform: Platform, directory: string, tasks: number): Promise<JobView> {
  const text = JSON.stringify({
    name: 'claims',
    input: { split: { by: 'range', from: 1, to: tasks } },
    steps: [
      { name: 'price', run: ['node', 'price.mjs'], permanent: [65] },
      { name: 'total', run: ['node', 'total.mjs'], gather: true },
    ],
    tolerate: '0.1%',
    labels: { team: 'finance' },
  });
  const request = submissionRequest(parseJobFile(text, { file: 'job.json' }), directory);
  return (await submit(platform, await prepare(request, platform.store), { mode: 'new', notBefore: null })).view;
}

async function openWorker(platform: Platform, worker: string): Promise<Worker> {
  const scratch = await platform.scratch(worker);
  const recorder = new Batcher<AttemptEvent>({
    max: 500,
    lingerMs: 4,
    busyMs: 20,
    flush: async (events) => (await platform.ledger()).record(events),
  });
  const ctx: WorkerContext = {
    platform,
    worker,
    scratch,
    graceMs: 0,
    total: { slots: SLOTS, memory: 2 ** 33, disk: 2 ** 36 },
    inherited: {},
    jobs: new JobCache(platform.store, 600_000),
    streaks: new FailureStreaks(),
    denials: new Denials(),
    emptyDirectories: new Set(),
    retrier: { run: (act) => act() },
    secrets: new SecretReader({ source: null }),
    executor: { run: () => Promise.reject(new Error('nothing is run here')), close: async () => undefined },
    record: (event) => recorder.add(event),
    log: { info: () => undefined, warn: () => undefined },
    passed: () => undefined,
    faults: null,
  };
  return { ctx, directory: prepareSlotDirectory(scratch, 0), done: 0, failed: 0 };
}

/** Writes the worker's last heartbeat. */
async function leave({ ctx, done, failed }: Worker): Promise<void> {
  const { platform, worker, scratch } = ctx;
  const times = { startedAt: START + 2_000, seenAt: platform.clock.now() };
  const last = ledgerWorker({ worker, host: 'bench', state: 'gone', slots: SLOTS, busy: [], done, failed, ...times });
  await (await platform.ledger()).heartbeat(last);
  await platform.close();
  rmSync(scratch, { recursive: true, force: true });
}

const [directory = '', tasks = '', seed = '1'] = process.argv.slice(2);
if (directory === '' || !/^[1-9]\d*$/.test(tasks)) {
  console.error('usage: node --import tsx bench/million-job.ts DIRECTORY TASKS [SEED]');
  process.exitCode = 2;
} else {
  console.log(JSON.stringify(await makeJob(resolve(directory), Number(tasks), Number(seed))));
}
