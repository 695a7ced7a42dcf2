import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AwsClients } from '../../../src/adapters/aws/clients.ts';
import type { Imds } from '../../../src/adapters/aws/imds.ts';
import { AwsMachine } from '../../../src/adapters/aws/machine.ts';
import { ScalingGroup } from '../../../src/adapters/aws/scaling-group.ts';
import { UnmanagedGroup } from '../../../src/adapters/aws/unmanaged-group.ts';
import { openStoreLedger } from '../../../src/adapters/store/store-ledger.ts';
import { BatchctlError } from '../../../src/errors.ts';
import { raiseGroups } from '../../../src/jobs/grid/raise.ts';
import { refreshView } from '../../../src/jobs/journal.ts';
import { specOfValue } from '../../../src/jobs/spec/job-file.ts';
import { prepare } from '../../../src/jobs/submit/prepare.ts';
import { submit } from '../../../src/jobs/submit/submit.ts';
import { sharedMonotonic } from '../../../src/lib/thread.ts';
import { wait } from '../../../src/lib/wait.ts';
import { randomNormal, seededRandom } from '../../../src/model/forecast/section.ts';
import { outPrefix } from '../../../src/model/keys.ts';
import { type JobView, stateOf } from '../../../src/model/view.ts';
import { OTHER_MACHINES } from '../../../src/platform/other-machines.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { Receipt, TaskQueue } from '../../../src/ports/task-queue.ts';
import type { CommandEnd, Executor } from '../../../src/worker/executor.ts';
import type { LeaseThreadData, MessageToThread } from '../../../src/worker/held-leases.ts';
import { LeaseHeartbeat } from '../../../src/worker/lease-heartbeat.ts';
import { VirtualTime } from '../held-time.ts';
import { runWorkerInProcess } from '../inside-worker.ts';
import { submissionRequest } from '../submission-request.ts';
import { FleetBucket } from './bucket.ts';
import { FleetQueue } from './queue.ts';
import { Requests } from './requests.ts';
import { type FleetInstance, FleetScaling } from './scaling.ts';

export interface FleetOptions {
  readonly machines: number;
  readonly slots: number;
  readonly tasks: number;
  /** Median of the tasks' durations, which are log-normal with a sigma of 0.45. */
  readonly seconds: number;
  readonly seed?: number;
  /** The job's limit; by default none. */
  readonly maxRunning?: number;
  /** The number of SSM parameters that each attempt reads, and how many SSM returns per second. */
  readonly secrets?: number;
  readonly ssmRate?: number;
}

const LEASE = 120;
const STEP = 'price';
/** Answers per second for an account by default (Systems Manager: quotas). */
const SSM_RATE = 40;
/** Seconds from launch until a worker starts, at least and at most. */
const BOOT = { least: 60, most: 120 } as const;

interface Process {
  dead: boolean;
}

/**
 * A grid in simulated time. Workers are real and run in this process. The bucket, the queue, the Auto Scaling group, boots
 * and commands are simulated.
 */
export class Fleet {
  readonly time: VirtualTime;
  readonly requests: Requests;
  readonly bucket: FleetBucket;
  readonly queue: FleetQueue;
  readonly scaling: FleetScaling;
  readonly options: FleetOptions;
  /** The number of attempts that began to run. */
  attempts = 0;
  /** The errors of failed workers. */
  readonly failures: string[] = [];
  readonly #endThreads: () => void;
  readonly #scratch = mkdtempSync(join(tmpdir(), 'fleet-'));
  readonly #random;
  readonly #seconds: readonly number[];
  readonly #operator: Platform;
  #view: JobView | null = null;

  constructor(options: FleetOptions) {
    const { seed = 7, tasks, seconds, machines } = options;
    this.options = options;
    this.time = new VirtualTime(seed);
    this.#endThreads = threadsInProcess();
    this.#random = seededRandom(seed + 1);
    this.#seconds = Array.from({ length: tasks }, () => seconds * Math.exp(0.45 * randomNormal(this.#random)));
    const now = (): number => this.time.now();
    this.requests = new Requests(() => this.time.monotonic());
    this.bucket = new FleetBucket(this.requests, now);
    this.queue = new FleetQueue(this.requests, LEASE, now);
    this.scaling = new FleetScaling({
      name: 'month-end-default',
      requests: this.requests,
      max: machines,
      now,
      boot: (instance) => void this.#boot(instance),
    });
    this.#operator = this.#platform('ann@desk');
  }

