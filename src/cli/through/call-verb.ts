import { PassThrough } from 'node:stream';
import type { BatchctlError } from '../../errors.ts';
import { filesInArchive } from '../../jobs/code-archive.ts';
import { requireEnded } from '../../jobs/job-exit.ts';
import { requireView } from '../../jobs/journal.ts';
import { PAGE, type ValueFrame } from '../../model/api.ts';
import { JOB_ID_PATTERN } from '../../model/keys.ts';
import type { JobView } from '../../model/view.ts';
import type { Manager } from '../../ports/manager.ts';
import type { Attachments, VerbRequest } from '../../ports/verbs.ts';
import { type CallEvents, NO_EVENTS } from '../../verbs/context.ts';
import { status } from '../../verbs/status.ts';
import {
  asCallable,
  type Fields,
  type FieldValues,
  fileFields,
  type Resumption,
  scopeOf,
  typedInput,
  type VerbDeclaration,
} from '../../verbs/verb.ts';
import type { RawInput } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { runInProcess } from '../in-process.ts';
import { openText } from '../open-job-file.ts';
import { parseSubmission } from '../submit-progress.ts';
import { attachCode, attachPlan, attachSubmission, type LocalJob, openLocalJob } from './attach-job.ts';
import {
  type ContentFrame,
  callWithRetries,
  errorOf,
  type FrameReceiver,
  type RetryContext,
  type RetryMode,
  type VerbResult,
} from './call-with-retries.ts';

/** Has a manager run a declared verb. Reports events, and returns the answer or throws the error as if it ran here. */
export async function callVerb<Result, Event>(
  ctx: Context,
  manager: Manager,
  verb: VerbDeclaration<Fields, Result, Event>,
  given: RawInput,
  events: CallEvents<Event>,
  sent: Attachments | null = null,
): Promise<Result> {
  const typed = typedInput(verb, given);
  if (verb.runsLocally?.(typed) === true) return callLocally(ctx, manager, verb, given, events);
  const mode = retryModeOf(verb, given, typed);
  // After a reconnection, `last` could be another job.
  const job = mode === 'follows' ? await jobIdFromManager(ctx, manager, given.job) : null;
  const input = job === null ? given : { ...given, job };
  const asked: VerbRequest = {
    name: verb.name,
    input,
    dryRun: ctx.flags.dryRun,
    yes: ctx.flags.yes,
    tz: await ctx.zone(),
    attachments: sent ?? (await attachmentsOf(ctx, manager, verb, given)),
  };
  const retrying: RetryContext = {
    ctx,
    mode,
    checkCommand: checkCommandOf(verb.name, given),
    ...(job !== null && {
      onInterrupted: () =>
        verb.interruptedError?.({ ...typed, job }) ??
        interruptedFollowError(job, verb.continueCommand?.(job, typed) ?? `batchctl ${verb.name} ${job}`),
    }),
  };
  const rows = verb.list ? new PassThrough({ objectMode: true }) : null;
  const values = new AnswerReceiver<Event>(ctx, events, rows, verb.createResumption?.() ?? null);
  const callPage = (page: RawInput): Promise<VerbResult> =>
    callAndConfirm(retrying, verb.name, values, (yes, seconds) =>
      manager.call({ ...asked, yes, input: { ...input, ...timeoutLeft(typed, seconds), ...page } }, ctx.signal),
    );
  const ending = (verb.cursorOf === undefined ? callPage({}) : callPages(typed.limit, values, callPage)).then(
    () => values.answer,
  );
  if (rows === null) return (await ending) as Result;
  ending.then(
    () => rows.end(),
    (error: Error) => rows.destroy(error),
  );
  return shownRows(rows) as unknown as Result;
}

/** Asks for a list page by page, up to the limit of the call. Each page may be retried until a row of it is printed. */
async function callPages<Event>(
  most: number | undefined,
  values: Pick<AnswerReceiver<Event>, 'rows' | 'restart'>,
  callPage: (page: RawInput) => Promise<VerbResult>,
): Promise<void> {
  const limitOf = (rows: number): RawInput => ({
    limit: Math.min((most ?? Number.POSITIVE_INFINITY) - rows, PAGE.most),
  });
  for (let page = limitOf(0); ; ) {
    const { next } = await callPage(page);
    if (next === null || (most !== undefined && values.rows >= most)) return;
    values.restart('all');
    page = { ...limitOf(values.rows), after: next };
  }
}

