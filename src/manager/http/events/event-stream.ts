import { Readable } from 'node:stream';

/** A stream of server-sent events for one reader, who gets of each event only the newest when slow. */
export class EventStream {
  readonly body: Readable;
  /** What waits to be read, by the event's name: at most one of each. */
  readonly #waiting = new Map<string, string>();
  readonly #timer: NodeJS.Timeout;
  #wanted = false;
  #ending = false;

  /** `aliveMs` without an event, and a comment says that the connection is good. */
  constructor(aliveMs: number) {
    this.body = new Readable({
      read: () => {
        this.#wanted = true;
        this.#flush();
      },
      // One event is held besides those that wait; it may be large.
      highWaterMark: 1,
    });
    this.#timer = setInterval(() => this.#comment(), aliveMs).unref();
    this.body.once('close', () => clearInterval(this.#timer));
  }

  /** `data` is JSON, without a line break. */
  send(event: string, data: string): void {
    if (this.#ending) return;
    // To the end of the order: what came first of this name is superseded.
    this.#waiting.delete(event);
    this.#waiting.set(event, `event: ${event}\ndata: ${data}\n\n`);
    this.#flush();
  }

  /** Ends it, once what waits was read. */
  end(): void {
    this.#ending = true;
    this.#flush();
  }

  #comment(): void {
    if (!this.#wanted || this.#ending) return;
    this.#push(':\n\n');
  }

  #flush(): void {
    if (!this.#wanted) return;
    const [next] = this.#waiting;
    if (next !== undefined) {
      this.#waiting.delete(next[0]);
      this.#push(next[1]);
    } else if (this.#ending) {
      this.#wanted = false;
      this.body.push(null);
    }
  }

  #push(text: string): void {
    this.#wanted = false;
    this.body.push(text);
  }
}
