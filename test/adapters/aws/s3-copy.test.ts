// Protects: a copy within S3 is whole, of the pinned object, and leaves nothing behind when it fails.

import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { expect } from 'chai';
import { forSuite } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { serve } from '../../support/servers/listen.ts';
import { clientsOf, storeOf } from './s3-bench.ts';

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

describe('a copy within S3', () => {
  const asked: Asked[] = [];
  let size = 10;
  let refuse: (request: Asked) => { readonly status: number; readonly code: string } | null = () => null;
  /** S3's answers, in the order in which a copy asks: the source exists, the target does not. */
  const server = forSuite(() =>
    serve(({ method = '', url = '', headers }, answer) => {
      const request = { method, url, headers };
      asked.push(request);
      const refusal = refuse(request);
      if (refusal !== null) return send(answer, refusal.status, `<Error><Code>${refusal.code}</Code></Error>`);
      if (method === 'HEAD' && url.includes('/to')) return send(answer, 404);
      if (method === 'HEAD')
        return answer.writeHead(200, { etag: '"source"', 'content-length': size, 'x-amz-meta-a': 'b' }).end();
      if (url.includes('uploads')) return send(answer, 200, of('InitiateMultipartUploadResult', 'UploadId', 'u'));
      if (url.includes('partNumber')) return send(answer, 200, of('CopyPartResult', 'ETag', '"part"'));
      if (method === 'POST') return send(answer, 200, of('CompleteMultipartUploadResult', 'ETag', '"whole-2"'));
      if (method === 'DELETE') return send(answer, 204);
      if (method === 'PUT') return send(answer, 200, of('CopyObjectResult', 'ETag', '"copy"'));
      return send(answer, 200, '<ListBucketResult/>');
    }),
  );
  const clients = forSuite(() => clientsOf(server.url));
  beforeEach(() => {
    asked.length = 0;
    size = 10;
    refuse = () => null;
  });

  const of = (element: string, field: string, text: string): string =>
    `<${element}><${field}>${text}</${field}></${element}>`;
  const send = (answer: ServerResponse, status: number, body?: string) =>
    answer.writeHead(status, { 'content-type': 'application/xml' }).end(body);
  const isPart = ({ url }: Asked): boolean => url.includes('partNumber');
  const isWhole = (request: Asked): boolean => request.method === 'PUT' && !isPart(request);
  const copy = async (slice: number, ifAbsent = true) => {
    const store = await storeOf(clients, 'bucket', { copies: { largest: 5 * slice - 1, slice } });
    return store.copy('from', 'to', { ifAbsent });
  };

  it('in slices states the size of the whole, its metadata, and that nothing may be replaced', async () => {
    expect(await copy(2)).to.deep.equal({ created: true, etag: 'whole-2' });
    const ranges = asked.filter(isPart).map(({ headers }) => headers['x-amz-copy-source-range']);
    expect(ranges.sort()).to.deep.equal(['bytes=0-1', 'bytes=2-3', 'bytes=4-5', 'bytes=6-7', 'bytes=8-9']);
    for (const { headers } of asked.filter(isPart)) expect(headers['x-amz-copy-source-if-match']).to.equal('"source"');
    const [begun, completed] = asked.filter(({ method }) => method === 'POST');
    expect(begun?.headers).to.include({ 'x-amz-meta-a': 'b' });
    expect(completed?.headers).to.include({ 'x-amz-mp-object-size': '10', 'if-none-match': '*' });
    asked.length = 0;
    await copy(2, false);
    expect(asked.findLast(({ method }) => method === 'POST')?.headers).not.to.have.property('if-none-match');
  });

  it('is made in slices only if the object is larger than the largest copy, to the byte', async () => {
    for (const [bytes, parts] of [
      [9, 0],
      [10, 5],
    ] as const) {
      size = bytes;
      asked.length = 0;
      await copy(2);
      expect(asked.filter(isPart), `${bytes} bytes`).to.have.length(parts);
    }
  });

  it('has 10,000 slices at most, and when one is refused, removes those that it copied', async () => {
    size = 25_000;
    refuse = (request) => (isPart(request) ? { status: 403, code: 'AccessDenied' } : null);
    await failsWith('credentials', copy(1));
    expect(asked.find(isPart)?.headers).to.include({ 'x-amz-copy-source-range': 'bytes=0-2' });
    expect(asked.find(({ method }) => method === 'DELETE')?.url).to.include('uploadId=u');
    expect(asked.filter(({ method, url }) => method === 'POST' && !url.includes('uploads'))).to.deep.equal([]);
  });

  it('names a source that was deleted after it was found', async () => {
    refuse = (request) => (isWhole(request) ? { status: 404, code: 'NoSuchKey' } : null);
    const { message } = await failsWith('notFound', copy(100));
    expect(message).to.equal('Expected the object from to copy, found none');
  });

  it('is made again if it met another write to the same key', async () => {
    let conflicts = 2;
    refuse = (request) => {
      if (!isWhole(request) || conflicts === 0) return null;
      conflicts -= 1;
      return { status: 409, code: 'ConditionalRequestConflict' };
    };
    expect(await copy(100)).to.deep.equal({ created: true, etag: 'copy' });
    expect(asked.filter(isWhole)).to.have.length(3);
  });

  it('that lost to another writer reports so; a changed source is an error, although the target exists', async () => {
    let taken = false;
    refuse = ({ method, url }) => {
      if (method !== 'PUT') return taken && method === 'HEAD' && url.includes('/to') ? { status: 200, code: '' } : null;
      taken = true;
      return { status: 412, code: 'PreconditionFailed' };
    };
    expect(await copy(100)).to.deep.equal({ created: false, etag: '' });
    await failsWith('changed', copy(100, false));
    taken = false;
    refuse = ({ method }) => (method === 'PUT' ? { status: 412, code: 'PreconditionFailed' } : null);
    await failsWith('changed', copy(100));
  });
});
