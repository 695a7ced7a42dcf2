import { stripVTControlCharacters, styleText } from 'node:util';
import type { Context } from './context.ts';
import type { Output } from './io.ts';

/**
 * Texts of others on a terminal: what a task wrote, a file's name, a server's words. Control characters in them could move the
 * cursor, rewrite what stands there, set the clipboard (OSC 52) or name a link (OSC 8).
 */

const HARMFUL = String.raw`\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069`;

const ANY = new RegExp(`[${HARMFUL}]`);

const EACH = new RegExp(String.raw`\r\n|[${HARMFUL}]`, 'g');

/** Colours are ours, too. */
const EACH_BUT_COLOURS = new RegExp(String.raw`\r\n|\x1b\[[\d;]*m|[${HARMFUL}]`, 'g');

/** Control characters as people can see them, `^[` and `<202e>`; the ends of lines and tabs as they are. */
export function visible(text: string): string {
  return ANY.test(text) ? text.replace(EACH, shown) : text;
}

/** The same of a text of ours that has those of others in it: colours stay. */
export function visibleInOurs(text: string): string {
  return ANY.test(text) ? text.replace(EACH_BUT_COLOURS, shown) : text;
}

/** Replaces line ends and other control characters with spaces. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, ' ');
}

/** `visible` for bytes that come in pieces. */
export class VisibleBytes {
  readonly #decoder = new TextDecoder();
  /** A `\r` at the end of a piece: the next piece shows whether a `\n` follows. */
  #held = '';

  write(bytes: Uint8Array): string {
    const text = this.#held + this.#decoder.decode(bytes, { stream: true });
    this.#held = text.endsWith('\r') ? '\r' : '';
    return visible(text.slice(0, text.length - this.#held.length));
  }

  end(): string {
    return visible(this.#held + this.#decoder.decode());
  }
}

function shown(found: string): string {
  const code = found.charCodeAt(0);
  if (found.length > 1) return found;
  if (code < 0x20) return `^${String.fromCharCode(code + 0x40)}`;
  return code === 0x7f ? '^?' : `<${code.toString(16).padStart(2, '0')}>`;
}

// East Asian Wide and Fullwidth (Unicode Annex 11), and what terminals draw as emoji.
const WIDE =
  /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\p{Extended_Pictographic}\ufe0f)/u;

const ASCII = /^[\x20-\x7e]*$/;

const NONE = /^[\p{Mark}\p{Control}\u200b-\u200f\u2060\ufeff]+$/u;

/** Columns that a text takes on a terminal; colours take none. */
export function displayWidth(text: string): number {
  const plain = stripVTControlCharacters(text);
  if (ASCII.test(plain)) return plain.length;
  let width = 0;
  for (const { segment } of graphemes(plain)) width += segmentWidth(segment);
  return width;
}

/** A plain text cut to at most `width` columns, with an ellipsis where something was cut. */
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

/** Fits the text, then fills it up with spaces to exactly `width` columns. */
export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const cut = clip(text, width);
  const fill = ' '.repeat(Math.max(0, width - displayWidth(cut)));
  return align === 'left' ? cut + fill : fill + cut;
}

let segmenter: Intl.Segmenter | null = null;

/** Made at the first text that isn't ASCII: making one takes as long as starting a small command. */
function graphemes(text: string): Intl.Segments {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  return segmenter.segment(text);
}

function segmentWidth(segment: string): number {
  if (NONE.test(segment)) return 0;
  return WIDE.test(segment) ? 2 : 1;
}

export type Tint = 'good' | 'bad' | 'doubtful' | 'faint' | 'strong';

/** Colours a text, or leaves it as it is where colours aren't wanted. */
export type Paint = (tint: Tint, text: string) => string;

/** Whether colours are wanted is decided here, for the stream that is meant; Node would look at its own stdout. */
const UNCHECKED = { validateStream: false };

const STYLES = { good: 'green', bad: 'red', doubtful: 'yellow', faint: 'dim', strong: 'bold' } as const;

/** Colours for one of the two streams: only on a terminal, without NO_COLOR and --no-color. */
export function paintFor(ctx: Pick<Context, 'io' | 'flags'>, output: Output): Paint {
  const { env } = ctx.io;
  const wanted = output.isTTY === true && ctx.flags.color && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
  return wanted ? (tint, text) => styleText(STYLES[tint], text, UNCHECKED) : plain;
}

/** Leaves every text as it is. */
export const plain: Paint = (_, text) => text;
