import { BatchctlError } from '../../errors.ts';
import type { JobSpec } from '../../model/job.ts';
import type { OutputSource } from './verified.ts';

const LF = 10;
const CR = 13;
const NOTHING = new Uint8Array();
const LINE_END = Buffer.from('\n');
const DOS_LINE_END = Buffer.from('\r\n');
const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/** How many bytes of an output's end, or beginning, tell whether it is text and how its lines end. */
export const ENOUGH = 4_096;
/** A first line longer than this is no header. */
const LONGEST_HEADER = 2 ** 20;
/** Characters shown of a line. */
const SHOWN = 60;

/**
 * What a join of lines puts between an output that ends with these bytes and the next one: a line end like those of its
 * own lines, unless it ends with one. Nothing behind bytes that are not text.
 */
export function lineEndAfter(tail: Uint8Array): Uint8Array {
  const last = tail.at(-1);
  if (last === undefined || last === LF || !isText(tail)) return NOTHING;
  const before = tail.lastIndexOf(LF);
  return before > 0 && tail[before - 1] === CR && last !== CR ? DOS_LINE_END : LINE_END;
}

/** The last bytes of what ended with `before`, after another chunk. */
export function tailAfter(before: Uint8Array, chunk: Uint8Array): Uint8Array {
  const whole = before.length === 0 || chunk.length >= ENOUGH ? chunk : Buffer.concat([before, chunk]);
  return whole.subarray(-ENOUGH);
}

/** False where there is a NUL, or a control character that is not white space, an escape or a separator. */
function isText(bytes: Uint8Array): boolean {
  // By index: the iterator of a Buffer takes five times as long.
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i] ?? 0;
    if (byte === 0 || (byte >= 0x0e && byte <= 0x19)) return false;
  }
  return true;
}

/** What quotes mean in a header; null: nothing. */
export type HeaderQuote = {
  readonly character: string;
  /** False: a line that ends within them is refused, as nobody says that it is CSV. */
  readonly spansLines: boolean;
} | null;

/** As the `csv` split of the job's input says; without one, a quote is `"`. */
export function headerQuote({ input }: Pick<JobSpec, 'input'>): HeaderQuote {
  const split = input?.split;
  if (split?.by !== 'csv') return { character: '"', spansLines: false };
  return split.quote === '' ? null : { character: split.quote, spansLines: true };
}

/** A quote where a field may begin; one behind other text may stand for inches. */
const OPENS_FIELD = /(?:^|[,;|\t]) *"/;

/** An output does not begin as `header: once` says. The message shows both lines. */
export class HeaderRefused extends BatchctlError {
  constructor(message: string, hint?: string) {
    super('refused', message, hint === undefined ? {} : { hint });
  }
}

/**
 * Keeps the header of the first output that isn't empty, and drops it where others begin with it: the first line, and in
 * CSV as many more as the quotes of a field span.
 */
export class HeaderOnce {
  readonly #source: OutputSource;
  readonly #quote: HeaderQuote;
  #header: { readonly line: Buffer; readonly task: number } | null = null;

  constructor(source: OutputSource, quote: HeaderQuote) {
    this.#source = source;
    this.#quote = quote;
  }

  /**
   * What is kept of the next output, as its bytes come. Throws `HeaderRefused`, before it passes any of them on, if they
   * are not text or begin with another line. A byte order mark, and how the line ends, make no difference.
   */
  async *kept(task: number, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let head: Buffer | null = Buffer.alloc(0);
    for await (const chunk of chunks) {
      if (head === null) {
        yield chunk;
        continue;
      }
      head = Buffer.concat([head, chunk]);
      if (head.length < ENOUGH || (head.length <= LONGEST_HEADER && this.#endIn(head) === -1)) continue;
      yield this.#withoutHeader(task, head);
      head = null;
    }
    if (head !== null) yield this.#withoutHeader(task, head);
  }

  #withoutHeader(task: number, head: Buffer): Uint8Array {
    if (!isText(head.subarray(0, ENOUGH))) throw this.#refused(`the output of ${this.#name(task)} is not text`);
    const end = this.#endIn(head);
    const length = end === -1 ? head.length : end;
    if (length > LONGEST_HEADER) {
      throw this.#refused(`the first line of ${this.#name(task)} is longer than ${LONGEST_HEADER} bytes`);
    }
    const line = contentOf(head.subarray(0, length));
    this.#requireClosed(task, line);
    if (this.#header === null) {
      this.#header = { line, task };
      return head;
    }
    const { line: header, task: first } = this.#header;
    if (!line.equals(header)) {
      const from = shownFrom(header, line);
      throw this.#refused(
        `the first line of ${this.#name(task)} is not the header: expected ${shown(header, from)}, as in ${this.#name(first)}, found ${shown(line, from)}`,
      );
    }
    return end === -1 ? NOTHING : head.subarray(end + 1);
  }

  /** Where the header's line end is; -1: not among these bytes. */
  #endIn(head: Buffer): number {
    const first = head.indexOf(LF);
    if (this.#quote?.spansLines !== true) return first;
    let end = first;
    for (let from = 0, open = false; end !== -1; end = head.indexOf(LF, from)) {
      open = open !== isOpen(head.subarray(from, end), this.#quote.character);
      if (!open) break;
      from = end + 1;
    }
    return end;
  }

  /** Throws for a header that ends within quotes: nobody could say where it ends. */
  #requireClosed(task: number, line: Buffer): void {
    const quote = this.#quote;
    if (quote === null || !isOpen(line, quote.character)) return;
    if (!quote.spansLines && !OPENS_FIELD.test(line.toString('latin1'))) return;
    const why = quote.spansLines ? 'and closes none' : 'and only by: csv says where such a line ends';
    throw this.#refused(`the first line of ${this.#name(task)} opens a quote, ${why}: ${shown(line, 0)}`);
  }

  #name(task: number): string {
    return `${this.#source.step}/${task}`;
  }

  #refused(why: string): HeaderRefused {
    const { job, step } = this.#source;
    return new HeaderRefused(
      `header once: ${why}`,
      `batchctl fetch ${job} --step ${step} -o FILE joins the outputs unchanged; a split such as csv:32MB,header gives each part the header`,
    );
  }
}

/** True where a text has an odd number of quotes. */
function isOpen(text: Buffer, quote: string): boolean {
  let open = false;
  if (quote === '') return false;
  for (let at = text.indexOf(quote); at !== -1; at = text.indexOf(quote, at + 1)) open = !open;
  return open;
}

/** A line without a byte order mark before it and a carriage return behind it. */
function contentOf(line: Buffer): Buffer {
  const start = line.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0;
  return line.subarray(start, line.at(-1) === CR ? line.length - 1 : line.length);
}

/** From which byte two lines that differ are shown: 0, or shortly before the first difference. */
function shownFrom(a: Buffer, b: Buffer): number {
  let same = 0;
  while (same < a.length && a[same] === b[same]) same += 1;
  return same < SHOWN ? 0 : same - SHOWN / 2;
}

function shown(line: Buffer, from: number): string {
  const text = JSON.stringify(line.subarray(from, from + SHOWN).toString());
  return `${from === 0 ? '' : '...'}${text}${from + SHOWN < line.length ? '...' : ''}`;
}
