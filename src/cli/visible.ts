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
