// Protects: webhooks arrive signed and unchanged, fail or retry as they should, and never reach internal addresses.

import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { type PostOptions, postNotice, signatureOf } from '../../../src/adapters/notify/post.ts';
import type { BatchctlError, ErrorKind } from '../../../src/errors.ts';
import type { Notice } from '../../../src/ports/notifier.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest, forSuite } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { installed } from '../../support/run/lacking.ts';
import { Scratch } from '../../support/scratch.ts';
import { makeCertificates } from '../../support/servers/certificates.ts';
import { HookServer } from '../../support/servers/hook-server.ts';
import { startConnectProxy } from '../../support/servers/proxies.ts';

const NOTICE: Notice = { id: 'job-1.7.failed', event: 'failed', job: 'job-1', body: '{"event":"failed","text":"ü"}' };

describe('a notification over http and https', () => {
  const hook = forEachTest(() => HookServer.start());
  const cleanup = forEachTest(() => new Cleanup());

  const send = (options: Partial<PostOptions> = {}): Promise<void> =>
    postNotice({
      url: `http://127.0.0.1:${hook.port}/in?token=t`,
      notice: NOTICE,
      secret: null,
      loopback: true,
      signal: undefined,
      timeoutMs: 60_000,
      ...options,
    });
  const sendFails = (kind: ErrorKind, options: Partial<PostOptions> = {}): Promise<BatchctlError> =>
    failsWith(kind, send(options));

  it('is one post of the unchanged body, with its id and signature', async () => {
    await send({ secret: 's3cret', now: () => 1_764_500_000_999 });
    const [post] = hook.posts;
    expect(hook.posts).to.have.length(1);
    expect(post).to.include({ method: 'POST', path: '/in?token=t', text: NOTICE.body });
    expect(post?.headers).to.include({
      'content-type': 'application/json',
      'x-batchctl-event': 'failed',
      'x-batchctl-event-id': NOTICE.id,
    });
    const hmac = createHmac('sha256', 's3cret').update(`1764500000.${NOTICE.body}`).digest('hex');
    expect(post?.headers['x-batchctl-signature']).to.equal(`t=1764500000,v1=${hmac}`);
    await send();
    expect(hook.posts[1]?.headers).not.to.have.property('x-batchctl-signature');
  });

  it('has the signature that openssl computes', async () => {
    const child = spawn(installed('openssl'), ['dgst', '-sha256', '-hmac', 's3cret', '-hex']);
    child.stdin.end(`5.${NOTICE.body}`);
    const output = await text(child.stdout);
    expect(output.trim().split(' ').at(-1)).to.equal(signatureOf(NOTICE.body, 's3cret', 5).slice('t=5,v1='.length));
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
    it(`is ${kind === null ? 'delivered' : `an error of kind ${kind}`} if the answer is ${status}`, async () => {
      hook.answer = { status, text: 'its own words' };
      if (kind === null) return send();
      const error = await sendFails(kind);
      expect(error.message).to.include(String(status)).and.include('its own words').and.include('127.0.0.1');
      expect(error.message, 'the path and the query may contain a secret').not.to.include('token');
    });
  }

  it('is not redirected', async () => {
    const other = await HookServer.start();
    hook.answer = { status: 307, location: `http://127.0.0.1:${other.port}/` };
    const error = await sendFails('config');
    await other.close();
    expect(error.message).to.include('redirect');
    expect(other.posts).to.have.length(0);
  });

  it('gives up after the timeout if the receiver hangs, and when its caller aborts', async () => {
    hook.answer = 'hang';
    const error = await sendFails('unavailable', { timeoutMs: 100 });
    expect(error.message).to.include('no answer within 0.1 s');
    const stop = new AbortController();
    const interrupted = sendFails('interrupted', { signal: stop.signal });
    stop.abort();
    await interrupted;
  });

  it('can be retried when the connection breaks or is refused', async () => {
    hook.answer = 'reset';
    await sendFails('unavailable');
    await sendFails('unavailable', { url: 'http://127.0.0.1:1/' });
  });

  it('reads only the beginning of a long answer', async () => {
    hook.answer = { status: 500, text: `begins ${'x'.repeat(5_000_000)}` };
    const error = await sendFails('unavailable');
    expect(error.message).to.include('begins').and.to.have.length.below(400);
  });

  it('is never posted to a metadata address, nor to this machine unless loopback is allowed', async () => {
    for (const host of ['169.254.169.254', '[fd00:ec2::254]', '2852039166', '[::ffff:169.254.169.254]'])
      await sendFails('refused', { url: `https://${host}/latest/meta-data/` });
    // By address, and by a name that resolves to it.
    for (const host of ['127.0.0.1', 'localhost']) {
      const error = await sendFails('refused', { url: `http://${host}:${hook.port}/`, loopback: false });
      expect(error.message).to.include('this machine itself');
    }
    expect(hook.posts).to.have.length(0);
  });

  describe('with TLS', () => {
    const scratch = forSuite(() => new Scratch());
    const files = forSuite(() => makeCertificates(scratch.directory, {}));
    const secure = forSuite(() => HookServer.start(files));

    it('does not trust a certificate of an unknown authority', async () => {
      const error = await sendFails('config', { url: `https://localhost:${secure.port}/` });
      expect(error.hint).to.include('NODE_EXTRA_CA_CERTS');
      expect(secure.posts).to.have.length(0);
    });

    it('uses the proxy from the environment, which resolves the host', async () => {
      const proxy = cleanup.use(await startConnectProxy(`https://127.0.0.1:${secure.port}`));
      cleanup.setEnv({ HTTPS_PROXY: proxy.url });
      // The proxy's tunnel leads to a server whose certificate has another name.
      const error = await sendFails('config', { url: 'https://hooks.example.invalid/x', loopback: false });
      expect(error.message).to.include('certificate');
      expect(proxy.tunnels).to.deep.equal(['hooks.example.invalid:443']);
    });

    it('trusts a certificate of an authority in NODE_EXTRA_CA_CERTS', async () => {
      const script = scratch.path('send.mts');
      const module = new URL('../../../src/adapters/notify/post.ts', import.meta.url);
      writeFileSync(
        script,
        `import { postNotice } from ${JSON.stringify(module.pathname)};
await postNotice({ url: process.argv[2], notice: ${JSON.stringify(NOTICE)}, secret: null, loopback: true, signal: undefined });`,
      );
      const child = spawn(process.execPath, ['--import', 'tsx', script, `https://localhost:${secure.port}/x`], {
        env: { ...process.env, NODE_EXTRA_CA_CERTS: files.ca },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      const errors = await text(child.stderr);
      const posts = secure.posts.map((post) => `${post.path} ${post.text}`);
      expect(posts, errors).to.deep.equal([`/x ${NOTICE.body}`]);
    });
  });
});
