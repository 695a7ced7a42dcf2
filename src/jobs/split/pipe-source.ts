import { Readable } from 'node:stream';
import { detectCompression, type SplitSource } from './split-source.ts';
import { HEAD_SIZE, type LookAtHead } from './text-head.ts';

/** What comes through a pipe (`--input -`): its first bytes are awaited, for `look` and to know whether it is compressed. */
export async function openPipeSource(
  index: number,
  input: Readable,
  look: LookAtHead | null = null,
  name = '-',
): Promise<SplitSource> {
  const chunks = input[Symbol.asyncIterator]() as AsyncIterator<Buffer | string>;
  const head: Buffer[] = [];
  let length = 0;
  let done = false;
  while (length < (look === null ? 4 : HEAD_SIZE) && !done) {
    const next = await chunks.next();
    done = next.done === true;
    if (next.done === true) break;
    head.push(Buffer.from(next.value));
    length += next.value.length;
  }
  async function* all(): AsyncGenerator<Buffer | string> {
    yield* head;
    for (let next = done ? null : await chunks.next(); next?.done === false; next = await chunks.next()) {
      yield next.value;
    }
  }
  const bytes = Buffer.concat(head);
  const compression = detectCompression(bytes);
  try {
    await look?.({ name, compression, bytes: bytes.subarray(0, HEAD_SIZE) });
  } catch (error) {
    input.destroy();
    throw error;
  }
  return {
    index,
    name,
    size: null,
    compression,
    random: null,
    stream: (signal) => Readable.from(all(), { objectMode: false, ...(signal && { signal }) }),
    check: async () => {},
    close: async () => {
      input.destroy();
    },
  };
}
