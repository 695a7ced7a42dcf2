import { once } from 'node:events';
import { PassThrough } from 'node:stream';

/** Bytes buffered until a verb has ended, so that an error can still have its own status. */
const HELD = 256 * 1024;

/**
 * A verb's answer as the body of a response: one document, or rows as `{"items":[...]}`. A body longer than the buffer is
 * sent while the verb runs, at the reader's pace.
 */
export class JsonAnswer {
  /** Resolves when there is more than the buffer holds: from then on `body` must be read. */
  readonly overflows: Promise<void>;
  readonly body = new PassThrough({ highWaterMark: HELD });
  readonly #list: boolean;
  readonly #overflow: () => void;
  #added = 0;

  constructor(list: boolean) {
    this.#list = list;
    let overflow = (): void => {};
    this.overflows = new Promise((resolve) => {
      overflow = resolve;
    });
    this.#overflow = overflow;
    if (list) this.body.write('{"items":[');
  }

  /** True if nothing was added. */
  get isEmpty(): boolean {
    return this.#added === 0;
  }

  /** Adds the answer, or a row of it; resolves when there is room for more. Throws when the reader has left. */
  async add(value: unknown): Promise<void> {
    if (this.body.destroyed) throw new Error(LEFT);
    const comma = this.#list && this.#added > 0 ? ',' : '';
    this.#added += 1;
    if (this.body.write(`${comma}${JSON.stringify(value)}`)) return;
    this.#overflow();
    await this.#drained();
  }

  /** The answer is complete, and so is the body. */
  end(): void {
    if (this.#list) this.body.write(']}');
    else if (this.isEmpty) this.body.write('null');
    this.body.end();
  }

  async #drained(): Promise<void> {
    const gone = new AbortController();
    try {
      await Promise.race([
        once(this.body, 'drain', { signal: gone.signal }),
        once(this.body, 'close', { signal: gone.signal }).then(() => {
          throw new Error(LEFT);
        }),
      ]);
    } finally {
      gone.abort();
    }
  }
}

const LEFT = 'the client stopped reading the answer';

/** JSON for a header: ASCII only. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
