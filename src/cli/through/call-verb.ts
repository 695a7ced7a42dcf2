import { PassThrough } from 'node:stream';
import type { BatchctlError } from '../../errors.ts';
import { filesInArchive } from '../../jobs/code-archive.ts';
import { refuseUnended } from '../../jobs/job-exit.ts';
import { mustReadView } from '../../jobs/journal.ts';
import { parseDuration } from '../../lib/units.ts';
import type { JobStatus } from '../../model/answers/status.ts';
import type { ValueFrame } from '../../model/api.ts';
import type { JobView } from '../../model/view.ts';
import type { Manager } from '../../ports/manager.ts';
import { type AskedValue, type Attachments, scopeOf } from '../../ports/verbs.ts';
import { status } from '../../verbs/status.ts';
import { type CallEvents, type Fields, fileFields, type Resumption, type VerbDeclaration } from '../../verbs/verb.ts';
import type { RawInput } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { openText } from '../open-job-file.ts';
import { submissionTyped } from '../submit-progress.ts';
import { runHere } from '../verb-command.ts';
import { attachCode, attachSubmission, type OwnJob, openOwnJob, SILENT } from './attach-job.ts';
import { errorOf, type Insisting, insist, type Nature, type Piece, type Taker, type VerbResult } from './insist.ts';

/** Has a manager run a declared verb. Reports events, and returns the answer or throws the error as if it ran here. */
export async function callVerb<Result, Event>(
  ctx: Context,
  manager: Manager,
  verb: VerbDeclaration<Fields, Result, Event>,
  given: RawInput,
  events: CallEvents<Event>,
  sent: Attachments | null = null,
): Promise<Result> {
  if (verb.here?.(given) === true) return callHere(ctx, manager, verb, given, events);
  const nature = natureOf(verb, given);
  const job = nature === 'follows' ? await jobId(ctx, manager, given.job) : null;
  const input = job === null ? given : { ...given, job };
  const asked: AskedValue = {
    ...{ name: verb.name, input, dryRun: ctx.flags.dryRun, yes: ctx.flags.yes, tz: await ctx.zone() },
    attachments: sent ?? (await attachmentsOf(ctx, manager, verb, given)),
  };
  const insisting = {
    ...{ ctx, nature, look: lookOf(verb.name, given) },
    ...(job !== null && {
      onInterrupted: () =>
        verb.interrupted?.(input) ?? jobEnd(job, verb.takeUp?.(job, given) ?? `batchctl ${verb.name} ${job}`),
    }),
  };
  const rows = verb.list ? new PassThrough({ objectMode: true }) : null;
  const values = new Values<Event>(ctx, events, rows, verb.resumed?.() ?? null);
  const ending = answered(insisting, verb.name, values, (yes, seconds) =>
    manager.call({ ...asked, yes, input: { ...input, ...timeoutLeft(input, seconds) } }, ctx.signal),
  );
  if (rows === null) return (await ending) as Result;
  ending.then(
    () => rows.end(),
    (error: Error) => rows.destroy(error),
  );
  return shownRows(rows) as unknown as Result;
}

/** Runs a verb in this process, on the manager's store. The manager resolves the job. */
async function callHere<Result, Event>(
  ctx: Context,
  manager: Manager,
  verb: VerbDeclaration<Fields, Result, Event>,
  given: RawInput,
  events: CallEvents<Event>,
): Promise<Result> {
  const job = await jobId(ctx, manager, given.job);
  if (given.job === undefined || given.job === 'last') ctx.notice(`job ${job}`);
  return runHere(ctx, verb, { ...given, job }, events);
}

interface HandedRow {
  readonly row: unknown;
  /** Called when the row was shown. */
  readonly shown: () => void;
}

async function* shownRows(rows: PassThrough): AsyncGenerator<unknown, void> {
  for await (const { row, shown } of rows as AsyncIterable<HandedRow>) {
    yield row;
    shown();
  }
}

/** Resolves once the row was shown, so that what follows is shown after it, or once no one reads rows any more. */
async function handOver(rows: PassThrough, row: unknown): Promise<void> {
  if (rows.destroyed) return;
  await new Promise<void>((resolve) => {
    const shown = (): void => {
      rows.off('close', shown);
      resolve();
    };
    rows.on('close', shown);
    rows.write({ row, shown } satisfies HandedRow);
  });
}

async function answered<Event>(
  insisting: Insisting,
  name: string,
  values: Values<Event>,
  ask: (yes: boolean, seconds: number) => AsyncIterable<ValueFrame>,
): Promise<unknown> {
  const { ctx } = insisting;
  const insistOn = (yes: boolean): Promise<VerbResult> =>
    insist(insisting, name, values, (seconds) => ask(yes, seconds));
  let { error } = await insistOn(ctx.flags.yes);
  const { stdin, stderr } = ctx.io;
  if (error?.question !== undefined && stdin.isTTY === true && stderr.isTTY === true) {
    await confirm(ctx, error.question);
    values.again('all');
    ({ error } = await insistOn(true));
  }
  if (error !== null && values.answer === undefined) throw errorOf(error);
  if (error !== null) values.conclude(errorOf(error));
  return values.answer;
}

