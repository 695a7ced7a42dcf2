import { closeSync, existsSync, lstatSync, mkdirSync, openSync, statfsSync } from 'node:fs';
import { Big } from 'big.js';
import { BatchctlError, hasCode, isRefusal, messageOf } from '../errors.ts';
import { pauseForAccess } from '../jobs/denied-job.ts';
import { kindOfFile, openPlainFile } from '../lib/plain-file.ts';
import { readRange } from '../lib/read-file.ts';
import { DENIED_REASON } from '../model/journal.ts';
import { begunKey, logKey } from '../model/keys.ts';
import { changedCode } from '../model/overrides.ts';
import { MARK_AFTER_DELIVERIES } from './admit.ts';
import type { AdmittedTask } from './admitted-task.ts';
import { chownTree } from './command-user.ts';
import type { WorkerContext } from './context.ts';
import { denialText, refusedSecretText } from './denials.ts';
import { commandOf, environmentOf, secretsOf, withOutputExtension } from './environment.ts';
import type { CommandEnd } from './executor.ts';
import { inputMark, refuseNoOutput } from './left-files.ts';
import {
  type EndReason,
  failureOf,
  failureOfError,
  judgeFailure,
  type Outcome,
  outcomeOfAbort,
  SERVICE_DELAY,
  shortMessageOf,
  WRITTEN_OUTCOMES,
} from './outcome.ts';
import { publish } from './publish.ts';
import { type FailedAttempt, putFailure } from './put-failure.ts';
import { publishRetryMs, Retrier } from './retrier.ts';
import { maskSecrets, SecretRefused, type Secrets } from './secrets.ts';
import { prepareSlotDirectory, type SlotDirectory } from './slot-directory.ts';
import { type CodeCache, type StagedInput, stageIn } from './stage-in.ts';
import { lastLine, STDERR_KEPT, StderrUploader, uploadLog } from './stderr.ts';

export interface AttemptResult {
  readonly outcome: Outcome;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly end: CommandEnd | null;
  readonly bytesIn: number | null;
}

export interface AttemptOptions {
  readonly attempt: string;
  readonly slot: number;
  /** The worker group whose queue delivered the task. */
  readonly group: string;
  readonly leaseSeconds: number;
  readonly code: CodeCache;
  /** Aborted with an `EndReason`. */
  readonly signal: AbortSignal;
}

/** The shared state of the steps of one attempt. */
interface AttemptRun {
  readonly ctx: WorkerContext;
  readonly task: AdmittedTask;
  readonly options: AttemptOptions;
  readonly directory: SlotDirectory;
  readonly secrets: Secrets;
  /** What no log and no error may show: the secrets, and what the URL of its input gives away. */
  readonly masked: Secrets;
  readonly startedAt: number;
  /** Monotonic. */
  readonly started: number;
}

const LONGEST_TAIL_MS = 30_000;

/**
 * Stages in, executes, judges, and publishes or writes the failure. Every end is an outcome; never throws. `keeps`: uses
 * files of the slot again, as long as these can be written.
 */
export async function runAttempt(
  ctx: WorkerContext,
  task: AdmittedTask,
  options: AttemptOptions,
  keeps = true,
): Promise<AttemptResult> {
  const { clock } = ctx.platform;
  let [startedAt, started] = [clock.now(), clock.monotonic()];
  let end: CommandEnd | null = null;
  let staged: StagedInput | null = null;
  let outcome: Outcome;
  let masked: Secrets = {};
  let hasResult = false;
  try {
    if (task.delivery.receiveCount > MARK_AFTER_DELIVERIES)
      await ctx.platform.store.put(begunMark(task, options.attempt), '');
    const prepared = slotDirectory(ctx, options.slot, keeps);
    const secrets = await ctx.secrets.read(secretsOf(ctx.platform, options.group, task.step), options.signal);
    // Waiting for a throttling service takes nothing off the command's time.
    [startedAt, started] = [clock.now(), clock.monotonic()];
    masked = secrets;
    const input = await stageIn(ctx, task, prepared, options.signal);
    staged = input;
    masked = { ...secrets, ...input.unstaged?.secrets };
    const directory = withOutputExtension(prepared, task, input);
    const run: AttemptRun = { ctx, task, options, directory, secrets, masked, startedAt, started };
    const code = codeOf(task);
    if (code !== null) await options.code.copyInto(code, directory.cwd);
    ctx.passed('stage');
    const injected = ctx.faults?.failureFor(task.message, task.number) ?? null;
    if (injected !== null) {
      outcome = judgeFailure(task, injected);
    } else {
      const mark = task.step.output === 'none' ? null : inputMark(input.path);
      const doomed = ctx.faults?.onStart() ?? null;
      end = await withStderrUpload(run, () => execute(run, input));
      if (end.how === 'missing' && keeps) requireWritable(directory.stderr);
      if (doomed !== null) await doomed;
      // For a command that never started, the file is from the previous attempt.
      const ran = end.how !== 'aborted' || end.code !== null;
      hasResult = true;
      const retrier = publishRetrier(run, end.seconds);
      const { store } = ctx.platform;
      if (ran) {
        const { stderrBytes } = end;
        await retrier.run(() =>
          uploadLog(store, task.message, options.attempt, directory.stderr, run.masked, stderrBytes),
        );
      }
      outcome = await publishOrFail(run, end, { ...input, mark }, retrier);
    }
  } catch (error) {
    // A command of root can protect a file that the slot keeps, so that its next command can't start.
    if (keeps && !hasResult && hasCode(error, 'EPERM', 'EACCES')) return runAttempt(ctx, task, options, false);
    outcome = outcomeOfError(ctx, task, error, { ...options, hasResult });
  }
  outcome = maskOutcome(outcome, masked);
  // The store and the ledger get the same facts.
  const endedAt = clock.now();
  if (outcome.kind === 'retry' || outcome.kind === 'failed') {
    const wholeRecords = staged?.wholeRecords === true;
    const seconds = end?.seconds ?? 0;
    outcome = await storeFailure({ ctx, task, options }, { outcome, startedAt, endedAt, wholeRecords, seconds });
  }
  if (WRITTEN_OUTCOMES.includes(outcome.kind)) ctx.denials.clear(task.message.job);
  return { outcome, startedAt, endedAt, end, bytesIn: staged?.bytes ?? null };
}