/** Runs a verb in this process, on the manager's store. The manager resolves the job. */
async function callLocally<Result, Event>(
  ctx: Context,
  manager: Manager,
  verb: VerbDeclaration<Fields, Result, Event>,
  given: RawInput,
  events: CallEvents<Event>,
): Promise<Result> {
  const job = await jobIdFromManager(ctx, manager, given.job);
  if (given.job === undefined || given.job === 'last') ctx.notice(`job ${job}`);
  return runInProcess(ctx, verb, { ...given, job }, events);
}

interface PendingRow {
  readonly row: unknown;
  /** Called when the row was shown. */
  readonly shown: () => void;
}

async function* shownRows(rows: PassThrough): AsyncGenerator<unknown, void> {
  for await (const { row, shown } of rows as AsyncIterable<PendingRow>) {
    yield row;
    shown();
  }
}

/** Resolves once the row was shown, so that what follows is shown after it, or once no one reads rows any more. */
async function writeRow(rows: PassThrough, row: unknown): Promise<void> {
  if (rows.destroyed) return;
  await new Promise<void>((resolve) => {
    const shown = (): void => {
      rows.off('close', shown);
      resolve();
    };
    rows.on('close', shown);
    rows.write({ row, shown } satisfies PendingRow);
  });
}

async function callAndConfirm<Event>(
  retrying: RetryContext,
  name: string,
  values: AnswerReceiver<Event>,
  ask: (yes: boolean, seconds: number) => AsyncIterable<ValueFrame>,
): Promise<VerbResult> {
  const { ctx } = retrying;
  const callOnce = (yes: boolean): Promise<VerbResult> =>
    callWithRetries(retrying, name, values, (seconds) => ask(yes, seconds));
  let result = await callOnce(ctx.flags.yes);
  const { stdin, stderr } = ctx.io;
  if (result.error?.question !== undefined && stdin.isTTY === true && stderr.isTTY === true) {
    await confirm(ctx, result.error.question);
    values.restart('all');
    result = await callOnce(true);
  }
  const { error } = result;
  if (error !== null && values.answer === undefined) throw errorOf(error);
  if (error !== null) values.conclude(errorOf(error));
  return result;
}

/** The consequence of a lost connection for a call. */
function retryModeOf<Result, Event>(
  verb: VerbDeclaration<Fields, Result, Event>,
  given: RawInput,
  typed: FieldValues<Fields>,
): RetryMode {
  if (verb.isLongRunning?.(typed) === true) return 'follows';
  const looks = scopeOf(verb, given) === 'read';
  return looks || verb.repeatable?.(typed) === true ? 'looks' : 'changes';
}

/** The files of this machine that a call names: a job file with the files it needs, and small texts. */
async function attachmentsOf<Result, Event>(
  ctx: Context,
  manager: Manager,
  verb: VerbDeclaration<Fields, Result, Event>,
  given: RawInput,
): Promise<Attachments | null> {
  let attachments: Attachments | null = null;
  const texts: Record<string, string> = {};
  for (const [name, kind] of fileFields(verb)) {
    const path = given[name];
    if (typeof path !== 'string') continue;
    if (kind === 'text') texts[path] = await openText(ctx, `--${name}`, path);
    else if (kind === 'job') attachments = await attachJobFile(ctx, manager, path);
    else attachments = await attachJob(ctx, manager, verb.name, await openLocalJob(ctx, path), given);
  }
  if (Object.keys(texts).length === 0) return attachments;
  return { jobFile: null, inputs: [], ...attachments, texts };
}

/** For a dry run nothing is uploaded; the hashes of the files are sent instead. */
async function attachJobFile(ctx: Context, manager: Manager, path: string): Promise<Attachments> {
  const put = !ctx.flags.dryRun;
  const { attachments, code } = await attachCode(ctx, manager, await openLocalJob(ctx, path), put);
  if (put) return attachments;
  const hashes = code === null ? {} : Object.fromEntries(await filesInArchive(code.gzip));
  return { ...attachments, planned: { files: code?.files ?? [], hashes, cut: null } };
}