  /** Submits the job, and raises the group for it. */
  async submit(): Promise<void> {
    const { tasks, maxRunning } = this.options;
    const spec = specOfValue(
      {
        name: 'claims',
        ...(maxRunning !== undefined && { maxRunning }),
        input: { split: { by: 'range', from: 1, to: tasks } },
        steps: [{ name: STEP, run: ['price'], secrets: this.#secrets() }],
      },
      { file: 'claims.json' },
    );
    const request = submissionRequest(spec, this.#scratch);
    const platform = this.#operator;
    const work = async (): Promise<JobView> => {
      const { view } = await submit(platform, await prepare(request, platform.store), { mode: 'new', notBefore: null });
      await raiseGroups(platform, [view], { fresh: true });
      return view;
    };
    this.#view = await this.time.passUntil(work());
  }

  /** Raises the group as a person may. */
  async scale(desired: number): Promise<void> {
    const group = await this.#operator.group('default');
    await this.time.passUntil(group.raise(desired));
  }

  /** The number of published tasks. */
  get published(): number {
    return this.#view === null ? 0 : this.bucket.objects.sorted(outPrefix(this.#view.record.job, STEP)).length;
  }

  async state(): Promise<string> {
    if (this.#view === null) return 'none';
    return stateOf(await this.time.passUntil(refreshView(this.#operator.store, this.#view)));
  }

  get isOver(): boolean {
    return this.published === this.options.tasks && this.scaling.up.length === 0;
  }

  /** Instance-hours that were paid for: by the second, at least a minute per instance. */
  get hours(): number {
    const now = this.time.now();
    let paid = 0;
    for (const { launchedAt, endedAt } of this.scaling.instances.values())
      paid += Math.max(60_000, (endedAt ?? now) - launchedAt);
    return paid / 3_600_000;
  }

  /** The fewest instance-hours that the work takes. */
  get leastHours(): number {
    return this.#seconds.reduce((sum, seconds) => sum + seconds, 0) / this.options.slots / 3_600;
  }

  async end(): Promise<void> {
    this.#endThreads();
    this.time.release();
    rmSync(this.#scratch, { recursive: true, force: true });
  }

  #secrets(): Readonly<Record<string, string>> {
    const names = Array.from({ length: this.options.secrets ?? 0 }, (_, n) => [`SECRET_${n}`, `ssm:/claims/${n}`]);
    return Object.fromEntries(names);
  }

  async #boot(instance: FleetInstance): Promise<void> {
    await wait((BOOT.least + (BOOT.most - BOOT.least) * this.#random()) * 1_000);
    if (!isRunning(instance)) return;
    // The requests of the instance's boot (src/infra/boot): the program, which the CLI heads and then gets, the last boots,
    // and the mark of this one. Then those of the worker, for its identity, group and queues; its heartbeats repeat the last.
    for (const kind of ['HeadObject releases', 'GetObject releases', 'ListObjectsV2 groups', 'PutObject groups'])
      this.requests.count(`s3:${kind}`);
    this.requests.count('sts:GetCallerIdentity');
    this.requests.count('autoscaling:DescribeAutoScalingInstances');
    this.requests.count('sqs:GetQueueUrl', 3);
    this.requests.count('sqs:GetQueueAttributes', 2);
    this.requests.count('sqs:ListQueueTags');
    const process: Process = { dead: false };
    const watch = setInterval(() => {
      if (!isRunning(instance)) process.dead = true;
    }, 1_000);
    // systemd restarts a worker that fails, as long as its instance runs.
    for (let start = 0; isRunning(instance); start += 1) {
      const failure = await this.#work(instance, `w-${instance.id.slice(-6)}-${start}`, process);
      if (failure === null) break;
      this.failures.push(failure);
      await wait(10_000);
    }
    clearInterval(watch);
  }

  /** Runs a worker. Returns its error; null if it did not fail. */
  async #work(instance: FleetInstance, who: string, process: Process): Promise<string | null> {
    try {
      await runWorkerInProcess(this.#platform(who, process, instance), this.options.slots, {
        host: instance.id,
        makeExecutor: () => this.#executor(process),
      });
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #executor(process: Process): Executor {
    return {
      run: async (_slot, { env }, signal): Promise<CommandEnd> => {
        const seconds = this.#seconds[Number(env.BATCHCTL_TASK?.replace(/^.*\//, ''))] ?? this.options.seconds;
        this.attempts += 1;
        await wait(seconds * 1_000, signal);
        await untilAlive(process);
        const how = signal.aborted ? 'aborted' : 'exit';
        const code = signal.aborted ? 143 : 0;
        return { how, code, signal: null, seconds, cpuSeconds: null, peakMemory: null, strays: 0 };
      },
      close: async () => undefined,
    };
  }

  #platform(who: string, process: Process = { dead: false }, instance: FleetInstance | null = null): Platform {
    const alive = (): Promise<void> => untilAlive(process);
    const { time, scaling } = this;
    const store = this.bucket.storeFor(alive);
    const ledger = openStoreLedger({ store, writer: who, clock: time, shares: instance !== null });
    const queue = this.queue.clientFor(alive);
    const scalingClient = {
      send: async (command: Parameters<typeof scaling.send>[0]) => {
        await alive();
        return scaling.send(command);
      },
    };
    const clients = { autoScaling: async () => scalingClient, profile: null, account: null, region: 'eu-west-1' };
    const awsClients = clients as unknown as AwsClients;
    const machine = instance === null ? null : this.#machine(instance, awsClients);
    const platform: Platform = {
      store,
      clock: time,
      who,
      leaseSeconds: LEASE,
      workplace: OTHER_MACHINES,
      groups: ['default'],
      bucket: async () => store as never,
      ledger: async () => ledger,
      queue: async () => queue,
      group: async (group) =>
        new ScalingGroup({
          group,
          name: scaling.name,
          clients: awsClients,
          slots: this.options.slots,
          clock: time,
          here: new UnmanagedGroup(group, scaling.max, platform),
          allowed: async () => undefined,
        }),
      queueModule: () => ({ module: '', exportName: '', options: { open: async () => queue } }),
      machine: async () => machine,
      scratch: async (worker) => mkdtempSync(join(this.#scratch, `${worker}-`)),
      localFile: () => null,
      secrets: {
        read: async () => {
          const { ssmRate = SSM_RATE } = this.options;
          const isOver = this.requests.count('ssm:GetParameter') > ssmRate;
          await wait(20);
          if (isOver) throw new BatchctlError('unavailable', 'could not GetParameter: ThrottlingException');
          return 'secret';
        },
      },
      close: async () => undefined,
    };
    return platform;
  }

  #machine(instance: FleetInstance, clients: AwsClients): AwsMachine {
    const imds = {
      get: async (path: string): Promise<string | null> => {
        this.requests.count('imds:GET');
        if (path === 'meta-data/spot/instance-action') return instance.action;
        if (path === 'meta-data/events/recommendations/rebalance') return instance.rebalance;
        return instance.state.startsWith('Terminat') ? 'Terminated' : 'InService';
      },
    };
    return new AwsMachine({
      clients,
      imds: imds as unknown as Imds,
      scalingGroup: this.scaling.name,
      now: () => this.time.now(),
      facts: {
        instance: instance.id,
        type: 'c7g.large',
        zone: 'eu-west-1a',
        lifeCycle: 'spot',
        release: null,
        launchedAt: instance.launchedAt,
      },
    });
  }
}

const isRunning = ({ state }: FleetInstance): boolean => state !== 'Terminated';

/** Never resolves if the process is dead. */
function untilAlive(process: Process): Promise<void> {
  return process.dead ? new Promise(() => undefined) : Promise.resolve();
}

/** The options of a queue's module in a simulation: the queue itself. */
interface InProcessQueue {
  readonly open: () => Promise<Pick<TaskQueue, 'extend'>>;
}

/**
 * Runs threads in this thread from now on, so that they use simulated time. Lease heartbeats are the real ones; the loop
 * watch does nothing. Returns a function that ends this.
 */
function threadsInProcess(): () => void {
  const threads: { Worker: unknown } = createRequire(import.meta.url)('node:worker_threads');
  const real = threads.Worker;
  threads.Worker = InProcessThread;
  syncBuiltinESMExports();
  return () => {
    threads.Worker = real;
    syncBuiltinESMExports();
  };
}

class InProcessThread extends EventEmitter {
  readonly #heartbeat: LeaseHeartbeat | null;

  constructor(
    _source: string,
    { workerData }: { readonly workerData: LeaseThreadData | { readonly queue?: undefined } },
  ) {
    super();
    if (workerData.queue === undefined) {
      this.#heartbeat = null;
      return;
    }
    const { open } = workerData.queue.options as InProcessQueue;
    let opened: ReturnType<typeof open> | null = null;
    this.#heartbeat = new LeaseHeartbeat({
      open: () => {
        opened ??= open();
        return opened;
      },
      leaseMs: workerData.leaseMs,
      now: () => performance.now(),
      onLost: (receipts: readonly Receipt[]) => this.emit('message', { kind: 'lost', receipts }),
      onError: (error) => this.emit('message', { kind: 'error', message: String(error) }),
      onBusy: () => undefined,
    });
  }

  postMessage(message: MessageToThread): void {
    const heartbeat = this.#heartbeat;
    if (heartbeat === null) return;
    if (message.kind === 'hold') {
      heartbeat.hold(message.receipts, message.deadline - sharedMonotonic() + performance.now());
    } else if (message.kind === 'drop') heartbeat.drop(message.receipts);
    else if (message.kind === 'settle') {
      heartbeat.drop(message.receipts);
      void heartbeat
        .awaitExtension(message.receipts)
        .then(() => this.emit('message', { kind: 'settled', id: message.id }));
    } else void heartbeat.stop().then(() => this.emit('exit', 0));
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  async terminate(): Promise<number> {
    await this.#heartbeat?.stop();
    return 0;
  }
}
