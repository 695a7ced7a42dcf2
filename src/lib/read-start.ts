import type { Readable } from 'node:stream';

/** The first bytes of a body as text: about `most`, and the rest is not read. Throws if the body breaks off before. */
export async function readStart(body: Readable, most: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= most) break;
  }
  return Buffer.concat(chunks).toString();
}
