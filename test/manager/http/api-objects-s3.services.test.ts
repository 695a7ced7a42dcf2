// Protects: files pass through the manager to S3 intact, and signed URLs open nothing else.
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { AwsWorkspace } from '../../support/aws-workspace.ts';
import { forSuite } from '../../support/fixture.ts';
import { type Answer, ApiServer } from '../../support/manager/api-server.ts';
import { sharedFauxqs } from '../../support/servers/fauxqs.ts';
import { sharedMoto } from '../../support/servers/moto.ts';

const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const secondsOf = (url: string): string | null => new URL(url).searchParams.get('X-Amz-Expires');

describe('objects through the manager, on S3', () => {
  const server = forSuite(async () => {
    const [s3, sqs] = [await sharedMoto(), await sharedFauxqs()];
    return ApiServer.open({ workspace: await AwsWorkspace.make({ s3: s3.url, sqs: sqs.url }) });
  });

  const begin = (key: string, bytes: Uint8Array, more: object = {}): Promise<Answer> =>
    server.call('POST', '/uploads', { key, size: bytes.length, sha256: sha256(bytes), ...more }, { scope: 'submit' });

  /** Sends bytes to a signed URL, without the manager's token. */
  async function send(
    { url, headers }: { url: string; headers: Record<string, string> },
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<Response> {
    const { 'content-length': length, ...rest } = headers;
    expect(length).to.equal(String(bytes.length));
    return fetch(url, { method: 'PUT', headers: rest, body: bytes });
  }

  it('can be read at a temporary signed URL by anyone who has it', async () => {
    await server.platform.store.put('data/read me.txt', '0123456789', { metadata: { sha256: 'x' } });
    const path = `/objects?key=${encodeURIComponent('data/read me.txt')}`;
    const { status, headers, text } = await server.call('GET', path, undefined, { scope: 'read' });
    expect([status, text]).to.deep.equal([307, '']);
    expect(secondsOf(headers.get('location') ?? '')).to.equal('300');
    const answer = await fetch(headers.get('location') ?? '', { headers: { range: 'bytes=2-4' } });
    expect([answer.status, await answer.text()]).to.deep.equal([206, '234']);
    const through = await server.call('GET', `${path}&through=true`, undefined, { scope: 'read' });
    expect([through.status, through.text], 'for a page, which follows no redirect').to.deep.equal([200, '0123456789']);
    const head = await server.call('HEAD', path);
    expect(head.status).to.equal(200);
    expect([head.headers.get('content-length'), head.headers.get('x-amz-meta-sha256')]).to.deep.equal(['10', 'x']);
    expect((await server.call('GET', '/objects?key=data/none')).status).to.equal(404);
    expect((await server.call('GET', '/objects?key=tokens/a.json')).status).to.equal(409);
  });

  it('are uploaded in one request to a URL that fixes size, checksum and metadata', async () => {
    const bytes = new Uint8Array(Buffer.from('id,amount\n1,2\n'));
    const { json } = await begin('data/small.csv', bytes);
    expect(json).to.include({ way: 'put', token: false });
    expect(json.headers).to.include({
      'x-amz-meta-sha256': sha256(bytes),
      'x-amz-checksum-sha256': Buffer.from(sha256(bytes), 'hex').toString('base64'),
    });
    expect(secondsOf(json.url)).to.equal('3600');
    expect(new URL(json.url).searchParams.get('X-Amz-SignedHeaders'))
      .to.contain('content-length')
      .and.to.contain('x-amz-meta-sha256');
    const sent = await send(json, bytes);
    expect(sent.status, await sent.text()).to.equal(200);
    const stored = await server.platform.store.head('data/small.csv');
    expect(stored).to.deep.include({ size: bytes.length, metadata: { sha256: sha256(bytes) } });
    expect((await begin('data/small.csv', bytes)).json).to.deep.equal({ way: 'present', etag: stored?.etag });
    const absent = await begin('data/new.csv', bytes, { ifAbsent: true });
    expect(absent.json.headers['if-none-match']).to.equal('*');
    expect((await send(absent.json, bytes)).status).to.equal(200);
    expect((await send(absent.json, bytes)).status).to.equal(412);
  });

  it('are uploaded in parts if they are large, and do not exist before they are complete', async () => {
    const bytes = new Uint8Array(18 * MIB).map((_, n) => n % 251);
    const { json: begun } = await begin('data/large.bin', bytes);
    expect(begun).to.include({ way: 'parts', partSize: 8 * MIB });
    const slices = [0, 1, 2].map((n) => bytes.subarray(n * begun.partSize, (n + 1) * begun.partSize));
    const parts = slices.map((slice, n) => ({ number: n + 1, size: slice.length, sha256: sha256(slice) }));
    const signed = await server.call('POST', '/uploads/parts', { key: 'data/large.bin', upload: begun.upload, parts });
    expect(signed.status, signed.text).to.equal(200);
    for (const { url } of signed.json.items) expect(secondsOf(url)).to.equal('3600');
    const etags = await Promise.all(
      signed.json.items.map(async (part: { number: number; url: string; headers: Record<string, string> }) => {
        const answer = await send(part, new Uint8Array(slices[part.number - 1] ?? []));
        expect(answer.status, await answer.text()).to.equal(200);
        return (answer.headers.get('etag') ?? '').replaceAll('"', '');
      }),
    );
    expect(await server.platform.store.head('data/large.bin')).to.equal(null);
    const whole = {
      key: 'data/large.bin',
      upload: begun.upload,
      size: bytes.length,
      parts: parts.map(({ number, sha256: hash }, n) => ({ number, sha256: hash, etag: etags[n] })),
    };
    const wrong = { ...whole, parts: whole.parts.map((part) => ({ ...part, etag: 'f'.repeat(32) })) };
    const refused = await server.call('POST', '/uploads/completions', wrong);
    expect([refused.status, refused.error.kind], refused.text).to.deep.equal([409, 'changed']);
    const done = await server.call('POST', '/uploads/completions', whole);
    expect(done.status, done.text).to.equal(200);
    expect(done.json.created).to.equal(true);
    const stored = await server.platform.store.head('data/large.bin');
    expect(stored).to.deep.include({ size: bytes.length, metadata: { sha256: sha256(bytes) } });
    const read = await server.platform.store.read('data/large.bin');
    expect(sha256(read ?? new Uint8Array())).to.equal(sha256(bytes));
  });

  it('are removed when their upload is aborted', async () => {
    const { json } = await begin('data/given-up.bin', new Uint8Array(17 * MIB));
    const path = `/uploads?key=data/given-up.bin&upload=${encodeURIComponent(json.upload)}`;
    expect((await server.call('DELETE', path)).json).to.deep.equal({ upload: json.upload });
    expect((await server.call('DELETE', path)).status).to.equal(200);
    expect(await server.platform.store.head('data/given-up.bin')).to.equal(null);
  });

  it('have signed URLs only if callers may use their keys', async () => {
    const parts = [{ number: 1, size: 1, sha256: 'a'.repeat(64) }];
    for (const key of ['tokens/a.json', 'jobs/a/job.json', 'data/../tokens/a.json']) {
      expect((await begin(key, new Uint8Array(1))).status, key).to.be.oneOf([400, 409]);
      const { status } = await server.call('POST', '/uploads/parts', { key, upload: 'u', parts });
      expect(status, key).to.be.oneOf([400, 409]);
    }
  });

  it('that contain code pass through the manager, which checks them', async () => {
    const { json } = await begin(`code/${sha256(new Uint8Array(3))}.tar.gz`, new Uint8Array(3));
    expect(json).to.include({ way: 'put', token: true });
    expect(json.url).to.match(/^\/api\/v1\/objects\?/);
  });

  it('pass through the manager up to 64 MiB', async () => {
    const query = (size: number): string =>
      `/objects?${new URLSearchParams({ key: 'data/through', size: String(size), sha256: sha256(new Uint8Array(3)) })}`;
    const headers = { 'content-type': 'application/octet-stream' };
    const done = await server.call('PUT', query(3), '\0\0\0', { headers, scope: 'submit' });
    expect(done.json, done.text).to.include({ created: true });
    expect((await server.call('PUT', query(65 * MIB), 'x', { headers })).error.kind).to.equal('refused');
  });
});
