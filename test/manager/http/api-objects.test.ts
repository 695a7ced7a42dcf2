// Protects: files sent through the manager arrive intact, and callers reach only keys meant for them.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { Scope } from '../../../src/model/api.ts';
import { forSuite } from '../../support/fixture.ts';
import { type Answer, ApiServer } from '../../support/manager/api-server.ts';
import { rangeJob } from '../../support/range-job.ts';
import { until } from '../../support/until.ts';

const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const BYTES = { 'content-type': 'application/octet-stream' };

describe('objects through the manager, on a local store', () => {
  const server = forSuite(() => ApiServer.open());

  const object = (key: string): string => `/objects?key=${encodeURIComponent(key)}`;
  const get = (key: string, headers: Record<string, string> = {}, scope: Scope = 'read'): Promise<Answer> =>
    server.call('GET', object(key), undefined, { headers, scope });
  /** Uploads in the way that the manager asks for. */
  async function put(
    key: string,
    bytes: string,
    { ifAbsent = false, sent = bytes, scope = 'submit' as Scope } = {},
  ): Promise<Answer> {
    const upload = { key, size: bytes.length, sha256: sha256(bytes), ifAbsent };
    const begun = await server.call('POST', '/uploads', upload, { scope });
    if (begun.json.way !== 'put') return begun;
    expect(begun.json.token).to.equal(true);
    const path = begun.json.url.slice('/api/v1'.length);
    return server.call('PUT', path, sent, { headers: begun.json.headers, scope });
  }

  it('are stored intact, with their checksum, and can be read again', async () => {
    const done = await put('data/claims/ä b.csv', 'id,amount\n1,2\n');
    expect(done.status, done.text).to.equal(200);
    expect(done.json.created).to.equal(true);
    const { status, text, headers } = await get('data/claims/ä b.csv');
    expect([status, text]).to.deep.equal([200, 'id,amount\n1,2\n']);
    expect(headers.get('etag')).to.equal(`"${done.json.etag}"`);
    expect(headers.get('x-amz-meta-sha256')).to.equal(sha256('id,amount\n1,2\n'));
    expect(headers.get('content-disposition')).to.equal('attachment');
    const head = await server.call('HEAD', object('data/claims/ä b.csv'), undefined, { scope: 'read' });
    expect(head.headers.get('content-length')).to.equal('14');
    expect(head.headers.get('x-batchctl-modified')).to.match(/^\d{4}-.*\.\d{3}Z$/);
    const listed = await server.call('GET', '/data?checksums=true');
    expect(listed.json.items[0].checksum).to.equal(`sha256:${sha256(text)}`);
  });

  it('are not sent again if they already exist unchanged', async () => {
    await put('data/same.txt', 'abc');
    expect((await put('data/same.txt', 'abc')).json.way).to.equal('present');
    expect((await put('data/same.txt', 'abd')).json.created).to.equal(true);
    expect((await put('data/same.txt', 'abe', { ifAbsent: true })).json.way).to.equal('present');
    expect((await get('data/same.txt')).text).to.equal('abd');
  });

  it('do not exist before all bytes have arrived with the declared checksum', async () => {
    for (const sent of ['abx', 'ab', 'abcd']) {
      const { status, error } = await put('data/broken.txt', 'abc', { sent });
      expect([status, error.kind], sent).to.deep.equal([422, 'changed']);
    }
    expect((await get('data/broken.txt')).status).to.equal(404);
    const query = new URLSearchParams({ key: 'data/cut.txt', size: '10', sha256: sha256('abc') });
    const headers = { ...BYTES, authorization: `Bearer ${await server.token('submit')}`, 'content-length': '10' };
    const cut = request(`${server.url}/api/v1/objects?${query}`, { method: 'PUT', headers }).on('error', () => {});
    cut.write('abc');
    await once(cut, 'socket');
    cut.destroy();
    expect((await get('data/cut.txt')).status).to.equal(404);
    const directory = await server.platform.scratch('manager');
    await until('no file is left', () => readdirSync(directory).length === 0);
  });

  it('are read in ranges, of the requested version', async () => {
    const { json } = await put('data/ranged.txt', '0123456789');
    const part = await get('data/ranged.txt', { range: 'bytes=2-4', 'if-match': `"${json.etag}"` });
    expect([part.status, part.text, part.headers.get('content-range')]).to.deep.equal([206, '234', 'bytes 2-4/10']);
    expect((await get('data/ranged.txt', { range: 'bytes=-2' })).text).to.equal('89');
    const beyond = await get('data/ranged.txt', { range: 'bytes=10-' });
    expect([beyond.status, beyond.error.kind]).to.deep.equal([416, 'usage']);
    expect(beyond.headers.get('content-range')).to.equal('bytes */10');
    const changed = await get('data/ranged.txt', { 'if-match': '"other"' });
    expect([changed.status, changed.error.kind]).to.deep.equal([412, 'changed']);
    const whole = await get('data/ranged.txt', { range: 'bytes=2-4', 'if-range': '"other"' });
    expect([whole.status, whole.text]).to.deep.equal([200, '0123456789']);
  });

  it('are listed page by page', async () => {
    for (const n of [1, 2, 3, 4, 5]) await put(`data/pages/${n}`, String(n));
    const seen: string[] = [];
    for (let after: string | null = ''; after !== null; ) {
      const query = new URLSearchParams({ prefix: 'data/pages/', limit: '2', ...(after !== '' && { after }) });
      const { json } = await server.call('GET', `/objects/list?${query}`, undefined, { scope: 'read' });
      expect(json.items.length).to.be.within(1, 2);
      seen.push(...json.items.map(({ key }: { key: string }) => key));
      after = json.next;
    }
    expect(seen).to.deep.equal([1, 2, 3, 4, 5].map((n) => `data/pages/${n}`));
    expect((await server.call('GET', '/objects/list?prefix=data/none/')).json).to.deep.equal({ items: [], next: null });
    expect((await server.call('GET', '/objects/list?prefix=data/&limit=0')).status).to.equal(400);
    expect((await server.call('GET', '/objects/list')).status).to.equal(400);
  });

  it('store code only under the hash of its unpacked content', async () => {
    const tar = 'x'.repeat(1_024);
    const [code, gzip] = [`code/${sha256(tar)}.tar.gz`, gzipSync(tar)];
    const send = async (bytes: Uint8Array<ArrayBuffer>): Promise<Answer> => {
      const { json } = await server.call('POST', '/uploads', { key: code, size: bytes.length, sha256: sha256(tar) });
      const response = await server.fetch('PUT', json.url, { headers: json.headers, body: bytes });
      return server.checked('PUT', json.url, response);
    };
    const good = await send(new Uint8Array(gzip));
    expect(good.status, good.text).to.equal(200);
    expect((await send(new Uint8Array(gzip))).status, 'again').to.equal(200);
    for (const bytes of [gzipSync('other'), Buffer.from(tar), gzip.subarray(0, 20)]) {
      const { status, error } = await send(new Uint8Array(bytes));
      expect([status, error.kind]).to.deep.equal([422, 'changed']);
    }
    expect(Buffer.from((await server.platform.store.read(code)) ?? []).equals(gzip)).to.equal(true);
  });

  it('store no code that unpacks to more than 512 MiB', async () => {
    const [key, gzip] = [`code/${'a'.repeat(64)}.tar.gz`, gzipSync(Buffer.alloc(64 * 2 ** 20))];
    const bytes = new Uint8Array(Buffer.concat(Array(9).fill(gzip)));
    expect(bytes.length).to.be.below(2 ** 20);
    const { json } = await server.call('POST', '/uploads', { key, size: bytes.length, sha256: 'a'.repeat(64) });
    const response = await server.fetch('PUT', json.url, { headers: json.headers, body: bytes });
    const { status, error } = await server.checked('PUT', json.url, response);
    expect([status, error.kind]).to.deep.equal([422, 'refused']);
    expect(error.message).to.match(/expands to more than 536\.9MB, the most that a worker unpacks: nothing was stored/);
    expect(error.hint).to.match(/^ship less: .*batchctl upload/);
    expect(await server.platform.store.head(key)).to.equal(null);
  });

  it('say how large an archive may be, and what to do with a larger one', async () => {
    const query = `key=code/${'a'.repeat(64)}.tar.gz&size=${3 * 2 ** 30}&sha256=${'a'.repeat(64)}`;
    const response = await server.fetch('PUT', `/api/v1/objects?${query}`, {
      body: new Uint8Array(1),
      headers: { 'content-type': 'application/octet-stream' },
    });
    const { error } = await server.checked('PUT', '/api/v1/objects', response);
    expect(error.message).to.equal('the manager accepts uploads of at most 268.4MB, found 3.2GB');
    expect(error.hint).to.match(/^ship less: .*batchctl upload/);
  });

  it('are rejected for invalid keys, and for keys that callers may not use', async () => {
    await server.platform.store.put('tokens/x.json', 'secret');
    for (const key of [
      'tokens/x.json',
      'data/../tokens/x.json',
      'data/%2e%2e/../tokens/x.json',
      '/data/x',
      'data//x',
      'data/a\0b',
      '\\tokens\\x.json',
      'manager/tls.json',
      `data/${'x'.repeat(1_020)}`,
    ]) {
      for (const answer of [
        await get(key),
        await put(key, 'x'),
        await server.call('DELETE', `/uploads?upload=u&key=${encodeURIComponent(key)}`),
      ]) {
        expect(answer.status, `${key} ${answer.text}`).to.be.oneOf([400, 409]);
        expect(answer.text).not.to.contain('secret');
      }
    }
    for (const prefix of ['tokens/', 'tokens', 'manager/', '/', 'data/../tokens/']) {
      const answer = await server.call('GET', `/objects/list?prefix=${encodeURIComponent(prefix)}`);
      expect(answer.status, `${prefix} ${answer.text}`).to.be.oneOf([400, 409]);
    }
    const twice = await get('data%2F..%2Ftokens%2Fx.json');
    expect(twice.status).to.be.oneOf([404, 409]);
    for (const path of [
      '/objects/../tokens/x.json',
      '/objects/%2e%2e/%2e%2e/tokens',
      '/objects?key=data/a&key=tokens/x.json',
      '/objects',
    ]) {
      const response = await server.fetch('GET', `/api/v1${path}`);
      expect(response.status, path).to.be.oneOf([400, 404]);
    }
    const secret = await server.platform.store.read('tokens/x.json');
    expect(new TextDecoder().decode(secret ?? undefined)).to.equal('secret');
  });

  it('are rejected without the scope to upload, and with an invalid size, checksum or key', async () => {
    expect((await put('data/x', 'x', { scope: 'read' })).status).to.equal(403);
    for (const wrong of [{ size: -1 }, { size: '3' }, { sha256: 'x' }, { key: 7 }, { more: 1 }]) {
      const upload = { key: 'data/x', size: 3, sha256: sha256('abc'), ...wrong };
      const { status, error } = await server.call('POST', '/uploads', upload);
      expect([status, error.kind], JSON.stringify(wrong)).to.deep.equal([400, 'usage']);
    }
    const parts = { key: 'data/x', upload: 'u', parts: [{ number: 1, size: 1, sha256: sha256('a') }] };
    expect((await server.call('POST', '/uploads/parts', parts)).status).to.equal(409);
  });

  it('are not replaced while an open job reads them', async () => {
    await put('data/read.txt', 'a\nb\n');
    const input = { from: 'store:read.txt', split: { by: 'lines', every: 1 } };
    const spec = { name: 'reader', input, steps: [{ name: 'one', run: ['cat'] }] };
    const { json } = await server.call('POST', '/jobs', { spec });
    const { status, error } = await put('data/read.txt', 'c\n');
    expect([status, error.kind]).to.deep.equal([409, 'refused']);
    expect(error.message).to.contain(json.job);
    // Even by a caller that does not ask how to upload.
    const query = new URLSearchParams({ key: 'data/read.txt', size: '2', sha256: sha256('c\n') });
    const headers = { ...BYTES, authorization: `Bearer ${await server.token('submit')}` };
    const direct = await fetch(`${server.url}/api/v1/objects?${query}`, { method: 'PUT', headers, body: 'c\n' });
    expect(direct.status).to.equal(409);
    expect((await put('data/read.txt', 'a\nb\n')).json.way).to.equal('present');
    await server.call('POST', `/jobs/${json.job}/cancellations`);
    expect((await put('data/read.txt', 'c\n')).json.created).to.equal(true);
  });

  it("include a job's outputs, which callers can list and read", async () => {
    const spec = rangeJob('outputs', 2, { name: 'one', run: ['cat'] });
    const { json } = await server.call('POST', '/jobs', { spec });
    expect((await server.workspace.work()).code).to.equal(0);
    const listed = await server.call('GET', `/objects/list?prefix=jobs/${json.job}/steps/one/out/`);
    expect(listed.json.items).to.have.length(2);
    expect((await get(listed.json.items[0].key)).text.trim()).to.equal('1');
  });
});
