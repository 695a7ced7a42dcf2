import { stripVTControlCharacters, styleText } from 'node:util';
import type { GlobalFlags } from './global-flags.ts';
import type { Io, Output } from './io.ts';

/**
 * Foreign text on a terminal: a task's output, a file's name, a server's message. Control characters in it could move
 * the cursor, overwrite what is there, set the clipboard (OSC 52) or create a link (OSC 8).
 */

const HARMFUL = String.raw`\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069`;

const HAS_CONTROL = new RegExp(`[${HARMFUL}]`);

const CONTROLS = new RegExp(String.raw`\r\n|[${HARMFUL}]`, 'g');

/** For our own text, in which colours are allowed. */
const CONTROLS_NOT_COLOURS = new RegExp(String.raw`\r\n|\x1b\[[\d;]*m|[${HARMFUL}]`, 'g');

/** Shows control characters visibly, as `^[` and `<202e>`. Line ends and tabs stay. */
export function escapeControls(text: string): string {
  return HAS_CONTROL.test(text) ? text.replace(CONTROLS, escapeControl) : text;
}

/** The same for our own text that contains foreign text: colours stay. */
export function escapeKeepingColours(text: string): string {
  return HAS_CONTROL.test(text) ? text.replace(CONTROLS_NOT_COLOURS, escapeControl) : text;
}

/** Replaces line ends and other control characters with spaces. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, ' ');
}

/** `escapeControls` for bytes that arrive in pieces. */
export class ControlEscaper {
  readonly #decoder = new TextDecoder();
  /** A `\r` at the end of a piece: the next piece shows whether a `\n` follows. */
  #held = '';

  write(bytes: Uint8Array): string {
    const text = this.#held + this.#decoder.decode(bytes, { stream: true });
    this.#held = text.endsWith('\r') ? '\r' : '';
    return escapeControls(text.slice(0, text.length - this.#held.length));
  }

  end(): string {
    return escapeControls(this.#held + this.#decoder.decode());
  }
}

function escapeControl(found: string): string {
  const code = found.charCodeAt(0);
  if (found.length > 1) return found;
  if (code < 0x20) return `^${String.fromCharCode(code + 0x40)}`;
  return code === 0x7f ? '^?' : `<${code.toString(16).padStart(2, '0')}>`;
}

// East Asian Wide and Fullwidth (Unicode Annex 11), and emoji.
const WIDE =
  /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\p{Extended_Pictographic}\ufe0f)/u;

const ASCII = /^[\x20-\x7e]*$/;

const ZERO_WIDTH = /^[\p{Mark}\p{Control}\u200b-\u200f\u2060\ufeff]+$/u;

/** The columns that a text takes on a terminal. Colours take none. */
export function displayWidth(text: string): number {
  const plain = stripVTControlCharacters(text);
  if (ASCII.test(plain)) return plain.length;
  let width = 0;
  for (const { segment } of graphemes(plain)) width += segmentWidth(segment);
  return width;
}

/** A plain text shortened to at most `width` columns, with an ellipsis if anything was cut. */
export function clip(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width <= 0) return '';
  const plain = stripVTControlCharacters(text);
  if (ASCII.test(plain)) return `${plain.slice(0, width - 1)}…`;
  let out = '';
  let used = 1;
  for (const { segment } of graphemes(plain)) {
    used += segmentWidth(segment);
    if (used > width) break;
    out += segment;
  }
  return `${out}…`;
}

/** Cuts or pads the text to exactly `width` columns. */
export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const cut = clip(text, width);
  const fill = ' '.repeat(Math.max(0, width - displayWidth(cut)));
  return align === 'left' ? cut + fill : fill + cut;
}

let segmenter: Intl.Segmenter | null = null;

/** Created for the first text that isn't ASCII: it takes as long as starting a small command. */
function graphemes(text: string): Intl.Segments {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  return segmenter.segment(text);
}

function segmentWidth(segment: string): number {
  if (ZERO_WIDTH.test(segment)) return 0;
  return WIDE.test(segment) ? 2 : 1;
}

export type Tint = 'good' | 'bad' | 'doubtful' | 'faint' | 'strong';

/** Colours a text, or returns it unchanged where colours are off. */
export type Paint = (tint: Tint, text: string) => string;

/** `paintFor` decides about colours for the stream in question; Node would look at its own stdout. */
const UNCHECKED = { validateStream: false };

const STYLES = { good: 'green', bad: 'red', doubtful: 'yellow', faint: 'dim', strong: 'bold' } as const;

/** Colours for one of the two streams. They are on only for a terminal, without NO_COLOR and --no-color. */
export function paintFor(
  { io: { env }, flags }: { readonly io: Pick<Io, 'env'>; readonly flags: Pick<GlobalFlags, 'color'> },
  output: Output,
): Paint {
  const wanted = output.isTTY === true && flags.color && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
  return wanted ? (tint, text) => styleText(STYLES[tint], text, UNCHECKED) : plain;
}

export const plain: Paint = (_, text) => text;
