/**
 * Sets of task numbers as text: base64 of gap, length, gap, length ... as varints (seven bits a byte, low ones first).
 * A worker's share of a large job costs two to three bytes a task, an unbroken run a few bytes in all.
 */
export class TaskRunsEncoder {
  #bytes = Buffer.alloc(64);
  #used = 0;
  #end = 0;

  /** Adds the run `from` to before `to`, above all that were added. */
  add(from: number, to: number): void {
    this.#varint(from - this.#end);
    this.#varint(to - from);
    this.#end = to;
  }

  toString(): string {
    return this.#bytes.toString('base64', 0, this.#used);
  }

  #varint(value: number): void {
    if (this.#used + 8 > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes, this.#bytes]);
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#bytes[this.#used++] = (rest % 128) | 128;
    this.#bytes[this.#used++] = rest;
  }
}

/** Tells the runs of such a text, ascending, each as `from` to before `to`. */
export function eachTaskRun(text: string, tell: (from: number, to: number) => void): void {
  const bytes = Buffer.from(text, 'base64');
  let at = 0;
  let end = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; at < bytes.length; scale *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) break;
    }
    return value;
  };
  while (at < bytes.length) {
    const from = end + varint();
    end = from + varint();
    tell(from, end);
  }
}