function slotDirectory(ctx: WorkerContext, slot: number, keeps: boolean): SlotDirectory {
  const { scratch, executor, log, emptyDirectories: empty } = ctx;
  const owner = executor.owner?.(slot) ?? null;
  const onLeft = (path: string, error: unknown): void =>
    log.warn(`slot ${slot} uses a new directory, because ${path} can't be emptied (${messageOf(error)}): remove it`);
  return prepareSlotDirectory(scratch, slot, { owner, onLeft, keeps, empty });
}

/** Throws EPERM for a protected file. */
function requireWritable(path: string): void {
  if (existsSync(path)) closeSync(openSync(path, 'r+'));
}

/** Uploads stderr while the command runs; the whole log is stored only after the last such upload. */
async function withStderrUpload<T>(
  { ctx, task, options, directory, masked: secrets }: AttemptRun,
  work: () => Promise<T>,
): Promise<T> {
  const { job, step, task: n } = task.message;
  const key = logKey(job, step, n, options.attempt);
  const everyMs = Math.min(LONGEST_TAIL_MS, (options.leaseSeconds * 1_000) / 3);
  const tail = new StderrUploader({ store: ctx.platform.store, key, path: directory.stderr, secrets, everyMs });
  try {
    return await work();
  } finally {
    await tail.stop();
  }
}

function execute(run: AttemptRun, staged: StagedInput): Promise<CommandEnd> {
  const { ctx, task, options, directory } = run;
  const { step } = task;
  const timeout = step.timeout * 1_000;
  if (step.output === 'files') mkdirSync(directory.outputDirectory, { mode: 0o700 });
  if (directory.own !== undefined) {
    const { stdin, inputDirectory, cwd } = directory;
    for (const path of [staged.path ?? stdin, inputDirectory, directory.outputDirectory, cwd])
      chownTree(directory.own.owner, path);
  }
  const env = environmentOf(task, staged, directory, {
    worker: ctx.worker,
    attempt: options.attempt,
    leaseSeconds: options.leaseSeconds,
    deadline: run.startedAt + timeout,
    secrets: run.secrets,
    inherited: ctx.inherited,
    groupEnv: ctx.platform.commandSettings?.(options.group).env ?? {},
  });
  const { outputFile, outputDirectory } = directory;
  const outputs = { stdout: [], none: [], file: [outputFile], files: [outputDirectory] }[step.output];
  return ctx.executor.run(
    options.slot,
    {
      attempt: options.attempt,
      run: commandOf(task, staged, directory),
      cwd: directory.cwd,
      env,
      stdin: staged.stdin,
      stdout: directory.stdout,
      stderr: directory.stderr,
      outputs,
      timeoutMs: Math.max(1, timeout - (ctx.platform.clock.monotonic() - run.started)),
      stallMs: step.stall === null ? null : step.stall * 1_000,
      graceMs: ctx.graceMs,
      stderrLimit: STDERR_KEPT,
    },
    options.signal,
  );
}

