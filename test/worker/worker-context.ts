import { join } from 'node:path';
import { Deliveries } from '../../src/jobs/deliver/deliver.ts';
import { JobWatcher } from '../../src/jobs/watch/job-watcher.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { FailureStreaks } from '../../src/model/breaker.ts';
import { stepIndex } from '../../src/model/job.ts';
import { encodeMessage, type TaskMessage } from '../../src/model/message.ts';
import type { JobView } from '../../src/model/view.ts';
import { THIS_MACHINE } from '../../src/platform/open-platform.ts';
import type { Platform } from '../../src/ports/platform.ts';
import type { Delivery, Receipt, TaskQueue } from '../../src/ports/task-queue.ts';
import type { AdmittedTask } from '../../src/worker/admitted-task.ts';
import type { AttemptOptions } from '../../src/worker/attempt.ts';
import type { WorkerContext, WorkerLog } from '../../src/worker/context.ts';
import { Denials } from '../../src/worker/denials.ts';
import { Departure } from '../../src/worker/departure.ts';
import { Dispatcher } from '../../src/worker/dispatcher.ts';
import type { CommandEnd } from '../../src/worker/executor.ts';
import { Intake } from '../../src/worker/intake.ts';
import { JobCache } from '../../src/worker/job-cache.ts';
import type { Outcome } from '../../src/worker/outcome.ts';
import { QueueClient } from '../../src/worker/queue-clients.ts';
import { SecretReader } from '../../src/worker/secrets.ts';
import type { SettleItem } from '../../src/worker/settle.ts';
import { CodeCache } from '../../src/worker/stage-in.ts';
import { MemoryStore } from '../support/memory-store.ts';

/**
 * The context of a worker with one slot on this platform. Unless `fields` say otherwise it runs no command, knows no
 * secret, retries nothing, writes nothing to the ledger, and reads each job's journal once.
 */
export function makeContext(platform: Platform, fields: Partial<WorkerContext> = {}): WorkerContext {
  return {
    platform,
    worker: 'w',
    jobs: new JobCache(platform.store, Number.POSITIVE_INFINITY),
    executor: { run: missing('executor'), close: async () => undefined },
    secrets: new SecretReader({ source: null }),
    streaks: new FailureStreaks(),
    denials: new Denials(),
    emptyDirectories: new Set(),
    retrier: { run: (act) => act() },
    scratch: '/no/scratch',
    total: { slots: 1, memory: 2 ** 30, disk: 2 ** 30 },
    inherited: {},
    record: async () => undefined,
    graceMs: 1,
    log: SILENT,
    passed: () => undefined,
    ...fields,
  };
}

/** A platform with a store in memory, and no other service. */
export function makePlatform(fields: Partial<Platform> = {}): Platform {
  return {
    store: new MemoryStore(),
    bucket: missing('bucket'),
    clock: systemClock,
    who: 'w',
    leaseSeconds: 15,
    workplace: THIS_MACHINE,
    ledger: missing('ledger'),
    queue: missing('queue'),
    group: missing('worker group'),
    queueModule: () => ({ module: '', exportName: '', options: null }),
    scratch: missing('scratch directory'),
    localFile: () => null,
    close: async () => undefined,
    ...fields,
  };
}

/** A task's message as it is first delivered. */
export function deliveryOf(message: TaskMessage, fields: Partial<Delivery> = {}): Delivery {
  return { receipt: 'r' as Receipt, body: encodeMessage(message), receiveCount: 1, sentAt: 0, ...fields };
}

/** The first attempt of a task of this job, as admitted: task 0 of the first step, unless `message` says otherwise. */
export function makeTask(
  view: JobView,
  message: Partial<TaskMessage> = {},
  fields: Partial<Omit<AdmittedTask, 'kind' | 'message' | 'view'>> = {},
): AdmittedTask {
  const { job, spec } = view.record;
  const whole: TaskMessage = { job, step: spec.steps[0]?.name ?? '', task: 0, round: 0, ...message };
  const index = stepIndex(spec, whole.step);
  const step = spec.steps[index];
  if (step === undefined) throw new Error(`job ${job} has no step ${whole.step}`);
  const delivery = deliveryOf(whole);
  return { kind: 'admitted', delivery, message: whole, view, overrides: {}, step, index, number: 1, ...fields };
}

