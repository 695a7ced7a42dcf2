// Protects: whoever starts a manager on a terminal signs in by the printed link, and the link is nowhere else.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { openBrowser, openPage } from '../support/browser.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { installed } from '../support/run/lacking.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';

const BIN = new URL('../../bin/batchctl.js', import.meta.url).pathname;
const LINK = /http:\/\/127\.0\.0\.1:\d+\/#sign-in=([A-Za-z0-9_-]{43})/;

describe('the sign-in link of a manager', () => {
  const browser = forSuite(() => openBrowser());
  const children: ChildProcess[] = [];
  const workspace = forEachTest(() => new Workspace());
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    }
  });

  /** Starts a manager whose stdout is a terminal; its log goes to a file. */
  function onTerminal(flags: string): () => string {
    const line = `exec ${process.execPath} ${BIN} manager --listen 127.0.0.1:0 ${flags} 2>manager.log`;
    const child = spawn(installed('bsdutils'), ['-qfec', line, '/dev/null'], {
      cwd: workspace.dir,
      env: { PATH: process.env.PATH, HOME: workspace.dir, TERM: 'xterm', BATCHCTL_PROFILE: 'local' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    let shown = '';
    child.stdout.on('data', (bytes: Buffer) => {
      shown += bytes.toString();
    });
    return () => shown;
  }

  const logged = (): string => {
    const path = workspace.path('manager.log');
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  };

  it('signs a browser in once, and leaves no trace in address, history or log', async () => {
    const shown = onTerminal('');
    const [link, code = ''] = await until('the link is printed', () => LINK.exec(shown()));
    const page = await openPage(browser);
    await page.goto(link);
    await page.getByText('live', { exact: true }).waitFor();
    expect(await page.evaluate('location.href')).to.not.include(code);
    expect(await page.evaluate('document.cookie + JSON.stringify({ ...localStorage })')).to.equal('{}');
    await page.reload();
    await page.getByText('live', { exact: true }).waitFor();
    const other = await openPage(browser);
    await other.goto(link);
    await other.getByRole('alert').getByText('the link was used already, or has expired').waitFor();
    // The same tab, where the browser reloads nothing.
    await page.getByRole('button', { name: 'sign out' }).click();
    await page.getByLabel('Token').waitFor();
    await page.goto(link);
    await page.getByRole('alert').getByText('the link was used already, or has expired').waitFor();
    expect(await page.evaluate('location.href')).to.not.include(code);
    expect(logged()).to.include('listening at').and.to.include('POST /sign-in').and.not.to.include(code);
  });

  it('is printed to a terminal only, and not among JSON lines', async () => {
    const shown = onTerminal('--json');
    await until('it listens', () => logged().includes('"address"'));
    const piped = workspace.start(['manager', '--listen', '127.0.0.1:0']);
    const [address] = await until('the other listens', () => /http:\/\/127\.0\.0\.1:\d+/.exec(piped.said()));
    const refused = await fetch(`${address}/sign-in`, { method: 'POST' });
    expect(refused.status).to.equal(404);
    piped.child.kill('SIGTERM');
    const { stdout, stderr } = await piped.ended;
    expect(stdout + stderr + shown() + logged()).to.not.include('sign-in=');
  });
});