/** The command has ended and its result is on this machine, so it is kept while a service is busy. */
function publishRetrier(
  { ctx, task, options }: Pick<AttemptRun, 'ctx' | 'task' | 'options'>,
  seconds: number,
): Retrier {
  const { job, step, task: number } = task.message;
  const limitMs = publishRetryMs(seconds);
  const monotonic = (): number => ctx.platform.clock.monotonic();
  return new Retrier({
    limitMs,
    signal: options.signal,
    monotonic,
    onTrouble: (error) =>
      ctx.log.warn(
        `${job}/${step}/${number} is done but can't be stored yet; retrying for up to ${Math.round(limitMs / 60_000)} min: ${shortMessageOf(error)}`,
      ),
    onRefusal: async (error) => {
      if (!ctx.denials.recordDenial(job, FIRST_DELIVERY, monotonic())) return;
      await pauseJob(ctx, task, denialText(error, { group: options.group, store: ctx.platform.store }));
    },
  });
}

/** The result waits here for the service, so a refusal is repeated only once it has lasted. */
const FIRST_DELIVERY = { receiveCount: 1 };

/** Pauses the job as long as its results are refused, also if a person has resumed it too early. Never rejects. */
async function pauseJob({ platform, jobs, log }: WorkerContext, { view }: AdmittedTask, why: string): Promise<void> {
  try {
    const after = await pauseForAccess(platform, view, DENIED_REASON, why);
    await jobs.refresh(after);
  } catch (error) {
    // The store may refuse this too. The result waits nevertheless.
    log.warn(`job ${view.record.job} could not be paused: ${shortMessageOf(error)}`);
  }
}

async function publishOrFail(
  run: AttemptRun,
  end: CommandEnd,
  staged: StagedInput & { readonly mark: string | null },
  retrier: Retrier,
): Promise<Outcome> {
  const { ctx, task, options, directory } = run;
  if (end.how === 'aborted') return outcomeOfAbort(task, options.signal.reason as EndReason);
  // First: a command that read something else may have failed for that, or have another result.
  const { unstaged } = staged;
  if (unstaged !== undefined) await retrier.run(() => unstaged.check());
  if (end.how !== 'exit' || end.code !== 0) {
    // Not a failure of the command: it could not write, and can't until space is freed.
    if (diskIsFull(ctx.scratch)) throw new BatchctlError('full', `the disk of ${ctx.scratch} is full`);
    return judgeFailure(task, failureOf(end, lastLine(directory.stderr, run.masked)));
  }
  let counters: Readonly<Record<string, string>>;
  try {
    counters = parseCounters(readCounters(directory.counters));
  } catch (error) {
    return judgeFailure(task, { reason: 'counters', exitCode: 0, error: shortMessageOf(error) });
  }
  const code = codeOf(task);
  const isGiven = (path: string): boolean => code !== null && options.code.has(code, path);
  const onEmpty = (): unknown => ctx.emptyDirectories.add(directory.cwd);
  const places = { directory, isGiven, input: staged.path, mark: staged.mark, onEmpty };
  const refuse = (): void => refuseNoOutput(task.step.output, places);
  const target = { store: ctx.platform.store, retrier, signal: options.signal, refuseNoOutput: refuse };
  const outcome = await publish(target, task, directory, {
    attempt: options.attempt,
    number: task.number,
    round: task.message.round,
    worker: ctx.worker,
    startedAt: new Date(run.startedAt).toISOString(),
    endedAt: new Date(ctx.platform.clock.now()).toISOString(),
    seconds: end.seconds,
    cpuSeconds: end.cpuSeconds,
    peakMemory: end.peakMemory,
    bytesIn: staged.bytes,
    counters,
    ...(staged.inputChecksum !== undefined && { inputChecksum: staged.inputChecksum }),
    code,
    ...(staged.wholeRecords && { wholeRecords: true }),
  });
  ctx.passed('publish');
  return outcome;
}

/** Writes a failure to the store. If that fails, the task is returned and its command runs again. */
async function storeFailure(
  run: Pick<AttemptRun, 'ctx' | 'task' | 'options'>,
  { seconds, ...failed }: Omit<FailedAttempt, 'task' | 'attempt' | 'number'> & { readonly seconds: number },
): Promise<Outcome> {
  const { ctx, task, options } = run;
  const { attempt, signal } = options;
  const failing = { ...failed, task, attempt, number: task.number };
  try {
    await publishRetrier(run, seconds).run(() => putFailure(ctx, failing));
    return failed.outcome;
  } catch (error) {
    const reason: EndReason | null = signal.aborted ? signal.reason : null;
    // The next worker that receives it reads in the journal that it must fail.
    return reason === null || reason === 'killFail' ? returnTask(ctx, task, error) : outcomeOfAbort(task, reason);
  }
}

