import type { ManagerProfile } from '../../config/load-config.ts';
import { BatchctlError, type ErrorKind, isKind } from '../../errors.ts';
import { jitter, wait } from '../../lib/wait.ts';
import type { ApiError, Frame, FrameEnd } from '../../model/api.ts';
import type { AskedVerb, Manager } from '../../ports/manager.ts';
import type { Attachments } from '../../ports/verbs.ts';
import type { CommandDefinition, CommandEntry } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { print } from '../render.ts';
import { flagsOf, terminalOf } from './caller-world.ts';
import { lookOf, natureOf } from './natures.ts';
import { type Loss, patienceOf } from './patience.ts';

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

export interface Sending extends Insisting {
  readonly manager: Manager;
  readonly asked: AskedVerb;
  /** Takes what goes to stdout in place of that. */
  readonly sink?: (text: string) => void | Promise<void>;
  /** The same, `seconds` later: a time-out that is left. */
  readonly after?: (asked: AskedVerb, seconds: number) => AskedVerb;
}

/** Runs a verb on the manager as if it ran here: prints what it prints. Answers the exit code; throws what it threw. */
export async function sendVerb(sending: Sending): Promise<number> {
  const { exitCode, error } = await runVerb(sending);
  if (error === null) return exitCode;
  throw errorOf(error);
}

export interface VerbResult {
  readonly exitCode: number;
  readonly error: ApiError | null;
}

/** The same, and answers the error with which it ended. */
export async function runVerb(sending: Sending): Promise<VerbResult> {
  const { ctx, asked, manager, after = (same) => same } = sending;
  const shown = new Shown(ctx, sending.sink);
  const ask = (what: AskedVerb): Promise<VerbResult> =>
    insist<Exclude<Frame, FrameEnd>>(sending, asked.name, shown, (seconds) =>
      manager.run(after(what, seconds), ctx.signal),
    );
  const first = await ask(asked);
  const question = questionIn(first.error);
  if (question === null || ctx.io.stdin.isTTY !== true || ctx.io.stderr.isTTY !== true) return first;
  await confirm(ctx, question);
  // What it said before it asked is on the screen already.
  shown.again('all');
  return ask({ ...asked, flags: { ...asked.flags, yes: true } });
}

export function errorOf({ kind, message, hint }: ApiError): BatchctlError {
  return new BatchctlError(kind as ErrorKind, message, hint === null ? {} : { hint });
}

/** How `confirm` refuses where there is no terminal. */
const NOT_CONFIRMED = 'not confirmed: ';
/** How a manager that is told to leave ends what only looks. */
const LEAVING = 'the manager is leaving';

const questionIn = (error: ApiError | null): string | null =>
  error?.kind === 'refused' && error.message.startsWith(NOT_CONFIRMED)
    ? error.message.slice(NOT_CONFIRMED.length)
    : null;

/** Takes the frames of an answer, which may begin anew. */
export interface Taker<F> {
  /** Taken so far. */
  readonly frames: number;
  /** Part of the answer was taken: it can't be taken back. */
  readonly printed: boolean;
  take(frame: F): Promise<void>;
  /** The answer broke off. */
  giveBack(): void;
  /** It begins anew. */
  again(what: 'all' | 'out'): void;
}

/** Asks until it is answered, as far as the verb's nature lets it. `ask` is told how many seconds have passed. */
export async function insist<F extends object>(
  sending: Insisting,
  name: string,
  shown: Taker<F>,
  ask: (seconds: number) => AsyncIterable<F | FrameEnd>,
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
      if (ended.error?.message !== LEAVING || nature === 'changes') return ended;
      loss = { error: errorOf(ended.error), begun: true };
    } catch (error) {
      shown.giveBack();
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
    shown.again('out');
    seconds = (ctx.clock.monotonic() - begun) / 1_000;
  }
}

async function once<F extends object>(frames: AsyncIterable<F | FrameEnd>, shown: Taker<F>): Promise<VerbResult> {
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

const [HIDE_CURSOR, SHOW_CURSOR] = ['\x1b[?25l', '\x1b[?25h'];

/** Prints frames; of an answer that begins anew only what was not printed yet. */
class Shown implements Taker<Exclude<Frame, FrameEnd>> {
  readonly #ctx: Context;
  readonly #sink: (text: string) => void | Promise<void>;
  readonly #printed = { out: 0, err: 0 };
  readonly #skip = { out: 0, err: 0 };
  #cursorHidden = false;
  /** Taken so far. */
  frames = 0;

  constructor(ctx: Context, sink: Sending['sink']) {
    this.#ctx = ctx;
    // As the manager wrote it, who knows whether it is for a terminal.
    this.#sink = sink ?? ((text) => print(ctx, Buffer.from(text)));
  }

  /** Something went to stdout. */
  get printed(): boolean {
    return this.#printed.out > 0;
  }

  /** The answer begins anew: with the same text on both streams, or on stdout alone. */
  again(what: 'all' | 'out'): void {
    this.#skip.out = this.#printed.out;
    this.#skip.err = what === 'all' ? this.#printed.err : 0;
  }

  async take(frame: Exclude<Frame, FrameEnd>): Promise<void> {
    this.frames += 1;
    if ('out' in frame) {
      const text = this.#fresh('out', frame.out);
      if (text !== '') await this.#sink(text);
    } else if ('err' in frame) {
      const text = this.#fresh('err', frame.err);
      const [hides, shows] = [text.lastIndexOf(HIDE_CURSOR), text.lastIndexOf(SHOW_CURSOR)];
      if (hides !== shows) this.#cursorHidden = hides > shows;
      if (text !== '') this.#ctx.io.stderr.write(text);
    }
  }

  /** Who drew can't give the cursor back any more. */
  giveBack(): void {
    if (this.#cursorHidden) this.#ctx.io.stderr.write(SHOW_CURSOR);
    this.#cursorHidden = false;
  }

  #fresh(name: 'out' | 'err', text: string): string {
    const skipped = Math.min(this.#skip[name], text.length);
    this.#skip[name] -= skipped;
    this.#printed[name] += text.length - skipped;
    return text.slice(skipped);
  }
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

/** What is sent of a command unless it needs more. */
export async function sendingOf(
  { ctx, manager, entry, given }: Asking,
  attachments: Attachments | null = null,
): Promise<Sending> {
  return {
    ...{ ctx, manager, nature: natureOf(entry.name, given), look: lookOf(entry.name, given) },
    asked: {
      ...{ name: entry.name, input: given, attachments },
      ...{ flags: await flagsOf(ctx), terminal: terminalOf(ctx) },
    },
  };
}
