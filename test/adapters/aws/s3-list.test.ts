// Protects: an S3 listing returns every key once and in order, however large it is and wherever it starts and ends.

import { expect } from 'chai';
import fc from 'fast-check';
import { compareKeys, justBefore } from '../../../src/adapters/aws/s3-list.ts';
import type { ListOptions, ObjectStore } from '../../../src/ports/object-store.ts';
import { inByteOrder } from '../../contracts/store-bench.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { collect } from '../../support/collect.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { type Listening, serve } from '../../support/servers/listen.ts';
import { clientsOf, storeOf } from './s3-bench.ts';

/** An S3 that only lists keys, as S3API/API_ListObjectsV2 says. It can have a million of them. */
interface ListingServer extends Listening {
  /** Requests so far. */
  requests(): number;
}

const PAGE = 1_000;

/** `keys` are in the order of their UTF-8 bytes. */
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
const task = (n: number, suffix = ''): string => `${OUT}${String(n).padStart(9, '0')}${suffix}`;
const range = (from: number, count: number, step = 1): number[] =>
  Array.from({ length: count }, (_, i) => from + i * step);
const tasks = (from: number, count: number, step = 1): string[] => range(from, count, step).map((n) => task(n));

describe('listing an S3 bucket', () => {
  const cleanup = forEachTest(() => new Cleanup());

  async function openStore(keys: readonly string[]): Promise<{ store: ObjectStore; server: ListingServer }> {
    const server = cleanup.use(await startListingServer(keys));
    return { server, store: await storeOf(cleanup.use(clientsOf(server.url)), 'bucket') };
  }

  const keysOf = (store: ObjectStore, prefix: string, options: ListOptions = {}): Promise<string[]> =>
    collect(store.keys(prefix, options));

  it('returns 30,000 tasks in order, a thousand per request', async () => {
    const keys = tasks(0, 30_000);
    const { store, server } = await openStore([...keys, 'jobs/j/steps/s/tries/x']);
    expect(await keysOf(store, OUT)).to.deep.equal(keys);
    expect(server.requests(), 'few more requests than pages').to.be.below(60);
  });

  it('requests several pages at once', async () => {
    const { store, server } = await openStore(tasks(0, 30_000));
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
    'gaps of millions': [...tasks(0, 1_500), ...tasks(40_000_000, 1_500), ...tasks(999_998_600, 1_400)],
    'few first, many later': [...tasks(0, 1_200, 5_000), ...tasks(10_000_000, 6_000)],
    'foreign names before, between and behind': [
      `${OUT}000`,
      ...tasks(0, 2_500),
      ...range(0, 1_200).map((n) => task(3_000, `/${n}`)),
      ...tasks(3_001, 2_000),
      ...range(0, 2_200).map((n) => `${OUT}x${n}`),
    ],
    'exactly a page': tasks(0, 1_000),
    'exactly two pages': tasks(0, 2_000),
  };
  for (const [shape, unsorted] of Object.entries(shapes)) {
    it(`neither loses nor repeats a key: ${shape}`, async () => {
      const keys = inByteOrder(unsorted);
      const others = ['jobs/j/steps/s/opened.json', 'jobs/j/steps/t/out/000000000'];
      const { store, server } = await openStore(inByteOrder([...keys, ...others]));
      expect(await keysOf(store, OUT)).to.deep.equal(keys);
      expect(server.requests(), 'no request is sent for keys in a gap').to.be.below(40);
    });
  }

  it('begins and ends at the given keys, wherever they are', async () => {
    const keys = [...tasks(0, 3_000), ...tasks(7_000, 1_500, 3)];
    const { store } = await openStore(keys);
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
    const { store } = await openStore(keys);
    expect(await keysOf(store, OUT, { from: task(5) })).to.deep.equal([task(5)]);
  });

  it('lists exactly the keys of any range', async () => {
    const characters = fc.constantFrom(...'019/ab +%é\uE000\uFFFD\u{1F600}');
    const text = fc.array(characters, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''));
    const cases = fc.tuple(fc.uniqueArray(text, { maxLength: 30 }), text, fc.option(text), fc.option(text));
    await fc.assert(
      fc.asyncProperty(cases, async ([unsorted, prefix, from, to]) => {
        const keys = inByteOrder(unsorted);
        const { store } = await openStore(keys);
        const options = { ...(from !== null && { from }), ...(to !== null && { to }) };
        const atLeast = (key: string, bound: string | null): boolean =>
          bound === null || Buffer.from(key).compare(Buffer.from(bound)) >= 0;
        const expected = keys.filter(
          (key) => key.startsWith(prefix) && atLeast(key, from) && (to === null || !atLeast(key, to)),
        );
        expect(await keysOf(store, prefix, options)).to.deep.equal(expected);
        await cleanup.close();
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
        expect(Buffer.from(justBefore(one)).compare(Buffer.from(one))).to.equal(-1);
      }),
    );
  });

  for (const [what, from, before] of [
    ['the lowest character', 'a\u0000', 'a'],
    ['the first character above the surrogates', 'a\ue000', 'a\ud7ff\ufffd'],
    ['a character of two units', 'a\u{10001}', 'a\u{10000}\ufffd'],
    ['any other', 'ab', 'aa\ufffd'],
  ] as const) {
    it(`starts just before a key that ends with ${what}, by text that is UTF-8`, () => {
      expect(justBefore(from)).to.equal(before);
      expect(compareKeys(before, from)).to.be.below(0);
    });
  }

  it('stops when the reader leaves, and when the signal aborts', async () => {
    const { store, server } = await openStore(tasks(0, 20_000));
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
    expect(await rejection(listing())).to.have.property('name', 'AbortError');
    expect(seen).to.equal(5_000);
  });
});
