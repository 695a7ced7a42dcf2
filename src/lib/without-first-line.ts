import { Transform, type TransformCallback } from 'node:stream';

/** Drops everything up to and including the first newline of what passes, chunk by chunk. */
export class FirstLineDropper {
  #dropped = false;

  /** What is left of the chunk. */
  take(chunk: Uint8Array): Uint8Array {
    if (this.#dropped) return chunk;
    const newline = chunk.indexOf(10);
    if (newline === -1) return chunk.subarray(0, 0);
    this.#dropped = true;
    return chunk.subarray(newline + 1);
  }
}

/** The same as a stream. */
export class WithoutFirstLine extends Transform {
  readonly #dropper = new FirstLineDropper();

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const left = this.#dropper.take(chunk);
    if (left.length === 0) done();
    else done(null, left);
  }
}
