import { PassThrough } from 'node:stream';
import { mustReadView } from '../../jobs/journal.ts';
import type { JobStatus } from '../../model/answers/status.ts';
import type { FrameEnd, ValueFrame } from '../../model/api.ts';
import type { JobView } from '../../model/view.ts';
import type { Manager } from '../../ports/manager.ts';
import type { AskedValue, Attachments } from '../../ports/verbs.ts';
import { status } from '../../verbs/status.ts';
import type { Fields, VerbDeclaration } from '../../verbs/verb.ts';
import type { RawInput } from '../command.ts';
import type { Context } from '../context.ts';
import { attachCode } from './attach-job.ts';
import { followedEnd } from './followed-end.ts';
import { lookOf } from './natures.ts';
import { openOwnJob } from './own-job.ts';
import { errorOf, type Insisting, insist, type Nature, type Taker } from './send-verb.ts';

/** Has a manager run a declared verb: events are reported, and the answer is returned, as if it ran here. Throws what it threw. */
export async function callVerb<Result, Event>(
  ctx: Context,
  manager: Manager,
  verb: VerbDeclaration<Fields, Result, Event>,
  given: RawInput,
  report: (event: Event) => void,
): Promise<Result> {
  const input = verb.lasts === true ? { ...given, job: await jobId(ctx, manager, given.job) } : given;
  const asked: AskedValue = {
    ...{ name: verb.name, input, dryRun: ctx.flags.dryRun, tz: await ctx.zone() },
    attachments: await attachmentsOf(ctx, manager, given),
  };
  const nature: Nature = verb.lasts === true ? 'follows' : verb.scope === 'read' ? 'looks' : 'changes';
  const insisting = {
    ...{ ctx, nature, look: lookOf(verb.name, given) },
    ...(verb.lasts === true && { onInterrupted: followedEnd(verb.name, String(input.job), given).onInterrupted }),
  };
  const rows = verb.list ? new PassThrough({ objectMode: true, highWaterMark: ROWS_AHEAD }) : null;
  const values = new Values<Event>(ctx, report, rows);
  const ending = answered(insisting, verb.name, values, () => manager.call(asked, ctx.signal));
  if (rows === null) return (await ending) as Result;
  ending.then(
    () => rows.end(),
    (error: Error) => rows.destroy(error),
  );
  return rows as unknown as Result;
}

/** Rows that are read before they are shown. */
const ROWS_AHEAD = 256;

async function answered<Event>(
  insisting: Insisting,
  name: string,
  values: Values<Event>,
  ask: () => AsyncIterable<ValueFrame>,
): Promise<unknown> {
  const { error } = await insist<Exclude<ValueFrame, FrameEnd>>(insisting, name, values, ask);
  if (error !== null) throw errorOf(error);
  return values.answer;
}

/** What only a verb's own text can name on this machine. */
async function attachmentsOf(ctx: Context, manager: Manager, given: RawInput): Promise<Attachments | null> {
  if (typeof given.with !== 'string') return null;
  return (await attachCode(manager, await openOwnJob(ctx, given.with))).attachments;
}

/** The id of the job that a text means (`last`, a prefix ...), which the manager knows: taken up again, `last` could be another. */
async function jobId(ctx: Context, manager: Manager, said: unknown): Promise<string> {
  return jobIdBehind(ctx, manager, typeof said === 'string' ? said : undefined);
}

/** Takes the frames of a verb's run: its events, its rows, its answer. */
class Values<Event> implements Taker<Exclude<ValueFrame, FrameEnd>> {
  readonly #ctx: Context;
  readonly #report: (event: Event) => void;
  readonly #rows: PassThrough | null;
  frames = 0;
  /** Rows cannot be taken back. */
  printed = false;
  answer: unknown;

  constructor(ctx: Context, report: (event: Event) => void, rows: PassThrough | null) {
    this.#ctx = ctx;
    this.#report = report;
    this.#rows = rows;
  }

  async take(frame: Exclude<ValueFrame, FrameEnd>): Promise<void> {
    this.frames += 1;
    if ('event' in frame) this.#report(frame.event as Event);
    else if ('notice' in frame) this.#ctx.notice(frame.notice);
    else if ('warning' in frame) this.#ctx.warn(frame.warning);
    else if ('answer' in frame) this.answer = frame.answer;
    else if ('row' in frame) {
      this.printed = true;
      const rows = this.#rows;
      if (rows !== null && !rows.write(frame.row)) await new Promise((resolve) => rows.once('drain', resolve));
    }
  }

  giveBack(): void {}

  again(): void {}
}

const ID = /^[a-z][a-z0-9-]*-\d{8}-\d{4}-[a-z0-9]{5}$/;

/** The id of the job that a text means (`last`, a prefix ...), which the manager knows. Throws as `findJob` does. */
export async function jobIdBehind(ctx: Context, manager: Manager, text: string | undefined): Promise<string> {
  if (text !== undefined && ID.test(text)) return text;
  const asked = status as unknown as VerbDeclaration<Fields, JobStatus, never>;
  return (await callVerb({ ...ctx, notice: () => {} }, manager, asked, { job: text }, () => {})).job;
}

/** The job itself, read from the manager's store. */
export async function jobBehind(ctx: Context, manager: Manager, text: string): Promise<JobView> {
  return mustReadView(manager.store, await jobIdBehind(ctx, manager, text));
}
