// Protects: webhooks arrive signed and unchanged, fail or retry as they should, and never reach internal addresses.

import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { postNotice, signatureOf } from '../../../src/adapters/notify/post.ts';
import type { BatchctlError } from '../../../src/errors.ts';
import type { Notice } from '../../../src/ports/notifier.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { installed } from '../../support/run/lacking.ts';
import { type Certificates, makeCertificates } from '../../support/servers/certificates.ts';
import { HookServer } from '../../support/servers/hook-server.ts';
import { startConnectProxy } from '../../support/servers/proxies.ts';

/** Installed with every system's TLS. */
const NOTICE: Notice = { id: 'job-1.7.failed', event: 'failed', job: 'job-1', body: '{"event":"failed","text":"ü"}' };

describe('a notification over http and https', () => {
  const hook = forEachTest(() => HookServer.start());

  const send = (fields: Partial<Parameters<typeof postNotice>[0]> = {}): Promise<void> =>
    postNotice({
      ...{ url: `http://127.0.0.1:${hook.port}/in?token=t`, notice: NOTICE, secret: null, loopback: true },
      ...{ signal: undefined, timeoutMs: 60_000, ...fields },
    });
  const refused = async (fields: Partial<Parameters<typeof postNotice>[0]> = {}): Promise<BatchctlError> =>
    (await rejection(send(fields))) as BatchctlError;

  it('is one post of the unchanged body, with its id and signature', async () => {
    await send({ secret: 's3cret', now: () => 1_764_500_000_999 });
    const [got] = hook.posts;
    expect(hook.posts).to.have.length(1);
    expect(got).to.include({ method: 'POST', path: '/in?token=t', text: NOTICE.body });
    expect(got?.headers).to.include({
      'content-type': 'application/json',
      'x-batchctl-event': 'failed',
      'x-batchctl-event-id': NOTICE.id,
    });
    const hmac = createHmac('sha256', 's3cret').update(`1764500000.${NOTICE.body}`).digest('hex');
    expect(got?.headers['x-batchctl-signature']).to.equal(`t=1764500000,v1=${hmac}`);
    await send();
    expect(hook.posts[1]?.headers).not.to.have.property('x-batchctl-signature');
  });

  it('has the signature that openssl computes', async () => {
    const child = spawn(installed('openssl'), ['dgst', '-sha256', '-hmac', 's3cret', '-hex']);
    child.stdin.end(`5.${NOTICE.body}`);
    let said = '';
    for await (const chunk of child.stdout) said += chunk;
    expect(said.trim().split(' ').at(-1)).to.equal(signatureOf(NOTICE.body, 's3cret', 5).slice('t=5,v1='.length));
  });

  it("is accepted by the manual's check, which accepts nothing else", async () => {
    const manual = readFileSync(new URL('../../../docs/notify.md', import.meta.url), 'utf8');
    const [, code = ''] = /```js\n([\s\S]*?)```/.exec(manual) ?? [];
    const { isGenuine } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
    await send({ secret: 's3cret' });
    const header = hook.posts[0]?.headers['x-batchctl-signature'];
    expect(isGenuine(header, NOTICE.body, 's3cret')).to.equal(true);
    expect(isGenuine(header, `${NOTICE.body} `, 's3cret')).to.equal(false);
    expect(isGenuine(header, NOTICE.body, 'other')).to.equal(false);
    expect(isGenuine(undefined, NOTICE.body, 's3cret')).to.equal(false);
  });

  for (const [status, kind] of [
    [201, null],
    [204, null],
    [400, 'config'],
    [401, 'config'],
    [404, 'config'],
    [408, 'unavailable'],
    [429, 'unavailable'],
    [500, 'unavailable'],
    [503, 'unavailable'],
  ] as const) {
    it(`answered ${status}: ${kind ?? 'taken'}`, async () => {
      hook.answer = { status, text: 'its own words' };
      if (kind === null) return send();
      const error = await refused();
      expect(error.kind).to.equal(kind);
      expect(error.message).to.include(String(status)).and.include('its own words').and.include('127.0.0.1');
      expect(error.message, 'what follows the host may be a secret').not.to.include('token');
    });
  }

  it('is not redirected', async () => {
    const other = await HookServer.start();
    hook.answer = { status: 307, location: `http://127.0.0.1:${other.port}/` };
    const error = await refused();
    await other.close();
    expect(error.kind).to.equal('config');
    expect(error.message).to.include('redirect');
    expect(other.posts).to.have.length(0);
  });

  it('gives up after the timeout if the receiver hangs, and when its caller aborts', async () => {
    hook.answer = 'hang';
    const error = await refused({ timeoutMs: 100 });
    expect(error.kind).to.equal('unavailable');
    expect(error.message).to.include('no answer within 0.1 s');
    const stop = new AbortController();
    const stopped = refused({ signal: stop.signal });
    stop.abort();
    expect((await stopped).kind).to.equal('interrupted');
  });

  it('is retried when the connection breaks or is refused', async () => {
    hook.answer = 'reset';
    expect((await refused()).kind).to.equal('unavailable');
    expect((await refused({ url: 'http://127.0.0.1:1/' })).kind).to.equal('unavailable');
  });

  it('reads only the beginning of a long answer', async () => {
    hook.answer = { status: 500, text: `begins ${'x'.repeat(5_000_000)}` };
    const error = await refused();
    expect(error.message).to.include('begins').and.to.have.length.below(400);
  });

  it('is never posted to a metadata address, nor to this machine unless loopback is allowed', async () => {
    for (const host of ['169.254.169.254', '[fd00:ec2::254]', '2852039166', '[::ffff:169.254.169.254]'])
      expect((await refused({ url: `https://${host}/latest/meta-data/` })).kind, host).to.equal('refused');
    // By address, and by a name that resolves to it.
    for (const host of ['127.0.0.1', 'localhost']) {
      const error = await refused({ url: `http://${host}:${hook.port}/`, loopback: false });
      expect(error.kind, host).to.equal('refused');
      expect(error.message).to.include('this machine itself');
    }
    expect(hook.posts).to.have.length(0);
  });

  describe('with TLS', () => {
    let directory: string;
    let secure: HookServer;
    let files: Certificates;
    before(async () => {
      directory = mkdtempSync(join(tmpdir(), 'batchctl-tls-'));
      files = await makeCertificates(directory, {});
      secure = await HookServer.start(files);
    });
    after(async () => {
      await secure?.close();
      rmSync(directory, { recursive: true });
    });

    it('does not trust a certificate of an unknown authority', async () => {
      const error = await refused({ url: `https://localhost:${secure.port}/` });
      expect(error.kind).to.equal('config');
      expect(error.hint).to.include('NODE_EXTRA_CA_CERTS');
      expect(secure.posts).to.have.length(0);
    });

    it('uses the proxy from the environment, which resolves the host', async () => {
      const proxy = await startConnectProxy(`https://127.0.0.1:${secure.port}`);
      const before = process.env.HTTPS_PROXY;
      process.env.HTTPS_PROXY = proxy.url;
      try {
        // The certificate is not for that name; only through the tunnel does it get this far.
        const error = await refused({ url: 'https://hooks.example.invalid/x', loopback: false });
        expect(error.message).to.include('certificate');
        expect(proxy.tunnels).to.deep.equal(['hooks.example.invalid:443']);
      } finally {
        if (before === undefined) delete process.env.HTTPS_PROXY;
        else process.env.HTTPS_PROXY = before;
        await proxy.close();
      }
    });

    it('trusts a certificate of an authority in NODE_EXTRA_CA_CERTS', async () => {
      const script = join(directory, 'send.mts');
      const here = new URL('../../../src/adapters/notify/post.ts', import.meta.url);
      writeFileSync(
        script,
        `import { postNotice } from ${JSON.stringify(here.pathname)};
await postNotice({ url: process.argv[2], notice: ${JSON.stringify(NOTICE)}, secret: null, loopback: true, signal: undefined });`,
      );
      const child = spawn(process.execPath, ['--import', 'tsx', script, `https://localhost:${secure.port}/x`], {
        env: { ...process.env, NODE_EXTRA_CA_CERTS: files.ca },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let said = '';
      for await (const chunk of child.stderr) said += chunk;
      expect(
        secure.posts.map(({ path, text }) => `${path} ${text}`),
        said,
      ).to.deep.equal([`/x ${NOTICE.body}`]);
    });
  });
});
