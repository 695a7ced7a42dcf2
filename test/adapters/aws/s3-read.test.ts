// Protects: a read from S3 over a bad connection ends with all bytes of one object, or with an error.

import { expect } from 'chai';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest } from '../../support/fixture.ts';
import { readText } from '../../support/read-text.ts';
import { failsWith } from '../../support/rejection.ts';
import { serve } from '../../support/servers/listen.ts';
import { clientsOf, storeOf } from './s3-bench.ts';

describe('a read from S3 whose connection breaks', () => {
  const TEXT = 'abcdefghijkl';
  const cleanup = forEachTest(() => new Cleanup());
  let requests = 0;

  /** A store whose server sends `each` bytes an answer, then closes the connection. */
  const open = async (each: number) => {
    requests = 0;
    const { url } = cleanup.use(
      await serve(({ headers }, answer) => {
        requests += 1;
        const from = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
        const rest = TEXT.slice(from);
        const range = { 'content-range': `bytes ${from}-${TEXT.length - 1}/${TEXT.length}` };
        answer.writeHead(from === 0 ? 200 : 206, {
          etag: '"e"',
          'content-length': rest.length,
          ...(from > 0 && range),
        });
        if (rest.length <= each) answer.end(rest);
        else answer.write(rest.slice(0, each), () => answer.destroy());
        if (each === 0) answer.flushHeaders();
      }),
    );
    return storeOf(cleanup.use(clientsOf(url)), 'bucket');
  };

  it('continues as often as each answer brings bytes', async () => {
    expect(await readText(await open(1), 'k')).to.equal(TEXT);
    expect(requests).to.equal(TEXT.length);
  });

  it('gives up when seven answers in a row bring none', async () => {
    await failsWith('unavailable', (await open(0)).read('k'));
    expect(requests).to.equal(7);
  });
});

describe('a read of a pinned object that was replaced', () => {
  const cleanup = forEachTest(() => new Cleanup());

  it('is asked for once, as no later answer can be the pinned one', async () => {
    let requests = 0;
    const error = '<Error><Code>PreconditionFailed</Code></Error>';
    const { url } = cleanup.use(
      await serve((_, answer) => {
        requests += 1;
        answer.writeHead(412, { 'content-type': 'application/xml' }).end(error);
      }),
    );
    const store = await storeOf(cleanup.use(clientsOf(url)), 'bucket');
    await failsWith('changed', store.read('k', { etag: 'e' }));
    expect(requests).to.equal(1);
  });
});

describe('a missing object in a bucket that has not answered yet', () => {
  const cleanup = forEachTest(() => new Cleanup());

  for (const [whose, foreign, prefix] of [
    ["another account's bucket, of which one may be allowed to list only a part", true, 'in/a.csv'],
    ["the profile's own bucket", false, ''],
  ] as const) {
    it(`is told from a missing bucket by a list of ${foreign ? 'that key' : 'all'} in ${whose}`, async () => {
      const lists: string[] = [];
      const { url } = cleanup.use(
        await serve(({ method, url = '' }, answer) => {
          if (method !== 'HEAD') lists.push(url);
          const body = method === 'HEAD' ? undefined : '<ListBucketResult/>';
          answer.writeHead(method === 'HEAD' ? 404 : 200, { 'content-type': 'application/xml' }).end(body);
        }),
      );
      const store = await storeOf(cleanup.use(clientsOf(url)), 'bucket', { foreign });
      expect(await store.head('in/a.csv')).to.equal(null);
      expect(lists.map((list) => new URL(list, url).searchParams.get('prefix'))).to.deep.equal([prefix]);
    });
  }
});
