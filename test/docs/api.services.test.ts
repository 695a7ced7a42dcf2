// Protects: docs/api.md lists every path and error status of the HTTP API, and its commands work as shown.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { STATUSES } from '../../src/manager/http/error-answers.ts';
import { ApiServer } from '../support/manager/api-server.ts';
import { installed } from '../support/run/lacking.ts';
import { API_PAGE, apiPage } from './api-page.ts';

describe('docs/api.md', () => {
  const page = readFileSync(API_PAGE, 'utf8');

  it('has every served path', async () => {
    expect(page, 'run npm run api').to.equal(await apiPage());
  });

  it('has the status of every kind of error', () => {
    for (const [kind, status] of Object.entries(STATUSES)) {
      const row = page.split('\n').find((line) => line.startsWith(`| ${status} |`));
      expect(row, `${status} ${kind}`).to.contain(`\`${kind}\``);
    }
  });

  it('shows commands that work unchanged', async () => {
    const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, script]) => script);
    expect(blocks.length).to.be.greaterThan(3);
    installed('curl');
    const server = await ApiServer.open({ dashboard: null });
    try {
      const child = spawn('sh', ['-ec', blocks.join('\n')], {
        cwd: server.workspace.dir,
        env: { PATH: process.env.PATH, MANAGER: server.url, TOKEN: await server.token('operate') },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const ended = once(child, 'close');
      const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
      const [code] = await ended;
      expect(code, stdout + stderr).to.equal(0);
      expect(stdout + stderr)
        .to.contain('"created":true')
        .and.to.contain('event: status')
        .and.to.contain('id,amount');
    } finally {
      await server.close();
    }
  });
});
