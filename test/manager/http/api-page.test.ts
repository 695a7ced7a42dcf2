// Protects: the manager serves its page safely, and shows health and metrics only to those who may see them.

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { forSuite } from '../../support/fixture.ts';
import { ApiServer } from '../../support/manager/api-server.ts';
import { rangeJob } from '../../support/range-job.ts';
import { Scratch } from '../../support/scratch.ts';

describe("the manager's page, health and figures", () => {
  const scratch = forSuite(() => new Scratch());
  const server = forSuite(() => {
    const page = scratch.path('page');
    const secret = scratch.path('outside.txt');
    mkdirSync(join(page, 'assets'), { recursive: true });
    writeFileSync(join(page, 'index.html'), '<!doctype html><title>batchctl</title>');
    writeFileSync(join(page, 'assets/main-3K5M7P2Q.js'), 'export {};');
    writeFileSync(secret, 'secret');
    symlinkSync(secret, join(page, 'assets/linked.txt'));
    return ApiServer.open({ dashboard: page });
  });

  it('serve the page, which contains no data, to anyone', async () => {
    const page = await fetch(`${server.url}/`);
    expect([page.status, await page.text()]).to.deep.equal([200, '<!doctype html><title>batchctl</title>']);
    expect(page.headers.get('content-type')).to.match(/^text\/html/);
    expect(page.headers.get('cache-control')).to.equal('no-store');
    const asset = await fetch(`${server.url}/assets/main-3K5M7P2Q.js`);
    expect(asset.headers.get('content-type')).to.match(/^(text|application)\/javascript/);
    expect(asset.headers.get('cache-control')).to.equal('public, max-age=31536000, immutable');
  });

  it('send headers that restrict a browser to what the page needs', async () => {
    for (const path of ['/', '/assets/main-3K5M7P2Q.js', '/healthz', '/nothing', '/api/v1/jobs']) {
      const { headers } = await fetch(`${server.url}${path}`);
      expect(headers.get('content-security-policy'), path).to.equal(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
      );
      expect(headers.get('x-content-type-options')).to.equal('nosniff');
      expect(headers.get('referrer-policy')).to.equal('no-referrer');
      expect(headers.get('cross-origin-opener-policy')).to.equal('same-origin');
      expect(headers.get('cross-origin-resource-policy')).to.equal('same-origin');
      expect(headers.get('access-control-allow-origin')).to.equal(null);
    }
  });

  it('give access to no other files', async () => {
    for (const path of [
      '/../outside.txt',
      '/%2e%2e/outside.txt',
      '/assets/..%2f..%2foutside.txt',
      '/assets/linked.txt',
      '/assets/',
      '/assets',
      '/index.html%00',
      '//etc/passwd',
      '/assets/%5c..%5coutside.txt',
    ]) {
      const answer = await fetch(`${server.url}${path}`);
      expect(answer.status, path).to.be.oneOf([400, 404]);
      const text = await answer.text();
      expect(text).not.to.contain('secret');
      server.document.validate('components/schemas/Error', JSON.parse(text));
    }
  });

  it('tell anyone that the manager is alive, and nothing more', async () => {
    const answer = await fetch(`${server.url}/healthz`);
    expect([answer.status, await answer.json()]).to.deep.equal([200, { status: 'ok' }]);
  });

  it('tell callers their name, their scope and the profile', async () => {
    const { json } = await server.call('GET', '/me', undefined, { scope: 'submit' });
    expect(json).to.include({ name: 'submit', scope: 'submit', profile: 'local' });
  });

  it("give metrics in Prometheus' format to every reader", async () => {
    expect((await fetch(`${server.url}/metrics`)).status).to.equal(401);
    await server.call('POST', '/jobs', { spec: rangeJob('measured', 3, { name: 'one', run: ['cat'] }) });
    const answer = await server.fetch('GET', '/metrics', { scope: 'read' });
    const { status, headers, text } = await server.checked('GET', '/metrics', answer);
    expect(status, text).to.equal(200);
    expect(headers.get('content-type')).to.match(/^text\/plain; version=0\.0\.4/);
    expect(text).to.match(/^batchctl_\w+\{.*group="default".*\} 3$/m);
    for (const line of text.trim().split('\n'))
      expect(line).to.match(/^(# (HELP|TYPE) \w+ .*|\w+(\{.*\})? [-+.\dNaInfe]+)$/);
  });

  it('answer 404 if there is no page', async () => {
    const bare = await ApiServer.open();
    const answer = await fetch(`${bare.url}/`);
    expect(answer.status).to.equal(404);
    await bare.close();
  });
});
