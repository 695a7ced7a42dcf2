import { BatchctlError, type ErrorKind, isKind } from '../../errors.ts';
import { jitter, wait } from '../../lib/wait.ts';
import type { ApiError, FrameEnd, ValueFrame } from '../../model/api.ts';
import type { Context } from '../context.ts';

/** The consequence of a lost connection for a verb. */
export type RetryMode =
  /** It only reads, or is idempotent: retried if nothing was printed yet. */
  | 'looks'
  /** It runs until something ends: resumed for as long as it takes. */
  | 'follows'
  /** It changes something: never sent twice once it may have arrived. */
  | 'changes';

export interface RetryContext {
  readonly ctx: Context;
  readonly mode: RetryMode;
  /** The command to check with if the answer to a change was lost. */
  readonly checkCommand: string;
  /** The error for Ctrl-C; by default the one of every command. */
  readonly onInterrupted?: () => BatchctlError;
}

export interface VerbResult {
  readonly exitCode: number;
  readonly error: ApiError | null;
  /** The `after` of the next page of a list; null: there is none. */
  readonly next: string | null;
}

export function errorOf({ kind, message, hint }: ApiError): BatchctlError {
  return new BatchctlError(kind as ErrorKind, message, hint === null ? {} : { hint });
}

export type ContentFrame = Exclude<ValueFrame, FrameEnd>;

/** Receives the frames of an answer, which may restart. */
export interface FrameReceiver {
  readonly frames: number;
  /** Rows were printed and can't be taken back. */
  readonly printed: boolean;
  receive(frame: ContentFrame): Promise<void>;
  /** The answer restarts. `all`: including the same notices. */
  restart(what: 'all' | 'rows'): void;
}

/** Retries until there is an answer, as far as the mode allows. `ask` gets the seconds that have passed. */
export async function callWithRetries(
  sending: RetryContext,
  name: string,
  shown: FrameReceiver,
  ask: (seconds: number) => AsyncIterable<ValueFrame>,
): Promise<VerbResult> {
  const { ctx, mode } = sending;
  let retries = 0;
  const begun = ctx.clock.monotonic();
  let seconds = 0;
  for (;;) {
    const before = shown.frames;
    let loss: LostAnswer;
    try {
      const ended = await readAnswer(ask(seconds), shown);
      if (ended.error?.again !== true || mode === 'changes') return ended;
      loss = { error: errorOf(ended.error), begun: true };
    } catch (error) {
      if (ctx.signal.aborted) throw interruptedError(sending, shown);
      const lost = lostAnswerOf(error);
      if (lost === null) throw error;
      loss = lost;
    }
    // The connection was back meanwhile, so this is a new loss.
    if (mode === 'follows' && shown.frames > before) retries = 0;
    // A manager that never answered may not exist, so that is reported at once.
    const mayRetry = {
      follows: shown.frames > 0,
      looks: loss.begun && !shown.printed && retries < MAX_READ_RETRIES,
      changes: false,
    }[mode];
    if (!mayRetry) throw mode === 'changes' && loss.begun ? unknownOutcomeError(sending, name, loss.error) : loss.error;
    // Only the first retry is announced.
    if (retries === 0) ctx.warn(`${loss.error.message}; retrying`);
    await wait(jitter(Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** retries)), ctx.signal);
    retries += 1;
    if (ctx.signal.aborted) throw interruptedError(sending, shown);
    shown.restart(mode === 'follows' ? 'rows' : 'all');
    seconds = (ctx.clock.monotonic() - begun) / 1_000;
  }
}

async function readAnswer(frames: AsyncIterable<ValueFrame>, shown: FrameReceiver): Promise<VerbResult> {
  for await (const frame of frames) {
    if ('exit' in frame) return { exitCode: frame.exit, error: frame.error, next: frame.next ?? null };
    await shown.receive(frame);
  }
  throw new BatchctlError('unexpected', 'the manager ended its answer without a result');
}

/** Recognised by its fields: the error of an unreachable manager says whether the call may have arrived. */
function lostAnswerOf(error: unknown): LostAnswer | null {
  if (!isKind(error, 'unavailable') || !('begun' in error)) return null;
  return { error, begun: error.begun === true };
}

function unknownOutcomeError({ checkCommand }: RetryContext, name: string, cause: BatchctlError): BatchctlError {
  const message = `${cause.message}; it is unknown whether ${name} was done`;
  return new BatchctlError('unavailable', message, { hint: `check with ${checkCommand}`, cause });
}

function interruptedError(
  { mode, checkCommand, onInterrupted }: RetryContext,
  { frames }: { readonly frames: number },
): BatchctlError {
  if (onInterrupted !== undefined) return onInterrupted();
  if (mode !== 'changes' || frames === 0) return new BatchctlError('interrupted', 'interrupted');
  return new BatchctlError('interrupted', 'interrupted; the manager may still do it', {
    hint: `check with ${checkCommand}`,
  });
}

interface LostAnswer {
  readonly error: BatchctlError;
  /** False: the manager provably never started. */
  readonly begun: boolean;
}

/** Milliseconds before a retry; doubled each time, up to the longest. */
const [FIRST_PAUSE, LONGEST_PAUSE] = [1_000, 30_000];
/** Retries of a verb that only reads. The connection itself has already tried several times each time. */
const MAX_READ_RETRIES = 2;
