import type { JobSpec } from '../../model/job.ts';
import { CR, isText, JoinError, LF, NOTHING, PROBE_BYTES } from './line-ends.ts';
import type { OutputSource } from './verified.ts';

const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/** A longer first line is not a header. */
const LONGEST_HEADER = 2 ** 20;

/** Characters of a line shown in a message. */
const SHOWN = 60;

/** How quotes work in a header; null: they have no meaning. */
export type HeaderQuote = {
  readonly character: string;
  /** False: a header that ends within quotes is refused, because nothing declares the data to be CSV. */
  readonly spansLines: boolean;
} | null;

/** As the `csv` split of the job's input declares; default: `"`. */
export function headerQuote({ input }: Pick<JobSpec, 'input'>): HeaderQuote {
  const split = input?.split;
  if (split?.by !== 'csv') return { character: '"', spansLines: false };
  return split.quote === '' ? null : { character: split.quote, spansLines: true };
}

/** A quote where a field may begin. After other text it may mean inches. */
const OPENS_FIELD = /(?:^|[,;|\t]) *"/;

/** An output doesn't begin with the expected header. The message shows both lines. */
export class HeaderError extends JoinError {}

/**
 * Keeps the header of the first output that isn't empty, and drops it from the others. A header is the first line; in
 * CSV also the following lines that a quoted field spans.
 */
export class HeaderFilter {
  readonly #source: OutputSource;
  readonly #quote: HeaderQuote;
  #header: { readonly line: Buffer; readonly task: number } | null = null;

  constructor(source: OutputSource, quote: HeaderQuote) {
    this.#source = source;
    this.#quote = quote;
  }

  /**
   * The bytes of the next output without its header, as they arrive. Throws `HeaderError`, before passing any of them
   * on, if they are not text or begin with another header. Ignores byte order marks and the kind of line end.
   */
  async *filter(task: number, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let head: Buffer | null = Buffer.alloc(0);
    for await (const chunk of chunks) {
      if (head === null) {
        yield chunk;
        continue;
      }
      head = Buffer.concat([head, chunk]);
      if (head.length < PROBE_BYTES || (head.length <= LONGEST_HEADER && this.#endIn(head) === -1)) continue;
      yield this.#withoutHeader(task, head);
      head = null;
    }
    if (head !== null) yield this.#withoutHeader(task, head);
  }

  #withoutHeader(task: number, head: Buffer): Uint8Array {
    if (!isText(head.subarray(0, PROBE_BYTES))) throw this.#refused(`the output of ${this.#name(task)} is not text`);
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

  /** Position of the header's line end; -1: not within these bytes. */
  #endIn(head: Buffer): number {
    const first = head.indexOf(LF);
    if (this.#quote?.spansLines !== true) return first;
    let end = first;
    for (let from = 0, open = false; end !== -1; end = head.indexOf(LF, from)) {
      open = open !== hasOpenQuote(head.subarray(from, end), this.#quote.character);
      if (!open) break;
      from = end + 1;
    }
    return end;
  }

  /** Throws if a header ends within quotes, because its end is then unknown. */
  #requireClosed(task: number, line: Buffer): void {
    const quote = this.#quote;
    if (quote === null || !hasOpenQuote(line, quote.character)) return;
    if (!quote.spansLines && !OPENS_FIELD.test(line.toString('latin1'))) return;
    const why = quote.spansLines ? 'and closes none' : 'and without split by: csv it is unclear where that line ends';
    throw this.#refused(`the first line of ${this.#name(task)} opens a quote, ${why}: ${shown(line, 0)}`);
  }

  #name(task: number): string {
    return `${this.#source.step}/${task}`;
  }

  #refused(why: string): HeaderError {
    const { job, step } = this.#source;
    return new HeaderError(
      `header once: ${why}`,
      `batchctl fetch ${job} --step ${step} -o FILE joins the outputs unchanged; a split such as csv:32MB,header gives each part the header`,
    );
  }
}

/** True if a text has an odd number of quotes. */
function hasOpenQuote(text: Buffer, quote: string): boolean {
  let open = false;
  if (quote === '') return false;
  for (let at = text.indexOf(quote); at !== -1; at = text.indexOf(quote, at + 1)) open = !open;
  return open;
}

/** A line without a leading byte order mark and a trailing carriage return. */
function contentOf(line: Buffer): Buffer {
  const start = line.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0;
  return line.subarray(start, line.at(-1) === CR ? line.length - 1 : line.length);
}

/** The first byte to show of two lines that differ: 0, or shortly before the first difference. */
function shownFrom(a: Buffer, b: Buffer): number {
  let same = 0;
  while (same < a.length && a[same] === b[same]) same += 1;
  return same < SHOWN ? 0 : same - SHOWN / 2;
}

function shown(line: Buffer, from: number): string {
  const text = JSON.stringify(line.subarray(from, from + SHOWN).toString());
  return `${from === 0 ? '' : '...'}${text}${from + SHOWN < line.length ? '...' : ''}`;
}
