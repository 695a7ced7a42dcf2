// Protects: a read from S3 over a bad connection ends with all bytes of one object, or with an error.

import type { ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import type { BucketReadOptions } from '../../../src/ports/bucket.ts';
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

describe('a read from a service that sends objects in chunks, without their length', () => {
  const TEXT = 'abcdefghijkl';
  const cleanup = forEachTest(() => new Cleanup());
  let asked: string[] = [];

  interface Service {
    readonly content?: string;
    /** Whether it answers as if no range were asked for. */
    readonly ignoresRanges?: boolean;
    /** What it sends beside or instead of a whole answer. */
    readonly send?: (answer: ServerResponse, body: string) => void;
    /** The size in `Content-Range`. */
    readonly total?: string;
    readonly etag?: () => string;
  }

  const open = async ({ content = TEXT, ignoresRanges = false, send, total, etag = () => '"e"' }: Service = {}) => {
    asked = [];
    const { url } = cleanup.use(
      await serve(({ method = '', headers, url: path = '' }, answer) => {
        asked.push(`${method} ${headers.range ?? ''}`.trim());
        if (path.includes('list-type')) return void answer.end('<ListBucketResult/>');
        const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(ignoresRanges ? '' : (headers.range ?? '')) ?? [];
        if (from !== undefined && Number(from) >= content.length) {
          return void answer.writeHead(416).end('<Error><Code>InvalidRange</Code></Error>');
        }
        const body = content.slice(Number(from ?? 0), Number(to ?? content.length) + 1);
        const range = `bytes ${from}-${Number(from) + body.length - 1}/${total ?? content.length}`;
        answer.writeHead(from === undefined ? 200 : 206, {
          etag: etag(),
          'transfer-encoding': 'chunked',
          ...(from !== undefined && { 'content-range': range }),
        });
        if (method === 'HEAD') return void answer.end();
        // A second write, so that the answer has no length.
        answer.write('');
        if (send === undefined || from !== undefined) answer.end(body);
        else send(answer, body);
      }),
    );
    return storeOf(cleanup.use(clientsOf(url)), 'bucket');
  };
  const streamed = async (service: Service, options: BucketReadOptions = {}) => {
    const stream = (await (await open(service)).get('k', options)) ?? expect.fail('no object');
    return { size: stream.info.size, bytes: await text(stream.body) };
  };

  it('gives all bytes, also as a stream', async () => {
    expect(await readText(await open(), 'k')).to.equal(TEXT);
    expect(asked).to.deep.equal(['GET', 'GET bytes=0-0']);
    expect(await streamed({})).to.deep.equal({ size: TEXT.length, bytes: TEXT });
  });

  it('gives the bytes of a range, and asks only once', async () => {
    const range = { offset: 2, length: 4 };
    expect(await streamed({}, { range })).to.deep.equal({ size: TEXT.length, bytes: 'cdef' });
    expect(asked).to.deep.equal(['GET bytes=2-5']);
    expect(await streamed({}, { range: { offset: 10, length: 9 } })).to.deep.equal({ size: 12, bytes: 'kl' });
  });

  it('knows the size of an object that a HEAD does not state', async () => {
    expect((await (await open()).head('k'))?.size).to.equal(TEXT.length);
    expect((await (await open()).facts('k', null))?.size).to.equal(TEXT.length);
  });

  it('gives an empty object as empty', async () => {
    expect(await streamed({ content: '' })).to.deep.equal({ size: 0, bytes: '' });
    expect((await (await open({ content: '' })).head('k'))?.size).to.equal(0);
  });

  it('continues after a broken answer', async () => {
    const send = (answer: ServerResponse, body: string) => answer.write(body.slice(0, 5), () => answer.destroy());
    expect(await streamed({ send })).to.deep.equal({ size: TEXT.length, bytes: TEXT });
  });

  it('continues if an answer ends too early as if it were whole', async () => {
    const send = (answer: ServerResponse, body: string) => answer.end(body.slice(0, 5));
    expect(await streamed({ send })).to.deep.equal({ size: TEXT.length, bytes: TEXT });
    expect(asked).to.deep.equal(['GET', 'GET bytes=0-0', 'GET bytes=5-11']);
  });

  it('fails if an answer holds more than the object', async () => {
    const send = (answer: ServerResponse, body: string) => answer.end(`${body}!`);
    const { message } = await failsWith('corrupt', streamed({ send }));
    expect(message).to.equal('Expected 12 bytes of k, read 13');
    await failsWith('corrupt', (await open({ send })).read('k'));
  });

  it('fails if the object was replaced before its size was known', async () => {
    let answers = 0;
    const etag = () => {
      answers += 1;
      return `"${answers}"`;
    };
    await failsWith('changed', streamed({ etag }));
  });

  it('fails if the service does not say the size at all', async () => {
    for (const service of [{ total: '*' }, { ignoresRanges: true }]) {
      for (const act of [
        async () => (await open(service)).read('k'),
        async () => (await open(service)).head('k'),
        async () => streamed(service),
      ]) {
        const { message, hint, isRefusal } = await failsWith('config', act());
        expect(message).to.match(/^Expected (the size of k, found neither|a range of k from byte 0, found an answer)/);
        expect(hint).to.include('set `endpoints.s3` to the service itself');
        expect(isRefusal).to.equal(true);
      }
    }
  });

  it('fails if a range is answered with other bytes', async () => {
    const ranges = [
      { offset: 2, length: 4 },
      { offset: 0, length: 4 },
    ];
    for (const range of ranges) {
      const { message } = await failsWith('config', streamed({ ignoresRanges: true }, { range }));
      expect(message).to.equal(
        `Expected a range of k from byte ${range.offset}, found an answer without Content-Range`,
      );
    }
  });

  it('fails if the range is of another place, or all of a short object', async () => {
    for (const [status, headers, found] of [
      [206, { 'content-range': 'bytes 0-3/12' }, 'bytes 0-3/12'],
      [200, { 'content-length': '4' }, 'all 4 bytes'],
    ] as const) {
      const { url } = cleanup.use(
        await serve((_, answer) => void answer.writeHead(status, { etag: '"e"', ...headers }).end('abcd')),
      );
      const store = await storeOf(cleanup.use(clientsOf(url)), 'bucket');
      const { message } = await failsWith('config', store.get('k', { range: { offset: 2, length: 4 } }));
      expect(message).to.equal(`Expected a range of k from byte 2, found ${found}`);
    }
  });
});
