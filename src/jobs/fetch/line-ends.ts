import { isUtf8 } from 'node:buffer';
import { BatchctlError } from '../../errors.ts';
import { mapAhead } from '../../lib/parallel.ts';
import type { Join, JoinRule } from '../../model/job.ts';
import type { OutputFile } from '../../model/output.ts';
import { type OutputSource, verifiedOutput } from './verified.ts';

/** How many bytes of an output's beginning or end show whether it is text, and which line ends it has. */
export const PROBE_BYTES = 4_096;

/** The number of outputs that a guess is made from: the first in task order that are not empty. */
const SAMPLE = 16;

export const LF = 10;

export const CR = 13;

export const NOTHING = new Uint8Array();

const LINE_END = Buffer.from('\n');

const DOS_LINE_END = Buffer.from('\r\n');

/** Outputs can't be joined in the way that is asked for, or guessed. The message shows why. */
export class JoinError extends BatchctlError {
  constructor(message: string, hint?: string) {
    super('refused', message, hint === undefined ? {} : { hint });
  }
}

interface Joined {
  readonly source: OutputSource;
  /** Iterated again for a guess. */
  readonly tasks: Iterable<number>;
  readonly join: JoinRule;
  /** Called with a guess, when it first matters. */
  readonly onGuess?: (join: Join) => void;
}

/**
 * Where a join adds line ends: as declared or, if nothing is, by one guess for the whole step. A guess depends only on
 * the step's first outputs, which never change, so every reader makes the same. It is made when an output without a
 * final line end is followed by another; before, lines and bytes are joined alike. An output that contradicts it, and
 * outputs that contradict each other, are refused: records must not be glued together, nor bytes be added (ADR 55).
 */
export class LineEnds {
  readonly #joined: Joined;
  #guess: Promise<Join> | null = null;

  constructor(joined: Joined) {
    this.#joined = joined;
  }

  /** False: it never adds any. */
  get adds(): boolean {
    return this.#joined.join !== 'bytes';
  }

  /** The bytes to add after an output that ends with `tail`, as another follows. Throws `JoinError`. */
  async after(tail: Uint8Array, task: number): Promise<Uint8Array> {
    const { join } = this.#joined;
    const last = tail.at(-1);
    if (join === 'bytes' || last === undefined || last === LF) return NOTHING;
    if (join === 'guess') {
      this.#guess ??= this.#makeGuess();
      if ((await this.#guess) === 'bytes') return NOTHING;
      if (kindOf(tail) === 'bytes') throw this.#refused('the first ones', this.#name(task));
    }
    const before = tail.lastIndexOf(LF);
    return before > 0 && tail[before - 1] === CR && last !== CR ? DOS_LINE_END : LINE_END;
  }

  async #makeGuess(): Promise<Join> {
    const { source } = this.#joined;
    const first = new Map<Kind, string>();
    let left = SAMPLE;
    const read = async (task: number) => {
      const { files } = await verifiedOutput(source, task);
      return { task, tails: await tailsOf(source, files) };
    };
    for await (const { task, tails } of mapAhead(this.#joined.tasks, SAMPLE, read)) {
      for (const tail of tails) {
        if (tail.length === 0) continue;
        const kind = kindOf(tail);
        if (!first.has(kind)) first.set(kind, this.#name(task));
        left -= 1;
      }
      if (left <= 0) break;
    }
    const [text, bytes] = [first.get('text'), first.get('bytes')];
    if (text !== undefined && bytes !== undefined) throw this.#refused(text, bytes);
    const guess = bytes === undefined ? 'lines' : 'bytes';
    this.#joined.onGuess?.(guess);
    return guess;
  }

  #name(task: number): string {
    return `${this.#joined.source.step}/${task}`;
  }

  #refused(text: string, bytes: string): JoinError {
    const { step } = this.#joined.source;
    return new JoinError(
      `can't tell how to join the outputs of ${step}: some look like text (${text}), and others do not (${bytes})`,
      'use --join bytes to join them unchanged, or --join lines to end each with a line end',
    );
  }
}

/** The last bytes of each of an output's files; nothing of an empty one. */
export async function tailsOf({ store }: OutputSource, files: readonly OutputFile[]): Promise<readonly Uint8Array[]> {
  const tails: Uint8Array[] = [];
  for (const { key, size } of files) {
    const length = Math.min(PROBE_BYTES, size);
    const tail = length === 0 ? null : await store.read(key, { range: { offset: size - length, length } });
    tails.push(tail ?? NOTHING);
  }
  return tails;
}

/** `other`: neither can be told, such as text in an encoding other than UTF-8. */
type Kind = 'text' | 'bytes' | 'other';

function kindOf(tail: Uint8Array): Kind {
  if (!isText(tail)) return 'bytes';
  return isUtf8(tail.length < PROBE_BYTES ? tail : fromCharacter(tail)) ? 'text' : 'other';
}

/** Without the rest of a character that a cut has split. */
function fromCharacter(bytes: Uint8Array): Uint8Array {
  let from = 0;
  while (from < 3 && ((bytes[from] ?? 0) & 0xc0) === 0x80) from += 1;
  return bytes.subarray(from);
}

/** False if there is a NUL, or a control character other than white space, escape and separators. */
export function isText(bytes: Uint8Array): boolean {
  // Indexed access: a Buffer's iterator takes five times as long.
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i] ?? 0;
    if (byte === 0 || (byte >= 0x0e && byte <= 0x19)) return false;
  }
  return true;
}