/** The mark that an attempt of an often delivered task leaves until it is settled. */
export function begunMark(
  { message: { job, step, task, round } }: Pick<AdmittedTask, 'message'>,
  attempt: string,
): string {
  return begunKey(job, step, task, round, attempt);
}

/** The code for an attempt: the corrected one of a retry, or else the job's own. */
function codeOf(task: AdmittedTask): string | null {
  return changedCode(task.view.record, task.overrides);
}

/** An error of the input or output fails the task; an error of a service returns it. */
function outcomeOfError(
  ctx: WorkerContext,
  task: AdmittedTask,
  error: unknown,
  { signal, group, hasResult }: Pick<AttemptOptions, 'signal' | 'group'> & { readonly hasResult: boolean },
): Outcome {
  if (signal.aborted) return outcomeOfAbort(task, signal.reason as EndReason);
  const { job, step, task: number } = task.message;
  if (error instanceof SecretRefused) {
    ctx.log.warn(`${job}/${step}/${number} is returned, and the job paused: ${shortMessageOf(error)}`);
    return { kind: 'secretRefused', error: refusedSecretText(error, group) };
  }
  const failure = failureOfError(error);
  if (failure !== null) return judgeFailure(task, failure);
  // A result has waited for the service by now.
  const lasts = (): boolean =>
    hasResult || ctx.denials.recordDenial(job, task.delivery, ctx.platform.clock.monotonic());
  if (isRefusal(error) && lasts()) {
    ctx.log.warn(`${job}/${step}/${number} is returned, and the job paused: ${shortMessageOf(error)}`);
    return { kind: 'denied', error: denialText(error, { group, store: ctx.platform.store }) };
  }
  return returnTask(ctx, task, error);
}

function returnTask({ log }: WorkerContext, { message: { job, step, task } }: AdmittedTask, error: unknown): Outcome {
  log.warn(`${job}/${step}/${task} is returned: ${shortMessageOf(error)}`);
  return { kind: 'interrupted', why: 'service', delay: SERVICE_DELAY, error };
}

/** An error may quote a secret that the command wrote: in its counters, or as a file name. */
function maskOutcome(outcome: Outcome, secrets: Secrets): Outcome {
  if ((outcome.kind !== 'retry' && outcome.kind !== 'failed') || outcome.failure.error === null) return outcome;
  return { ...outcome, failure: { ...outcome.failure, error: maskSecrets(outcome.failure.error, secrets) } };
}

/** Bytes of `$BATCHCTL_COUNTERS`: a hundred counters need less than 13 KiB. */
const MOST_COUNTER_BYTES = 2 ** 20;

/** The text of the counters' file, '' if there is none. Throws a RangeError for anything that a worker doesn't read. */
function readCounters(path: string): string {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return '';
  const file = openPlainFile(path);
  if (file === null)
    throw new RangeError(`expected $BATCHCTL_COUNTERS to be a regular file, found ${kindOfFile(found)}`);
  try {
    const bytes = readRange(file.fd, { offset: 0, length: Math.min(file.stats.size, MOST_COUNTER_BYTES) + 1 });
    if (bytes.length <= MOST_COUNTER_BYTES) return bytes.toString('utf8');
    throw new RangeError(
      `expected at most 1 MiB in $BATCHCTL_COUNTERS, found ${file.stats.size} bytes: write each counter once`,
    );
  } finally {
    closeSync(file.fd);
  }
}

/** Less free space than this counts as none, bytes: a block or two may be free when a write fails. */
const MIN_FREE_BYTES = 2 ** 20;

/** Whether the file system of a directory is full for this process. */
function diskIsFull(directory: string): boolean {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize < MIN_FREE_BYTES;
}

/**
 * Parses `$BATCHCTL_COUNTERS`: lines `name value`, with a decimal value with or without a sign (`12.50`, `-3`, `+5`);
 * repeated names are added up. Throws a RangeError.
 */
export function parseCounters(text: string): Readonly<Record<string, string>> {
  const sums = new Map<string, Big>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const match = /^\s*([A-Za-z][A-Za-z0-9_.-]{0,63})\s+(?:\+(?!-))?(-?\d{1,40}(?:\.\d{1,20})?)\s*$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) {
      throw new RangeError(`line ${index + 1} of $BATCHCTL_COUNTERS is not "name value": ${line.slice(0, 80)}`);
    }
    sums.set(match[1], (sums.get(match[1]) ?? Big(0)).plus(match[2]));
  }
  if (sums.size > 100)
    throw new RangeError(`$BATCHCTL_COUNTERS has ${sums.size} counters, but at most 100 are allowed`);
  return Object.fromEntries([...sums].map(([name, sum]) => [name, sum.toFixed()]));
}
