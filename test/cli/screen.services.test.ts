// Protects: a newcomer sees all of the help on a small screen, and a question stands on one line of it.

import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { COMMANDS } from '../../src/cli/commands.ts';
import { installed } from '../support/run/lacking.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';

const BIN = new URL('../../bin/batchctl.js', import.meta.url).pathname;

/** A terminal of 80 x 24 in which a program is typed; what stands on it when the prompt has returned. */
class Terminal {
  readonly #workspace: Workspace;
  #typed = 0;

  constructor(workspace: Workspace, columns = 80) {
    installed('tmux');
    this.#workspace = workspace;
    this.#tmux(
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      '-x',
      String(columns),
      '-y',
      columns === 80 ? '24' : '50',
      "PS1='$ ' sh",
    );
  }

  /** `answer`: what is typed where it asks. */
  async shows(line: string, answer: string | null = null): Promise<readonly string[]> {
    this.#typed += 1;
    const end = `ended ${this.#typed}:`;
    // What is typed is on the screen before it runs: there, a quote comes before the end.
    this.#tmux('send-keys', '-t', '0', `clear; ${process.execPath} ${BIN} ${line}; echo "${end} $?"`, 'Enter');
    const screen = (): readonly string[] => this.#tmux('capture-pane', '-p', '-t', '0').split('\n');
    if (answer !== null) {
      await until(`${line} asks`, () => screen().some((shown) => shown.endsWith('[y/N]')));
      this.#tmux('send-keys', '-t', '0', answer, 'Enter');
    }
    return until(`${line} ends`, () => {
      const lines = screen();
      return lines.some((shown) => shown.startsWith(end)) && lines;
    });
  }

  close(): void {
    this.#tmux('kill-server');
  }

  #tmux(...words: readonly string[]): string {
    const env = { PATH: process.env.PATH, HOME: this.#workspace.dir, LC_ALL: 'C.UTF-8', TERM: 'xterm' };
    const { stdout, stderr, status } = spawnSync('tmux', ['-S', this.#workspace.path('tmux'), ...words], {
      ...{ cwd: this.#workspace.dir, encoding: 'utf8' },
      env,
    });
    if (status !== 0) throw new Error(`tmux ${words.join(' ')}: ${stderr}`);
    return stdout;
  }
}

describe('on a screen of 80 x 24', () => {
  let workspace: Workspace;
  let terminal: Terminal;
  before(() => {
    workspace = new Workspace();
    terminal = new Terminal(workspace);
  });
  after(() => {
    terminal?.close();
    return workspace.remove();
  });

  const first: Readonly<Record<string, RegExp>> = {
    '': /^Split data into tasks/,
    '--help': /^Split data into tasks/,
    'help job-files': /^A job file is/,
    'help splits': /^Each part is one task/,
    'help exit-codes': /^Every command uses/,
    'help environment': /^batchctl reads/,
  };
  for (const [line, begins] of Object.entries(first)) {
    it(`all of batchctl ${line} is seen, to the line that it begins with`, async () => {
      const shown = await terminal.shows(line);
      expect(shown[0]).to.match(begins);
      expect(shown.find((text) => text.startsWith('ended'))).to.match(/: 0$/);
    });
  }

  it('the commands of a day are shown, each on one line', async () => {
    const shown = (await terminal.shows('')).join('\n');
    const day = ['init', 'doctor', 'run', 'submit', 'status', 'failures', 'logs', 'why', 'retry', 'fetch', 'verify'];
    for (const name of [...day, 'report']) {
      const { summary } = COMMANDS.find((entry) => entry.name === name) ?? { summary: '?' };
      expect(shown).to.match(new RegExp(`^  ${name} +${summary}$`, 'm'));
    }
    expect(shown).to.not.match(/^ {2}cancel/m);
  });

  it('a question about the latest job names it on one line', async () => {
    workspace.write('job.json', {
      ...{ name: 'claims', input: { split: { by: 'range', from: 1, to: 3 } } },
      steps: [{ name: 'price', attempts: 1, run: 'read n; [ "$n" != 2 ]' }],
    });
    const job = await workspace.submit();
    await workspace.run(['run', job]);
    const shown = await terminal.shows('retry', 'n');
    expect(shown).to.include(`retry ${job}, the latest job (failed)? [y/N] n`);
    expect(shown).to.include('error: not confirmed');
    expect(shown.find((text) => text.startsWith('ended'))).to.match(/: 7$/);
  });
});

for (const columns of [80, 200]) {
  describe(`on a terminal of ${columns} columns`, () => {
    let workspace: Workspace;
    let terminal: Terminal;
    before(() => {
      workspace = new Workspace();
      workspace.write('job.json', {
        name: 'claims-of-the-whole-month-in-all-regions',
        input: { split: { by: 'range', from: 1, to: 1 } },
        steps: [
          {
            name: 'a-step-with-quite-a-long-name',
            run: 'echo a rather long line of an error >&2; exit 1',
            attempts: 1,
          },
        ],
      });
      terminal = new Terminal(workspace, columns);
    });
    after(() => {
      terminal?.close();
      return workspace.remove();
    });

    it('no list cuts an id, a run key or a cause, and none is wider than the terminal', async () => {
      const key = 'claims-of-the-whole-month-2026-11-30';
      const ran = await workspace.run(['run', 'job.json', '--run-key', key]);
      expect(ran.code, ran.stderr).to.equal(5);
      const [listed] = (await workspace.run(['jobs', '--json'])).stdout.split('\n');
      const { job } = JSON.parse(listed ?? '') as { job: string };
      const [failure] = (await workspace.run(['failures', '--json'])).stdout.split('\n');
      const { cause } = JSON.parse(failure ?? '') as { cause: string };
      for (const [line, ...whole] of [
        ['jobs', job, key],
        ['failures', cause, 'a-step-with-quite-a-long-name'],
        ['tasks', 'a-step-with-quite-a-long-name/0'],
        ['queue'],
        ['workers'],
        ['config show'],
      ] as const) {
        const shown = await terminal.shows(line);
        expect(
          shown.find((text) => text.startsWith('ended')),
          line,
        ).to.match(/: 0$/);
        for (const text of whole) expect(shown.join('\n'), line).to.include(text);
        for (const text of shown) expect(text.length, text).to.be.at.most(columns);
      }
    });
  });
}
