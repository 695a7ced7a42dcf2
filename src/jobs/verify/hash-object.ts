import { createHash } from 'node:crypto';
import type { ObjectStore } from '../../ports/object-store.ts';

/** Read in one request up to this size; as a stream above it. */
const IN_MEMORY = 1024 * 1024;

/** `sha256:<hex>` of an object's bytes as they are now, and how many; null if it provably isn't there. */
export async function hashObject(
  store: Pick<ObjectStore, 'read' | 'get'>,
  key: string,
  size: number,
  signal?: AbortSignal,
): Promise<{ readonly checksum: string; readonly size: number } | null> {
  const hash = createHash('sha256');
  const options = signal === undefined ? {} : { signal };
  let got = 0;
  if (size <= IN_MEMORY) {
    const bytes = await store.read(key, options);
    if (bytes === null) return null;
    hash.update(bytes);
    got = bytes.length;
  } else {
    const stream = await store.get(key, options);
    if (stream === null) return null;
    for await (const chunk of stream.body as AsyncIterable<Buffer>) {
      hash.update(chunk);
      got += chunk.length;
    }
  }
  return { checksum: `sha256:${hash.digest('hex')}`, size: got };
}