/** What a lost connection means for a call. */
function natureOf<Result, Event>(verb: VerbDeclaration<Fields, Result, Event>, given: RawInput): Nature {
  if (verb.lasts?.(given) === true) return 'follows';
  const looks = scopeOf({ scope: verb.scope, scopeWith: verb.scopeWith ?? {} }, given) === 'read';
  return looks || verb.repeatable?.(given) === true ? 'looks' : 'changes';
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
    else attachments = await attachJob(ctx, manager, verb.name, await openOwnJob(ctx, path), given);
  }
  if (Object.keys(texts).length === 0) return attachments;
  return { jobFile: null, inputs: [], ...attachments, texts };
}

/** For a dry run nothing is uploaded; the hashes of the files are sent instead. */
async function attachJobFile(ctx: Context, manager: Manager, path: string): Promise<Attachments> {
  const put = !ctx.flags.dryRun;
  const { attachments, code } = await attachCode(manager, await openOwnJob(ctx, path), put);
  if (put) return attachments;
  const hashes = code === null ? {} : Object.fromEntries(await filesInArchive(code.gzip));
  return { ...attachments, planned: { files: code?.files ?? [], hashes, cut: null } };
}

/** The id from the manager of the job that `said` names: after a reconnection, `last` could be another one. */
async function jobId(ctx: Context, manager: Manager, said: unknown): Promise<string> {
  return jobIdBehind(ctx, manager, typeof said === 'string' ? said : undefined);
}

class Values<Event> implements Taker {
  readonly #ctx: Context;
  readonly #events: CallEvents<Event>;
  readonly #rows: PassThrough | null;
  readonly #resumption: Resumption | null;
  readonly #said: string[] = [];
  /** Notices that a person read before the question; they are not printed again. */
  #known: string[] = [];
  frames = 0;
  /** Rows were printed and can't be taken back. */
  printed = false;
  answer: unknown;

  constructor(ctx: Context, events: CallEvents<Event>, rows: PassThrough | null, resumption: Resumption | null) {
    this.#ctx = ctx;
    this.#events = events;
    this.#rows = rows;
    this.#resumption = resumption;
  }

  async take(frame: Piece): Promise<void> {
    this.frames += 1;
    if ('event' in frame) this.#events.report(frame.event as Event);
    else if ('notice' in frame) this.#say(frame.notice, this.#ctx.notice);
    else if ('warning' in frame) this.#say(frame.warning, this.#ctx.warn);
    else if ('answer' in frame) this.answer = frame.answer;
    else if ('row' in frame && this.#rows !== null) {
      this.printed = true;
      const row = this.#resumption === null ? frame.row : this.#resumption.fresh(frame.row);
      if (row !== null) await handOver(this.#rows, row);
    }
  }

  conclude(error: BatchctlError): void {
    this.#events.conclude(error);
  }

  #say(text: string, say: (text: string) => void): void {
    const at = this.#known.indexOf(text);
    if (at >= 0) {
      this.#known.splice(at, 1);
      return;
    }
    this.#said.push(text);
    say(text);
  }

  again(what: 'all' | 'rows'): void {
    this.#known = what === 'all' ? [...this.#said] : [];
    if (what === 'rows') this.#resumption?.again();
  }
}

/** The attachments of a submission. For a plan, nothing is uploaded. */
export async function attachJob(
  ctx: Context,
  manager: Manager,
  name: string,
  job: OwnJob,
  given: RawInput,
): Promise<Attachments> {
  const input = submissionTyped(given);
  if (name !== 'plan' && !ctx.flags.dryRun) return attachSubmission(ctx, manager, job, input);
  return (await import('./attach-job.ts')).attachPlan(ctx, manager, job, input, (text) =>
    jobBehind(ctx, manager, text),
  );
}

const ID = /^[a-z][a-z0-9-]*-\d{8}-\d{4}-[a-z0-9]{5}$/;

/** The id of the job that `text` names (`last`, a prefix ...), from the manager. Throws as `findJob` does. */
export async function jobIdBehind(ctx: Context, manager: Manager, text: string | undefined): Promise<string> {
  if (text !== undefined && ID.test(text)) return text;
  const asked = status as unknown as VerbDeclaration<Fields, JobStatus, never>;
  return (await callVerb({ ...ctx, notice: () => {} }, manager, asked, { job: text }, SILENT)).job;
}

async function jobBehind(ctx: Context, manager: Manager, text: string): Promise<JobView> {
  return mustReadView(manager.store, await jobIdBehind(ctx, manager, text));
}

/** The error when Ctrl-C ends a call that follows a job. `takeUp` is the command to continue with. */
function jobEnd(job: string, takeUp: string): BatchctlError {
  try {
    refuseUnended('interrupted', job, takeUp);
  } catch (error) {
    return error as BatchctlError;
  }
  throw new TypeError('an interrupted follow is an error');
}

function timeoutLeft({ timeout }: RawInput, seconds: number): RawInput {
  if (typeof timeout !== 'string') return {};
  return { timeout: `${Math.max(1, Math.round(parseDuration(timeout) - seconds))}s` };
}

/** The command that shows whether the change was made. */
function lookOf(name: string, given: RawInput): string {
  const [first = ''] = name.split(' ');
  if (typeof given.job === 'string' && first !== 'queue') return `batchctl history ${given.job}`;
  if (first === 'schedule')
    return typeof given.name === 'string' ? `batchctl schedule show ${given.name}` : 'batchctl schedule ls';
  return LOOKS[first] ?? 'batchctl jobs';
}

const LOOKS: Readonly<Record<string, string>> = {
  rm: 'batchctl ls',
  queue: 'batchctl queue',
  workers: 'batchctl workers',
  scale: 'batchctl scale',
};
