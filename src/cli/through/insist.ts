import type { ManagerProfile } from '../../config/load-config.ts';
import { BatchctlError, type ErrorKind, isKind } from '../../errors.ts';
import { jitter, wait } from '../../lib/wait.ts';
import type { ApiError, FrameEnd, ValueFrame } from '../../model/api.ts';
import type { Manager } from '../../ports/manager.ts';
import type { CommandDefinition, CommandEntry } from '../command.ts';
import type { Context } from '../context.ts';

/** What a lost connection means for a verb. */
export type Nature =
  /** It only looks, or does the same once more: asked again as long as nothing was printed. */
  | 'looks'
  /** It goes on until something ends: taken up again for as long as it takes. */
  | 'follows'
  /** It changes something: never sent twice once it may have been heard. */
  | 'changes';

export interface Insisting {
  readonly ctx: Context;
  readonly nature: Nature;
  /** What to look at when the answer of a change was lost. */
  readonly look: string;
  /** Thrown when Ctrl-C ends it; unless given, what every command says. */
  readonly onInterrupted?: () => BatchctlError;
}

export interface VerbResult {
  readonly exitCode: number;
  readonly error: ApiError | null;
}

export function errorOf({ kind, message, hint }: ApiError): BatchctlError {
  return new BatchctlError(kind as ErrorKind, message, hint === null ? {} : { hint });
}

export type Piece = Exclude<ValueFrame, FrameEnd>;

/** Takes the frames of an answer, which may begin anew. */
export interface Taker {
  /** Taken so far. */
  readonly frames: number;
  /** Rows were taken: they can't be taken back. */
  readonly printed: boolean;
  take(frame: Piece): Promise<void>;
  /** The answer begins anew; `all`: with the same notices. */
  again(what: 'all' | 'rows'): void;
}

/** Asks until it is answered, as far as the verb's nature lets it. `ask` is told how many seconds have passed. */
export async function insist(
  sending: Insisting,
  name: string,
  shown: Taker,
  ask: (seconds: number) => AsyncIterable<ValueFrame>,
): Promise<VerbResult> {
  const { ctx, nature } = sending;
  let patience = patienceOf(nature);
  const begun = ctx.clock.monotonic();
  let seconds = 0;
  for (;;) {
    const before = shown.frames;
    let loss: Loss;
    try {
      const ended = await once(ask(seconds), shown);
      if (ended.error?.again !== true || nature === 'changes') return ended;
      loss = { error: errorOf(ended.error), begun: true };
    } catch (error) {
      if (ctx.signal.aborted) throw interrupted(sending, shown);
      const lost = asLoss(error);
      if (lost === null) throw error;
      loss = lost;
    }
    // It was there again meanwhile: this is another loss.
    if (nature === 'follows' && shown.frames > before) patience = patienceOf(nature);
    const pause = patience.pause(loss, shown.frames > 0, shown.printed);
    if (pause === null) throw nature === 'changes' && loss.begun ? unknown(sending, name, loss.error) : loss.error;
    if (patience.isFirst) ctx.warn(`${loss.error.message}; retrying`);
    await wait(jitter(pause), ctx.signal);
    if (ctx.signal.aborted) throw interrupted(sending, shown);
    shown.again('rows');
    seconds = (ctx.clock.monotonic() - begun) / 1_000;
  }
}

async function once(frames: AsyncIterable<ValueFrame>, shown: Taker): Promise<VerbResult> {
  for await (const frame of frames) {
    if ('exit' in frame) return { exitCode: frame.exit, error: frame.error };
    await shown.take(frame);
  }
  throw new BatchctlError('unexpected', 'the manager ended its answer without a result');
}

/** By its fields: what a manager that is away throws says whether the call may have been heard. */
function asLoss(error: unknown): Loss | null {
  if (!isKind(error, 'unavailable') || !('begun' in error)) return null;
  return { error, begun: error.begun === true };
}

function unknown({ look }: Insisting, name: string, cause: BatchctlError): BatchctlError {
  const message = `${cause.message}; it is unknown whether ${name} was done`;
  return new BatchctlError('unavailable', message, { hint: `check with ${look}`, cause });
}

function interrupted(
  { nature, look, onInterrupted }: Insisting,
  { frames }: { readonly frames: number },
): BatchctlError {
  if (onInterrupted !== undefined) return onInterrupted();
  if (nature !== 'changes' || frames === 0) return new BatchctlError('interrupted', 'interrupted');
  return new BatchctlError('interrupted', 'interrupted; it may still be done', { hint: look });
}

/** A command that is to go through a manager. */
export interface Through {
  readonly ctx: Context;
  readonly profile: ManagerProfile;
  readonly entry: CommandEntry;
  readonly definition: CommandDefinition;
  /** As the command itself would be given it. */
  readonly input: Readonly<Record<string, unknown>>;
  /** As it was typed: see `givenTexts`. */
  readonly given: Readonly<Record<string, unknown>>;
}

/** The same with the manager that is asked. */
export interface Asking extends Through {
  readonly manager: Manager;
}

interface Loss {
  readonly error: BatchctlError;
  /** False: the manager provably never began. */
  readonly begun: boolean;
}

/** Milliseconds before a verb is asked again; they double up to the longest. */
const [FIRST_PAUSE, LONGEST_PAUSE] = [1_000, 30_000];
/** So often a verb is asked again that only looks; the connection itself has tried several times each time. */
const LOOKS = 2;

/** How often, and when, a verb whose answer was lost is asked again. */
interface Patience {
  /** Milliseconds to wait; null: not again. `answered`: the manager was there before. */
  pause(loss: Loss, answered: boolean, printed: boolean): number | null;
  /** It was the first pause since the beginning: who waits is told once. */
  readonly isFirst: boolean;
}

function patienceOf(nature: Nature): Patience {
  let tries = 0;
  return {
    pause(loss, answered, printed) {
      // Who was never there may never be: that is told at once.
      const mayAsk = {
        follows: answered,
        looks: loss.begun && !printed && tries < LOOKS,
        changes: false,
      }[nature];
      if (!mayAsk) return null;
      tries += 1;
      return Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (tries - 1));
    },
    get isFirst() {
      return tries === 1;
    },
  };
}
