import { BatchctlError } from '../errors.ts';
import { refuseUnaffordable, wouldBeLimited } from '../jobs/cost/affordable.ts';
import { findJob } from '../jobs/find.ts';
import { planOf } from '../jobs/plan.ts';
import { existingRun } from '../jobs/run-keys.ts';
import { closeInputs, FileChecksums } from '../jobs/submit/inputs.ts';
import { awaitInputs, type Prepared, prepare, settleSpec } from '../jobs/submit/prepare.ts';
import { type SubmitProgress, type Submitted, submit } from '../jobs/submit/submit.ts';
import { freshKeeper, latestKeeper } from '../jobs/watch/round-memory.ts';
import { killPoints } from '../lib/kill-point.ts';
import { formatSize } from '../lib/units.ts';
import { emptyInputs, type JobSpec } from '../model/job.ts';
import type { Context } from './context.ts';
import { formatInstant } from './format.ts';
import { type Progress, startProgress } from './progress.ts';
import { modeOf, type SubmissionInput, submissionOf } from './submission-flags.ts';

/** Prepares a submission, waiting for its inputs where that is asked for. */
export async function prepareSubmission(
  ctx: Context,
  spec: JobSpec,
  jobFile: string | null,
  input: SubmissionInput,
): Promise<Prepared> {
  const platform = await ctx.platform();
  const { store, bucket, clock } = platform;
  const request = await submissionOf(ctx, spec, jobFile, input);
  const checksums = platform.remote === true ? new FileChecksums(sayLarge(ctx)) : null;
  const find = (text: string): ReturnType<typeof findJob> => findJob(platform, text);
  let said = '';
  return awaitInputs(() => prepare(request, store, find, checksums, bucket), input.awaitInput ?? 0, {
    clock,
    signal: ctx.signal,
    onWait: (why) => {
      if (why !== said) ctx.notice(`waiting: ${why}`);
      said = why;
    },
  });
}

/** Submits what was prepared, with a progress line for the cutting and one for the sending. */
export async function submitPrepared(
  ctx: Context,
  prepared: Prepared,
  mode: 'new' | 'existing' | 'again',
): Promise<Submitted> {
  const platform = await ctx.platform();
  return withSubmitProgress(ctx, async (onProgress) => {
    const passed = killPoints(ctx.io.env);
    const submitted = await submit(platform, prepared, {
      ...{ mode, notBefore: prepared.request.notBefore ?? null, signal: ctx.signal, passed, onProgress },
    });
    await sayDeadlineStays(ctx, prepared, submitted);
    const empty = submitted.created ? emptyInputs(submitted.view.record.inputs) : [];
    if (empty.length > 0) ctx.warn(emptyInputsText(empty));
    return submitted;
  });
}

const EMPTY_SHOWN = 20;

/** Which inputs bring no part, in a line. */
export function emptyInputsText(names: readonly string[]): string {
  const more = names.length > EMPTY_SHOWN ? `, and ${names.length - EMPTY_SHOWN} more` : '';
  const what = names.length === 1 ? 'an input has' : `${names.length} inputs have`;
  return `${what} no part, being empty or with a header only: ${names.slice(0, EMPTY_SHOWN).join(', ')}${more}`;
}

/** A job that was there already keeps its deadline: who gave another one is told how to change it. */
async function sayDeadlineStays(ctx: Context, { request }: Prepared, { view, created }: Submitted): Promise<void> {
  const wanted = request.finishBy ?? null;
  if (created || wanted === null || wanted === view.finishBy) return;
  const { job } = view.record;
  const kept = view.finishBy === null ? 'none' : formatInstant(Date.parse(view.finishBy), await ctx.zone());
  ctx.notice(`job ${job} keeps its deadline (${kept}); change it with batchctl adjust ${job} --finish-by TIME`);
}

/** Shows how far a submission is, where it takes long enough to be read. */
export async function withSubmitProgress<T>(
  ctx: Context,
  work: (onProgress: (progress: SubmitProgress) => void) => Promise<T>,
): Promise<T> {
  const lines = new SubmitLines(ctx);
  try {
    return await work((progress) => lines.update(progress));
  } finally {
    await lines.done();
  }
}

/** A progress line for each phase of a submission that takes long enough to be read. */
export class SubmitLines {
  readonly #ctx: Context;
  readonly #lines = new Map<Phase, Progress>();
  readonly #opening = new Map<Phase, Promise<Progress>>();
  #ended = false;

  constructor(ctx: Context) {
    this.#ctx = ctx;
  }

  update({ phase, done, total }: SubmitProgress): void {
    const line = this.#lines.get(phase);
    if (line !== undefined) line.update(done, total);
    else if (!this.#ended && !this.#opening.has(phase) && (total === null || total > SHORT[phase])) {
      const opening = startProgress(this.#ctx, LABELS[phase], phase === 'send' ? 'items' : 'bytes');
      this.#opening.set(
        phase,
        opening.then((made) => {
          this.#lines.set(phase, made);
          return made;
        }),
      );
    }
  }

