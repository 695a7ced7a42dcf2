// Protects: a newcomer sees all of the help on a small screen, and can copy what each command of the first hour names.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { COMMANDS } from '../../src/cli/commands.ts';
import { installed } from '../support/run/lacking.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';

const BIN = new URL('../../bin/batchctl.js', import.meta.url).pathname;

interface Reply {
  readonly after: RegExp;
  readonly keys: readonly string[];
}

/** Milliseconds for what takes seconds, on a busy machine. */
const PATIENCE = 120_000;

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

  /** `replies`: keys that are pressed, in turn, once a line of the screen matches. */
  async shows(line: string, ...replies: readonly Reply[]): Promise<readonly string[]> {
    this.#typed += 1;
    const end = `ended ${this.#typed}:`;
    // What is typed is on the screen before it runs: there, a quote comes before the end.
    this.#tmux('send-keys', '-t', '0', `clear; ${process.execPath} ${BIN} ${line}; echo "${end} $?"`, 'Enter');
    const screen = (): readonly string[] => this.#tmux('capture-pane', '-p', '-t', '0').split('\n');
    for (const reply of replies) {
      await until(`${line} shows ${reply.after}`, () => screen().some((shown) => reply.after.test(shown)), PATIENCE);
      this.#tmux('send-keys', '-t', '0', ...reply.keys);
    }
    return until(
      `${line} ends`,
      () => {
        const lines = screen();
        return lines.some((shown) => shown.startsWith(end)) && lines;
      },
      PATIENCE,
    );
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
    const shown = await terminal.shows('retry', { after: /\[y\/N\]$/, keys: ['n', 'Enter'] });
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

    describe('in the first hour', function () {
      this.timeout(4 * PATIENCE);
      let user: Workspace;
      let typed: Terminal;
      before(() => {
        user = Workspace.withLongLeases();
        typed = new Terminal(user, columns);
      });
      after(() => {
        typed?.close();
        return user.remove();
      });

      const ids = (shown: readonly string[]): readonly string[] =>
        shown.flatMap((text) => text.match(/\b[a-z]+-\d{8}-\d{4}-[a-z2-7]{5}\b/g) ?? []);
      const ended = (shown: readonly string[]): string | undefined => shown.find((text) => text.startsWith('ended'));
      /** The commands that the screen offers, each whole on a line, without what explains it. */
      const offered = (shown: readonly string[]): readonly string[] =>
        shown.flatMap((text) => /batchctl [a-z].*?(?= {2}|$)/.exec(text)?.[0] ?? []);

      it("runs one's own program on files, breaks, is fixed, and is proven, by what each command names", async () => {
        mkdirSync(user.path('in'));
        for (let n = 1; n <= 30; n += 1) {
          writeFileSync(user.path('in', `r${n}.txt`), n === 7 ? 'x\n' : n === 20 ? '' : `${n}\n`);
        }
        const program = (known: string): void =>
          writeFileSync(user.path('sum.sh'), `read n || exit 65\ncase $n in ${known}) echo "$n";; *) exit 66;; esac\n`);
        program('[0-9]*');
        const words = "--input 'in/*.txt' --split file -o out/ --run-key may --save-job sum.yaml -- sh sum.sh";
        const ran = await typed.shows(`run ${words}`);
        expect(ended(ran), ran.join('\n')).to.match(/: 5$/);
        const [job = '?'] = ids(ran);
        expect(offered(ran)).to.include(`batchctl failures ${job}`);
        expect(ran.join('\n')).to.include('100% 30/30');

        const failures = await typed.shows('failures');
        const causes = failures.flatMap((text) => /^([a-z2-7]{6}) {2}map/.exec(text)?.[1] ?? []);
        expect(causes, failures.join('\n')).to.have.length(2);
        for (const command of ['logs', 'reproduce', 'retry', 'skip', 'failures']) {
          expect(offered(failures).some((text) => text.startsWith(`batchctl ${command} ${job}`))).to.equal(true);
        }
        expect((await typed.shows(`failures --cause ${causes[0]}`)).join('\n')).to.match(/of in\/r(7|20)[.]txt/);

        program('[0-9]*|x');
        const tasks = (await user.run(['tasks', 'last', '--state', 'failed', '--json'])).stdout.trim().split('\n');
        const exits = new Map(
          tasks
            .map((line) => JSON.parse(line) as { exitCode: number; cause: string })
            .map((t) => [t.exitCode, t.cause]),
        );
        const retried = await typed.shows(`retry last --cause ${exits.get(66)} --with sum.yaml`);
        expect(ended(retried), retried.join('\n')).to.match(/: 0$/);
        const skipped = await typed.shows(`skip last --cause ${exits.get(65)} --reason empty`);
        expect(skipped.join('\n')).to.include(`batchctl run ${job}`);
        const again = await typed.shows('run last -o out/');
        expect(ended(again), again.join('\n')).to.match(/: 0$/);
        expect(readdirSync(user.path('out')))
          .to.have.length(29)
          .and.to.include('r7.txt');
        const proven = await typed.shows('verify -o proof.ndjson');
        expect(proven).to.include(`${job}: proven (succeeded)`);
        expect(ended(await typed.shows('verify --check proof.ndjson'))).to.match(/: 0$/);
      });

      it('is left by Ctrl-C in the middle, and continued by the command that it names', async () => {
        const input = { split: { by: 'range', from: 1, to: 8 } };
        const run = `until [ -e '${user.path('go')}' ]; do sleep 0.1; done; cat`;
        user.write('slow.json', { name: 'slow', input, steps: [{ name: 'one', run }] });
        const stop = (after: RegExp): Reply => ({ after, keys: ['C-c'] });
        const left = await typed.shows('run slow.json -o all.txt', stop(/running/), stop(/Ctrl-C again/));
        const [job = '?'] = ids(left);
        expect(ended(left), left.join('\n')).to.match(/: 130$/);
        expect(left.join('\n')).to.match(/interrupted: job \S+ is not finished/);
        expect(offered(left)).to.include(`batchctl run ${job} -o all.txt`);
        expect((await typed.shows('status')).join('\n')).to.include(`continue it: batchctl run ${job}`);
        writeFileSync(user.path('go'), '');
        const done = await typed.shows(`run ${job} -o all.txt`);
        expect(ended(done), done.join('\n')).to.match(/: 0$/);
        expect(user.lines('all.txt')).to.deep.equal(['1', '2', '3', '4', '5', '6', '7', '8']);
      });
    });
  });
}
