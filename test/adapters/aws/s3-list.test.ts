// Protects: an S3 listing returns every key once and in order, however large it is and wherever it starts and ends.

import { expect } from 'chai';
import fc from 'fast-check';
import { compareKeys, justBefore } from '../../../src/adapters/aws/s3-list.ts';
import { createS3Store } from '../../../src/adapters/aws/s3-store.ts';
import type { ListOptions, ObjectStore } from '../../../src/ports/object-store.ts';
import { inByteOrder } from '../../contracts/store-bench.ts';
import { type Listening, serve } from '../../support/servers/listen.ts';
import { clientsOf } from './s3-bench.ts';

/** An S3 that holds keys and nothing else, and lists them as S3API/API_ListObjectsV2 says: for a million of them at once. */
interface ListingServer extends Listening {
  /** Requests so far. */
  requests(): number;
}

const PAGE = 1_000;

/** `keys` in the order of their UTF-8 bytes. */
async function startListingServer(keys: readonly string[]): Promise<ListingServer> {
  let requests = 0;
  const bytes = keys.map((key) => Buffer.from(key));
  const server = await serve((request, answer) => {
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
  return { ...server, requests: () => requests };
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

const OUT = 'jobs/j/steps/s/out/';
const task = (n: number, more = ''): string => `${OUT}${String(n).padStart(9, '0')}${more}`;
const range = (from: number, count: number, step = 1): number[] =>
  Array.from({ length: count }, (_, i) => from + i * step);

describe('listing an S3 bucket', () => {
  const servers: ListingServer[] = [];
  const clients: ReturnType<typeof clientsOf>[] = [];
  afterEach(async () => {
    for (const one of clients.splice(0)) await one.close();
    for (const server of servers.splice(0)) await server.close();
  });

  async function serve(keys: readonly string[]): Promise<{ store: ObjectStore; server: ListingServer }> {
    const server = await startListingServer(keys);
    const own = clientsOf(server.url);
    servers.push(server);
    clients.push(own);
    return { server, store: await createS3Store({ clients: own, bucket: 'bucket', prefix: '', kmsKey: null }) };
  }

  async function keysOf(store: ObjectStore, prefix: string, options: ListOptions = {}): Promise<string[]> {
    const found: string[] = [];
    for await (const key of store.keys(prefix, options)) found.push(key);
    return found;
  }

  it('returns 30,000 tasks in order, a thousand per request', async () => {
    const keys = range(0, 30_000).map((n) => task(n));
    const { store, server } = await serve([...keys, 'jobs/j/steps/s/tries/x']);
    expect(await keysOf(store, OUT)).to.deep.equal(keys);
    expect(server.requests(), 'few requests more than pages').to.be.below(60);
  });

  it('requests several pages at once', async () => {
    const { store, server } = await serve(range(0, 30_000).map((n) => task(n)));
    let most = 0;
    let seen = 0;
    for await (const _ of store.keys(OUT)) {
      seen += 1;
      most = Math.max(most, server.requests() - seen / 1_000);
    }
    expect(most).to.be.within(4, 20);
  });

  const shapes: Readonly<Record<string, readonly string[]>> = {
    'many keys of one task': range(0, 5_000).flatMap((n) =>
      n === 2_500 ? range(0, 2_500).map((t) => task(n, `.0.${t}`)) : [task(n, '.0.a')],
    ),
    'gaps of millions': [...range(0, 1_500), ...range(40_000_000, 1_500), ...range(999_998_600, 1_400)].map((n) =>
      task(n),
    ),
    'few first, many later': [...range(0, 1_200, 5_000), ...range(10_000_000, 6_000)].map((n) => task(n)),
    'foreign names before, between and behind': [
      `${OUT}000`,
      ...range(0, 2_500).map((n) => task(n)),
      ...range(0, 1_200).map((n) => task(3_000, `/${n}`)),
      ...range(3_001, 2_000).map((n) => task(n)),
      ...range(0, 2_200).map((n) => `${OUT}x${n}`),
    ],
    'exactly a page': range(0, 1_000).map((n) => task(n)),
    'exactly two pages': range(0, 2_000).map((n) => task(n)),
  };
  for (const [shape, unsorted] of Object.entries(shapes)) {
    it(`neither loses nor repeats a key: ${shape}`, async () => {
      const keys = inByteOrder(unsorted);
      const { store, server } = await serve(
        inByteOrder([...keys, 'jobs/j/steps/s/opened.json', 'jobs/j/steps/t/out/000000000']),
      );
      expect(await keysOf(store, OUT)).to.deep.equal(keys);
      expect(server.requests(), 'no gap is walked through').to.be.below(40);
    });
  }

  it('begins and ends at the given keys, wherever they are', async () => {
    const numbers = [...range(0, 3_000), ...range(7_000, 1_500, 3)];
    const keys = inByteOrder(numbers.map((n) => task(n)));
    const { store } = await serve(keys);
    for (const [from, to] of [
      [0, 3_000],
      [2_999, 7_001],
      [1_234, 8_000],
      [0, 7_000],
      [3_500, 3_600],
      [7_003, 999_999_999],
    ] as const) {
      const expected = keys.filter((key) => key >= task(from) && key < task(to));
      expect(await keysOf(store, OUT, { from: task(from), to: task(to) }), `${from}..${to}`).to.deep.equal(expected);
    }
  });

  it('skips keys between its StartAfter text and the key where it begins', async () => {
    const keys = inByteOrder([task(4), task(4, '\uFFFDa'), task(4, '\u{1F600}'), task(5)]);
    const { store } = await serve(keys);
    expect(await keysOf(store, OUT, { from: task(5) })).to.deep.equal([task(5)]);
  });

  it('lists exactly the keys of any range', async () => {
    const characters = fc.constantFrom(
      '0',
      '1',
      '9',
      '/',
      'a',
      'b',
      ' ',
      '+',
      '%',
      'é',
      '\uE000',
      '\uFFFD',
      '\u{1F600}',
    );
    const text = fc.array(characters, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''));
    const cases = fc.tuple(fc.uniqueArray(text, { maxLength: 30 }), text, fc.option(text), fc.option(text));
    await fc.assert(
      fc.asyncProperty(cases, async ([unsorted, prefix, from, to]) => {
        const keys = inByteOrder(unsorted);
        const { store } = await serve(keys);
        const options = { ...(from !== null && { from }), ...(to !== null && { to }) };
        const atLeast = (key: string, bound: string | null): boolean =>
          bound === null || Buffer.from(key).compare(Buffer.from(bound)) >= 0;
        const expected = keys.filter(
          (key) => key.startsWith(prefix) && atLeast(key, from) && (to === null || !atLeast(key, to)),
        );
        expect(await keysOf(store, prefix, options)).to.deep.equal(expected);
        for (const one of clients.splice(0)) await one.close();
        for (const server of servers.splice(0)) await server.close();
      }),
      { numRuns: 150 },
    );
  });

  it('finds a text just before any key, and compares keys by their bytes', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(text, text, (one, other) => {
        const bytes = Math.sign(Buffer.from(one).compare(Buffer.from(other)));
        expect(Math.sign(compareKeys(one, other))).to.equal(bytes);
        expect(Buffer.from(justBefore(one)).compare(Buffer.from(one))).to.be.below(40);
      }),
    );
  });

  it('stops when the reader leaves, and when the signal aborts', async () => {
    const { store, server } = await serve(range(0, 20_000).map((n) => task(n)));
    for await (const key of store.keys(OUT)) if (key === task(4_000)) break;
    expect(server.requests()).to.be.below(20);
    const abort = new AbortController();
    let seen = 0;
    const listing = async (): Promise<void> => {
      for await (const _ of store.keys(OUT, { signal: abort.signal })) {
        seen += 1;
        if (seen === 5_000) abort.abort();
      }
    };
    await listing().then(
      () => expect.fail('expected it to end'),
      (error: unknown) => expect(error).to.have.property('name', 'AbortError'),
    );
    expect(seen).to.equal(5_000);
  });
});
