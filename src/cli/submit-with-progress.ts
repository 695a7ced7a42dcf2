import { findJob } from '../jobs/find.ts';
import { awaitInputs } from '../jobs/submit/await-inputs.ts';
import { FileChecksums } from '../jobs/submit/file-checksums.ts';
import { type Prepared, prepare, settleSpec } from '../jobs/submit/prepare.ts';
import { type SubmitOptions, type Submitted, submit } from '../jobs/submit/submit.ts';
import { killPoints } from '../lib/kill-point.ts';
import { formatSize } from '../lib/units.ts';
import { emptyInputs, type JobSpec } from '../model/job.ts';
import { requireAffordable } from './affordable.ts';
import type { Context } from './context.ts';
import { formatInstant } from './format.ts';
import { requireKeeper } from './keeper-guard.ts';
import { type Progress, startProgress } from './render-progress.ts';
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
  work: (onProgress: NonNullable<SubmitOptions['onProgress']>) => Promise<T>,
): Promise<T> {
  const lines = new Map<Phase, Progress>();
  const opening = new Map<Phase, Promise<Progress>>();
  try {
    return await work(({ phase, done, total }) => {
      const line = lines.get(phase);
      if (line !== undefined) line.update(done, total);
      else if (!opening.has(phase) && (total === null || total > SHORT[phase])) {
        opening.set(
          phase,
          startProgress(ctx, LABELS[phase], phase === 'send' ? 'items' : 'bytes').then((made) => {
            lines.set(phase, made);
            return made;
          }),
        );
      }
    });
  } finally {
    for (const line of await Promise.all(opening.values())) line.done();
  }
}

type Phase = 'upload' | 'cut' | 'send';

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