  /** Closes the lines, once. */
  async done(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    for (const line of await Promise.all(this.#opening.values())) line.done();
    this.#lines.clear();
  }
}

type Phase = SubmitProgress['phase'];

const LABELS: Readonly<Record<Phase, string>> = { upload: 'uploading', cut: 'cutting', send: 'sending' };

/** Less than this is done before a line could be read: bytes to put and to cut, tasks to send. */
const SHORT: Readonly<Record<Phase, number>> = { upload: 8 * 2 ** 20, cut: 256 * 2 ** 20, send: 50_000 };

const sayLarge =
  (ctx: Context) =>
  (path: string, size: number): void =>
    ctx.notice(`computing the checksum of ${path} (${formatSize(size)})`);

/** `stays`: whoever submits looks on until the job ends. Throws `refused` where nobody will, and somebody has to. */
export async function submitWithProgress(
  ctx: Context,
  spec: JobSpec,
  jobFile: string | null,
  { stays, ...input }: SubmissionInput & { readonly stays: boolean },
): Promise<Submitted> {
  let prepared: Promise<Prepared> | null = null;
  const prepareOnce = (): Promise<Prepared> => {
    prepared ??= prepareSubmission(ctx, spec, jobFile, input);
    return prepared;
  };
  if (!stays) {
    // A mistake in what is asked for is told before that nobody would see to it.
    settleSpec(await submissionOf(ctx, spec, jobFile, input));
    await requireKeeper(ctx, input, prepareOnce);
  }
  const mode = modeOf(input);
  const anew = (): Promise<Prepared> => prepareSubmission(ctx, spec, jobFile, input);
  const affordable = await requireAffordable(ctx, await prepareOnce(), { again: mode === 'again', anew });
  return submitPrepared(ctx, affordable, mode);
}

/** A forecast of work does not depend on the submitting machine. */
const UNLOADED = { slots: 1, load: { average: 0, cores: 1 } } as const;

/**
 * Throws `refused` if a cost limit prevents a submission: `plan` forecasts a higher cost, a price is unknown, or the
 * month's budget is used up. Writes nothing. Returns the submission: forecasting reads the inputs, so it is prepared
 * again.
 */
export async function requireAffordable(
  ctx: Context,
  prepared: Prepared,
  { again, anew }: { readonly again: boolean; readonly anew: () => Promise<Prepared> },
): Promise<Prepared> {
  const platform = await ctx.platform();
  const { spec, runKey, request } = prepared;
  const maxCost = request.maxCost ?? null;
  if (!wouldBeLimited(platform, maxCost)) return prepared;
  // Submitting an existing job again costs nothing more.
  if (!again && runKey !== null && (await existingRun(platform, runKey)) !== null) return prepared;
  const earlier = await (await platform.ledger()).jobs({ name: spec.name, states: ['succeeded'], limit: 1 });
  // stdin can be read only once, and a remote caller's inputs are not here to be split.
  const forecasts = earlier.length > 0 && !request.inputs.includes('-') && (request.attachments ?? null) === null;
  if (!forecasts) {
    try {
      await refuseUnaffordable(platform, { spec, maxCost, expected: null });
      return prepared;
    } catch (error) {
      await closeInputs(prepared.inputs);
      throw error;
    }
  }
  const { forecast } = await planOf(platform, prepared, { ...UNLOADED, signal: ctx.signal });
  await refuseUnaffordable(platform, { spec, maxCost, expected: forecast?.cost ?? null });
  return await anew();
}

/** A crontab line that looks after this profile: one round per minute, silent unless something is wrong. */
export async function crontabLine(ctx: Context): Promise<string> {
  const { profile, file } = await ctx.config();
  const config = file === null ? '' : ` --config ${quoted(file)}`;
  const root = file === null ? `cd ${quoted(ctx.io.cwd)} && ` : '';
  return `* * * * *  ${root}batchctl tick --quiet --profile ${profile.name}${config}`;
}

/** Quoted for /bin/sh, and for cron, which ends a command at `%`. */
function quoted(path: string): string {
  const plain = /^[\w./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
  return plain.replaceAll('%', String.raw`\%`);
}

/**
 * For an unattended submission: a later start or deadline needs a running manager or tick. Throws `refused` if none was
 * active lately; not for an existing job (`prepared` tells, and is called only then).
 */
async function requireKeeper(ctx: Context, input: SubmissionInput, prepared: () => Promise<Prepared>): Promise<void> {
  const flags = await promises(ctx, input);
  if (flags.length === 0) return;
  const platform = await ctx.platform();
  if (freshKeeper(await latestKeeper(platform), platform.clock.now()) !== null) return;
  const { runKey } = input.runKey === undefined || input.again ? { runKey: null } : await prepared();
  if (runKey !== null && (await existingRun(platform, runKey)) !== null) return;
  const [verb, it] = flags.length === 1 ? ['needs', 'it'] : ['need', 'them'];
  throw new BatchctlError(
    'refused',
    `${flags.join(' and ')} ${verb} a manager or tick to look after ${it}, but none has run within the last 15 minutes`,
    { hint: `add to a crontab: ${await crontabLine(ctx)}    or use --watch and keep it running` },
  );
}

/** On this machine a deadline is only reported; where instances cost money, someone must watch it. */
async function promises(ctx: Context, { at, finishBy, maxCost }: SubmissionInput): Promise<readonly string[]> {
  const later = at === undefined ? [] : ['--at'];
  if ((await ctx.config()).profile.backend === 'local') return later;
  return [
    ...later,
    ...(finishBy === undefined ? [] : ['--finish-by']),
    ...(maxCost === undefined ? [] : ['--max-cost']),
  ];
}
