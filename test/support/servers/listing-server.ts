import { once } from 'node:events';
import { createServer } from 'node:http';

/** An S3 that holds keys and nothing else, and lists them as S3API/API_ListObjectsV2 says: for a million of them at once. */
export interface ListingServer {
  readonly url: string;
  /** Requests so far. */
  requests(): number;
  close(): Promise<void>;
}

const PAGE = 1_000;

/** `keys` in the order of their UTF-8 bytes. */
export async function startListingServer(keys: readonly string[]): Promise<ListingServer> {
  let requests = 0;
  const bytes = keys.map((key) => Buffer.from(key));
  const server = createServer((request, answer) => {
    requests += 1;
    const query = new URL(request.url ?? '', 'http://localhost').searchParams;
    const prefix = Buffer.from(query.get('prefix') ?? '');
    const after = Buffer.from(query.get('continuation-token') ?? query.get('start-after') ?? '');
    const found: string[] = [];
    let index = firstAfter(bytes, after.compare(prefix) >= 0 ? after : Buffer.from(prefix.subarray(0, -1)));
    let more = false;
    for (; index < keys.length; index += 1) {
      const key = bytes[index];
      if (key === undefined || !key.subarray(0, prefix.length).equals(prefix)) {
        if (key !== undefined && key.compare(prefix) > 0) break;
        continue;
      }
      if (found.length === PAGE) {
        more = true;
        break;
      }
      found.push(keys[index] ?? '');
    }
    const token = more ? `<NextContinuationToken>${xml(found.at(-1) ?? '')}</NextContinuationToken>` : '';
    const contents = found.map(
      (key) =>
        `<Contents><Key>${encodeURIComponent(key).replaceAll('%20', '+')}</Key><Size>1</Size><ETag>"e"</ETag>` +
        '<LastModified>2026-11-25T00:00:00.000Z</LastModified></Contents>',
    );
    answer.writeHead(200, { 'content-type': 'application/xml' });
    answer.end(
      `<ListBucketResult><IsTruncated>${more}</IsTruncated><EncodingType>url</EncodingType>${token}` +
        `${contents.join('')}</ListBucketResult>`,
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests: () => requests,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function firstAfter(bytes: readonly Buffer[], after: Buffer): number {
  let low = 0;
  let high = bytes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((bytes[middle] ?? after).compare(after) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

const xml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
