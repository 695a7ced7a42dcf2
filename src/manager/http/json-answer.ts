import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';

/** Bytes buffered until a verb has ended, so that an error can still have its own status. */
const HELD = 256 * 1024;
const NEWLINE = 10;

/**
 * A verb's JSON output as the body of an answer: one document unchanged, lines as `{"items":[...]}`. A body longer than
 * the buffer is sent while the verb runs, at the reader's pace.
 */
export class JsonAnswer {
  /** The stream for the verb's output. */
  readonly out: Writable;
  /** Resolves when there is more than the buffer holds: from then on `body` must be read. */
  readonly overflows: Promise<void>;
  readonly body = new PassThrough({ highWaterMark: HELD });
  readonly #list: boolean;
  #size = 0;
  /** After a line end: a comma follows only if another line does. */
  #between = false;

  constructor(list: boolean) {
    this.#list = list;
    let overflow = (): void => {};
    this.overflows = new Promise((resolve) => {
      overflow = resolve;
    });
    this.out = new Writable({
      write: (chunk: Buffer, _, done) => {
        this.#size += chunk.length;
        const room = this.#pass(chunk);
        if (room) return done();
        overflow();
        this.#drained().then(() => done(), done);
      },
    }).on('error', () => {
      // The reader left: the verb learns it from its signal.
    });
    if (list) this.body.write('{"items":[');
  }

  /** True if nothing was printed. */
  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** Adds the answer, or a row of it; resolves when there is room for more. */
  async add(value: unknown): Promise<void> {
    const text = `${JSON.stringify(value)}${this.#list ? '\n' : ''}`;
    await new Promise<void>((resolve, reject) => {
      this.out.write(text, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** The output is complete, and so is the body. */
  end(): void {
    if (this.#list) this.body.write(']}');
    else if (this.isEmpty) this.body.write('null');
    this.body.end();
  }

  /** False if it exceeds the buffer. */
  #pass(chunk: Buffer): boolean {
    if (!this.#list) return this.body.write(chunk);
    let room = true;
    for (let at = 0; at < chunk.length; ) {
      const found = chunk.indexOf(NEWLINE, at);
      const end = found < 0 ? chunk.length : found;
      if (end > at && this.#between) this.body.write(',');
      if (end > at) {
        this.#between = false;
        room = this.body.write(chunk.subarray(at, end));
      }
      if (found >= 0) this.#between = true;
      at = end + 1;
    }
    return room;
  }

  async #drained(): Promise<void> {
    const gone = new AbortController();
    try {
      await Promise.race([
        once(this.body, 'drain', { signal: gone.signal }),
        once(this.body, 'close', { signal: gone.signal }).then(() => {
          throw new Error('the client stopped reading the answer');
        }),
      ]);
    } finally {
      gone.abort();
    }
  }
}

/** Bytes kept of a verb's stderr. */
const KEPT = 4 * 1024;

/** The warnings in a verb's stderr. */
export class Warnings {
  readonly err: Writable;
  readonly #added: string[] = [];
  #text = '';

  constructor() {
    this.err = new Writable({
      write: (chunk: Buffer, _, done) => {
        if (this.#text.length < KEPT) this.#text += chunk.toString('utf8').slice(0, KEPT);
        done();
      },
    });
  }

  add(warning: string): void {
    this.#added.push(warning);
  }

  get lines(): readonly string[] {
    return [...this.#added, ...this.#text.split('\n').flatMap((line) => /^warning: (.+)/.exec(line)?.[1] ?? [])];
  }
}

/** JSON for a header: ASCII only. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