class AnswerReceiver<Event> implements FrameReceiver {
  readonly #ctx: Context;
  readonly #events: CallEvents<Event>;
  readonly #shownRows: PassThrough | null;
  readonly #resumption: Resumption | null;
  readonly #said: string[] = [];
  /** Notices that a person read before the question; they are not printed again. */
  #toSkip: string[] = [];
  frames = 0;
  /** Rows received in all. */
  rows = 0;
  /** Rows were printed, of a list in pages rows of this page, and can't be taken back. */
  printed = false;
  answer: unknown;

  constructor(ctx: Context, events: CallEvents<Event>, rows: PassThrough | null, resumption: Resumption | null) {
    this.#ctx = ctx;
    this.#events = events;
    this.#shownRows = rows;
    this.#resumption = resumption;
  }

  async receive(frame: ContentFrame): Promise<void> {
    this.frames += 1;
    if ('event' in frame) this.#events.report(frame.event as Event);
    else if ('notice' in frame) this.#say(frame.notice, this.#ctx.notice);
    else if ('warning' in frame) this.#say(frame.warning, this.#ctx.warn);
    else if ('answer' in frame) this.answer = frame.answer;
    else if ('row' in frame && this.#shownRows !== null) {
      this.printed = true;
      this.rows += 1;
      const row = this.#resumption === null ? frame.row : this.#resumption.newPart(frame.row);
      if (row !== null) await writeRow(this.#shownRows, row);
    }
  }

  conclude(error: BatchctlError): void {
    this.#events.conclude(error);
  }

  #say(text: string, say: (text: string) => void): void {
    const at = this.#toSkip.indexOf(text);
    if (at >= 0) {
      this.#toSkip.splice(at, 1);
      return;
    }
    this.#said.push(text);
    say(text);
  }

  restart(what: 'all' | 'rows'): void {
    this.#toSkip = what === 'all' ? [...this.#said] : [];
    if (what === 'rows') this.#resumption?.restart();
    this.printed = this.printed && what === 'rows';
  }
}

/** The attachments of a submission. For a plan, nothing is uploaded. */
export async function attachJob(
  ctx: Context,
  manager: Manager,
  name: string,
  job: LocalJob,
  given: RawInput,
): Promise<Attachments> {
  const input = parseSubmission(given);
  if (name !== 'plan' && !ctx.flags.dryRun) return attachSubmission(ctx, manager, job, input);
  const find = async (text: string): Promise<JobView> =>
    requireView(manager.store, await jobIdFromManager(ctx, manager, text));
  return attachPlan(ctx, manager, job, input, find);
}

/** The id of the job that `text` names (`last`, a prefix ...), from the manager. Throws as `findJob` does. */
export async function jobIdFromManager(ctx: Context, manager: Manager, text: unknown): Promise<string> {
  if (typeof text === 'string' && JOB_ID_PATTERN.test(text)) return text;
  const silent = { ...ctx, notice: () => {} };
  return (await callVerb(silent, manager, asCallable(status), { job: text }, NO_EVENTS)).job;
}

/** The error when Ctrl-C ends a call that follows a job. `resumeCommand` is the command to continue with. */
function interruptedFollowError(job: string, resumeCommand: string): BatchctlError {
  try {
    requireEnded('interrupted', job, resumeCommand);
  } catch (error) {
    return error as BatchctlError;
  }
  throw new TypeError('an interrupted follow is an error');
}

/** The remaining time to wait, after this many seconds. */
const timeoutLeft = ({ timeout }: FieldValues<Fields>, seconds: number): RawInput =>
  timeout === undefined ? {} : { timeout: Math.max(1, Math.round(timeout - seconds)) };

/** The command that shows whether the change was made. */
function checkCommandOf(name: string, given: RawInput): string {
  const [first = ''] = name.split(' ');
  if (typeof given.job === 'string' && first !== 'queue') return `batchctl history ${given.job}`;
  if (first === 'schedule')
    return typeof given.name === 'string' ? `batchctl schedule show ${given.name}` : 'batchctl schedule ls';
  return CHECK_COMMANDS[first] ?? 'batchctl jobs';
}

const CHECK_COMMANDS: Readonly<Record<string, string>> = {
  rm: 'batchctl ls',
  queue: 'batchctl queue',
  workers: 'batchctl workers',
  scale: 'batchctl scale',
};