/** A delivery to settle: that of attempt `a` of the task, which ran nothing. */
export function makeItem(task: AdmittedTask, outcome: Outcome, fields: Partial<SettleItem> = {}): SettleItem {
  return {
    queue: makeClient(),
    delivery: task.delivery,
    task,
    number: task.number,
    slot: 0,
    attempt: 'a',
    result: null,
    outcome,
    ...fields,
  };
}

/** An empty queue of the group `default`, whose leases last; `fields` replaces some of its methods. */
export function makeQueue(fields: Partial<TaskQueue> = {}): TaskQueue {
  return {
    group: 'default',
    leaseSeconds: 15,
    send: async () => undefined,
    receive: async () => [],
    extend: async (receipts) => receipts.map(() => 'extended'),
    ack: async () => undefined,
    release: async () => undefined,
    bury: async () => undefined,
    backlog: async () => ({ visible: 0, leased: 0, delayed: 0, dead: 0, oldestSeconds: null }),
    readCounts: async () => ({ visible: 0, leased: 0, delayed: 0 }),
    dead: async function* () {},
    redrive: async () => 0,
    purge: async () => 0,
    close: async () => undefined,
    ...fields,
  };
}

/** The client of such a queue. */
export function makeClient(queue: Partial<TaskQueue> = {}): QueueClient {
  return new QueueClient(makeQueue(queue), {
    hold: () => undefined,
    drop: () => undefined,
    dropAndWait: async () => undefined,
    close: async () => undefined,
  });
}

/** Attempt `a` of a task from the group `default` in slot 0, which nothing ends from outside. */
export function makeAttemptOptions(ctx: WorkerContext, fields: Partial<AttemptOptions> = {}): AttemptOptions {
  return {
    attempt: 'a',
    slot: 0,
    group: 'default',
    leaseSeconds: 15,
    code: new CodeCache(ctx.platform.store, join(ctx.scratch, 'code')),
    signal: new AbortController().signal,
    ...fields,
  };
}

/** The end of a command that exited with 0 after a second. */
export function endOf(fields: Partial<CommandEnd> = {}): CommandEnd {
  return {
    how: 'exit',
    code: 0,
    signal: null,
    seconds: 1,
    cpuSeconds: null,
    peakMemory: null,
    strays: 0,
    ...fields,
  };
}

/** A dispatcher that settles nothing. */
export function makeDispatcher(
  ctx: WorkerContext,
  fields: Partial<ConstructorParameters<typeof Dispatcher>[1]> = {},
): Dispatcher {
  return new Dispatcher(ctx, {
    code: new CodeCache(ctx.platform.store, join(ctx.scratch, 'code')),
    leaseSeconds: 15,
    settle: () => undefined,
    runningElsewhere: () => 0,
    ...fields,
  });
}

export const makeDeparture = ({ store }: Pick<Platform, 'store'>): Departure =>
  new Departure({ log: SILENT, store, groups: ['default'] });

/** The intake of a worker that polls the empty queue of the group `default` until it is drained. */
export function makeIntake(
  platform: Platform,
  dispatcher: Dispatcher,
  fields: Partial<ConstructorParameters<typeof Intake>[0]> = {},
): Intake {
  const { departure = makeDeparture(platform) } = fields;
  const part = { mark: () => undefined, done: () => undefined };
  return new Intake({
    platform,
    dispatcher,
    options: { groups: ['default'], untilEmpty: false, idleExit: null },
    watcher: new JobWatcher(platform, 15),
    deliveries: new Deliveries(platform, departure.drain, SILENT),
    client: async () => makeClient(),
    departure,
    settlements: { idle: async () => undefined, unfit: new Set() },
    log: SILENT,
    watch: { part: () => part, everyMs: 10 },
    rest: null,
    isInStandby: () => false,
    tryLeave: async () => true,
    isTransient: () => false,
    ...fields,
  });
}

export const SILENT: WorkerLog = { info: () => undefined, warn: () => undefined };

/** A service that a test must supply itself. */
function missing(name: string): () => Promise<never> {
  return async () => {
    throw new Error(`this test has no ${name}`);
  };
}
