// Protects: a manager started on a terminal prints a sign-in link there, and nowhere else.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { openBrowser, openPage } from '../support/browser.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { waitUntilLive } from '../support/manager/dashboard-suite.ts';
import { installed } from '../support/run/lacking.ts';
import { freePort } from '../support/servers/program.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';

const BIN = new URL('../../bin/batchctl.js', import.meta.url).pathname;
const LINK = /http:\/\/127\.0\.0\.1:\d+\/#sign-in=([A-Za-z0-9_-]{43})/;

describe('the sign-in link of a manager', () => {
  const browser = forSuite(() => openBrowser());
  const workspace = forEachTest(() => new Workspace());

  /** Starts a manager whose stdout is a terminal; its log goes to a file. Returns how to read the terminal. */
  function startOnTerminal(flags: string, listen = '127.0.0.1:0'): () => string {
    const line = `exec ${process.execPath} ${BIN} manager --listen ${listen} ${flags} 2>manager.log`;
    const child = spawn(installed('bsdutils'), ['-qfec', line, '/dev/null'], {
      cwd: workspace.dir,
      env: { PATH: process.env.PATH, HOME: workspace.dir, TERM: 'xterm', BATCHCTL_PROFILE: 'local' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    workspace.atEnd(() => {
      child.kill('SIGTERM');
      return exited;
    });
    let text = '';
    child.stdout.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    return () => text;
  }

  const log = (): string => workspace.lines('manager.log').join('\n');

  it('signs a browser in once, and leaves no trace in address, history or log', async () => {
    const terminal = startOnTerminal('');
    const [link, code = ''] = await until('the link is printed', () => LINK.exec(terminal()));
    const page = await openPage(browser);
    await page.goto(link);
    await waitUntilLive(page);
    expect(await page.evaluate('location.href')).to.not.include(code);
    expect(await page.evaluate('document.cookie + JSON.stringify({ ...localStorage })')).to.equal('{}');
    await page.reload();
    await waitUntilLive(page);
    const openUsedLink = async (tab: Page): Promise<void> => {
      await tab.goto(link);
      await tab.getByRole('alert').getByText('the link was used already, or has expired').waitFor();
    };
    await openUsedLink(await openPage(browser));
    // The same tab, where the browser reloads nothing.
    await page.getByRole('button', { name: 'sign out' }).click();
    await page.getByLabel('Token').waitFor();
    await openUsedLink(page);
    expect(await page.evaluate('location.href')).to.not.include(code);
    expect(log()).to.include('listening at').and.to.include('POST /sign-in').and.not.to.include(code);
  });

  it('is printed to a terminal only, and not among JSON lines', async () => {
    const terminal = startOnTerminal('--json');
    await until('the manager listens', () => log().includes('"address"'));
    const piped = workspace.start(['manager', '--listen', '127.0.0.1:0']);
    const [address] = await until('the other listens', () => /http:\/\/127\.0\.0\.1:\d+/.exec(piped.printed()));
    const refused = await fetch(`${address}/sign-in`, { method: 'POST' });
    expect(refused.status).to.equal(404);
    piped.child.kill('SIGTERM');
    const { stdout, stderr } = await piped.ended;
    expect(stdout + stderr + terminal() + log()).to.not.include('sign-in=');
  });

  it('is not printed with --quiet, nor where only the network reaches the manager', async function () {
    const [other] = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .flatMap(({ address, family, internal }) => (internal || family !== 'IPv4' ? [] : [address]));
    const places = [['--quiet', '127.0.0.1'], ...(other === undefined ? [] : [['', other]])] as const;
    for (const [flags, host = ''] of places) {
      const port = await freePort();
      const terminal = startOnTerminal(flags, `${host}:${port}`);
      const isOpen = (): Promise<boolean> =>
        new Promise((resolve) => {
          const socket = connect({ host, port }, () => resolve(true)).on('error', () => resolve(false));
          socket.on('connect', () => socket.destroy());
        });
      await until('it listens', isOpen);
      if (host === '127.0.0.1') {
        const refused = await fetch(`http://${host}:${port}/sign-in`, { method: 'POST' });
        expect(refused.status).to.equal(404);
      }
      expect(terminal() + log()).to.not.include('sign-in=');
    }
    if (other === undefined) this.skip();
  });
});
