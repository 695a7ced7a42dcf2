// Protects: docs/api.md lists every path and error status of the HTTP API, and its commands work as shown.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
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
    const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text]) => text);
    expect(blocks.length).to.be.greaterThan(3);
    installed('curl');
    const server = await ApiServer.open({ dashboard: null });
    try {
      const child = spawn('sh', ['-ec', blocks.join('\n')], {
        cwd: server.workspace.dir,
        env: { PATH: process.env.PATH, MANAGER: server.url, TOKEN: await server.token('operate') },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let said = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (bytes: Buffer) => {
          said += bytes.toString();
        });
      }
      const [code] = (await once(child, 'close')) as [number];
      expect(code, said).to.equal(0);
      expect(said).to.contain('"created":true').and.to.contain('event: status').and.to.contain('id,amount');
    } finally {
      await server.close();
    }
  });
});
