import { stripVTControlCharacters } from 'node:util';

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
