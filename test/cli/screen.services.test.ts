// Protects: the help fits a small screen, and a newcomer can copy the commands that each command suggests.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { COMMANDS } from '../../src/cli/commands.ts';
import { forSuite } from '../support/fixture.ts';
import { parseJsonLines } from '../support/json-lines.ts';
import { rangeJob } from '../support/range-job.ts';
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

/** A terminal in which commands are typed. */
class Terminal {
  readonly #workspace: Workspace;
  #typed = 0;

  constructor(workspace: Workspace, columns = 80) {
    installed('tmux');
    this.#workspace = workspace;
    const size = ['-x', String(columns), '-y', columns === 80 ? '24' : '50'];
    this.#tmux('-f', '/dev/null', 'new-session', '-d', ...size, "PS1='$ ' sh");
  }

  /** Types a command, and returns the screen once it has ended. `replies`: keys that are pressed once a line matches. */
  async type(line: string, ...replies: readonly Reply[]): Promise<readonly string[]> {
    this.#typed += 1;
    const end = `ended ${this.#typed}:`;
    // On the line that is typed, a quote precedes the text.
    this.#tmux('send-keys', '-t', '0', `clear; ${process.execPath} ${BIN} ${line}; echo "${end} $?"`, 'Enter');
    const screen = (): readonly string[] => this.#tmux('capture-pane', '-p', '-t', '0').split('\n');
    for (const reply of replies) {
      await until(`${line} shows ${reply.after}`, () => screen().some((shown) => reply.after.test(shown)), PATIENCE);
      this.#tmux('send-keys', '-t', '0', ...reply.keys);
    }
    const finalScreen = (): readonly string[] | false => {
      const lines = screen();
      return lines.some((shown) => shown.startsWith(end)) && lines;
    };
    return until(`${line} ends`, finalScreen, PATIENCE);
  }

  close(): void {
    this.#tmux('kill-server');
  }

  #tmux(...words: readonly string[]): string {
    const env = { PATH: process.env.PATH, HOME: this.#workspace.dir, LC_ALL: 'C.UTF-8', TERM: 'xterm' };
    const options = { cwd: this.#workspace.dir, encoding: 'utf8', env } as const;
    const { stdout, stderr, status } = spawnSync('tmux', ['-S', this.#workspace.path('tmux'), ...words], options);
    if (status !== 0) throw new Error(`tmux ${words.join(' ')}: ${stderr}`);
    return stdout;
  }
}

const endOf = (screen: readonly string[]): string | undefined => screen.find((text) => text.startsWith('ended'));
function expectExit(screen: readonly string[], code: number): void {
  expect(endOf(screen), screen.join('\n')).to.match(new RegExp(`: ${code}$`));
}

describe('on a screen of 80 x 24', () => {
  const workspace = forSuite(() => new Workspace());
  const terminal = forSuite(() => new Terminal(workspace));

  const first: Readonly<Record<string, RegExp>> = {
    '': /^Split data into tasks/,
    '--help': /^Split data into tasks/,
    'help job-files': /^A job file is/,
    'help splits': /^Each part is one task/,
    'help exit-codes': /^Every command uses/,
    'help environment': /^batchctl reads/,
  };
  for (const [line, begins] of Object.entries(first)) {
    it(`all of batchctl ${line} fits`, async () => {
      const shown = await terminal.type(line);
      expect(shown[0]).to.match(begins);
      expectExit(shown, 0);
    });
  }

  it('everyday commands are shown, each on one line', async () => {
    const shown = (await terminal.type('')).join('\n');
    const day = ['init', 'doctor', 'run', 'submit', 'status', 'failures', 'logs', 'why', 'retry', 'fetch', 'verify'];
    for (const name of [...day, 'report']) {
      const { summary } = COMMANDS.find((entry) => entry.name === name) ?? { summary: '?' };
      expect(shown).to.match(new RegExp(`^  ${name} +${summary}$`, 'm'));
    }
    expect(shown).to.not.match(/^ {2}cancel/m);
  });

  it('a question about the latest job names it on one line', async () => {
    workspace.write('job.json', rangeJob('claims', 3, { name: 'price', attempts: 1, run: 'read n; [ "$n" != 2 ]' }));
    const job = await workspace.submit();
    await workspace.run(['run', job]);
    const shown = await terminal.type('retry', { after: /\[y\/N\]$/, keys: ['n', 'Enter'] });
    expect(shown).to.include(`retry ${job}, the latest job (failed)? [y/N] n`);
    expect(shown).to.include('error: not confirmed');
    expectExit(shown, 7);
  });
});

for (const columns of [80, 200]) {
  describe(`on a terminal of ${columns} columns`, () => {
    const workspace = forSuite(() => new Workspace());
    const terminal = forSuite(() => new Terminal(workspace, columns));

    it('no list cuts an id, a run key or a cause, and none is wider than the terminal', async () => {
      const step = 'a-step-with-quite-a-long-name';
      const run = 'echo a rather long line of an error >&2; exit 1';
      const name = 'claims-of-the-whole-month-in-all-regions';
      workspace.write('job.json', rangeJob(name, 1, { name: step, run, attempts: 1 }));
      const key = 'claims-of-the-whole-month-2026-11-30';
      const ran = await workspace.run(['run', 'job.json', '--run-key', key]);
      expect(ran.code, ran.stderr).to.equal(5);
      const { job } = JSON.parse((await workspace.run(['jobs', '--json'])).stdout);
      const { cause } = JSON.parse((await workspace.run(['failures', '--json'])).stdout);
      for (const [line, ...whole] of [
        ['jobs', job, key],
        ['failures', cause, step],
        ['tasks', `${step}/0`],
        ['queue'],
        ['workers'],
        ['config show'],
      ] as const) {
        const shown = await terminal.type(line);
        expectExit(shown, 0);
        for (const text of whole) expect(shown.join('\n'), line).to.include(text);
        for (const text of shown) expect(text.length, text).to.be.at.most(columns);
      }
    });

    describe('in the first hour', function () {
      this.timeout(4 * PATIENCE);
      const user = forSuite(() => Workspace.withLongLeases());
      const shell = forSuite(() => new Terminal(user, columns));

      const ids = (shown: readonly string[]): readonly string[] =>
        shown.flatMap((text) => text.match(/\b[a-z]+-\d{8}-\d{4}-[a-z2-7]{5}\b/g) ?? []);
      /** The commands that the screen suggests, each complete on a line, without its explanation. */
      const suggested = (shown: readonly string[]): readonly string[] =>
        shown.flatMap((text) => /batchctl [a-z].*?(?= {2}|$)/.exec(text)?.[0] ?? []);

      it('a job of own files fails, is fixed and is proven by the commands that each command suggests', async () => {
        mkdirSync(user.path('in'));
        for (let n = 1; n <= 30; n += 1) {
          writeFileSync(user.path('in', `r${n}.txt`), n === 7 ? 'x\n' : n === 20 ? '' : `${n}\n`);
        }
        const program = (known: string): void =>
          writeFileSync(user.path('sum.sh'), `read n || exit 65\ncase $n in ${known}) echo "$n";; *) exit 66;; esac\n`);
        program('[0-9]*');
        const words = "--input 'in/*.txt' --split file -o out/ --run-key may --save-job sum.yaml -- sh sum.sh";
        const ran = await shell.type(`run ${words}`);
        expectExit(ran, 5);
        const [job = '?'] = ids(ran);
        expect(suggested(ran)).to.include(`batchctl failures ${job}`);
        expect(ran.join('\n')).to.include('100% 30/30');

        const failures = await shell.type('failures');
        const causes = failures.flatMap((text) => /^([a-z2-7]{6}) {2}map/.exec(text)?.[1] ?? []);
        expect(causes, failures.join('\n')).to.have.length(2);
        for (const command of ['logs', 'reproduce', 'retry', 'skip', 'failures']) {
          expect(suggested(failures).some((text) => text.startsWith(`batchctl ${command} ${job}`))).to.equal(true);
        }
        expect((await shell.type(`failures --cause ${causes[0]}`)).join('\n')).to.match(/of in\/r(7|20)[.]txt/);

        program('[0-9]*|x');
        const { stdout } = await user.runSuccessfully('tasks', 'last', '--state', 'failed', '--json');
        const tasks = parseJsonLines<{ exitCode: number; cause: string }>(stdout);
        const causeOf = (code: number) => tasks.find(({ exitCode }) => exitCode === code)?.cause;
        const retried = await shell.type(`retry last --cause ${causeOf(66)} --with sum.yaml`);
        expectExit(retried, 0);
        const skipped = await shell.type(`skip last --cause ${causeOf(65)} --reason empty`);
        expect(skipped.join('\n')).to.include(`batchctl run ${job}`);
        const again = await shell.type('run last -o out/');
        expectExit(again, 0);
        expect(readdirSync(user.path('out')))
          .to.have.length(29)
          .and.to.include('r7.txt');
        const proven = await shell.type('verify -o proof.ndjson');
        expect(proven).to.include(`${job}: proven (succeeded)`);
        expectExit(await shell.type('verify --check proof.ndjson'), 0);
      });

      it('a job interrupted by Ctrl-C is continued by the command that it suggests', async () => {
        const run = `until [ -e '${user.path('go')}' ]; do sleep 0.1; done; cat`;
        user.write('slow.json', rangeJob('slow', 8, { name: 'one', run }));
        const stop = (after: RegExp): Reply => ({ after, keys: ['C-c'] });
        const left = await shell.type('run slow.json -o all.txt', stop(/running/), stop(/Ctrl-C again/));
        const [job = '?'] = ids(left);
        expectExit(left, 130);
        expect(left.join('\n')).to.match(/interrupted: job \S+ is not finished/);
        expect(suggested(left)).to.include(`batchctl run ${job} -o all.txt`);
        expect((await shell.type('status')).join('\n')).to.include(`continue it: batchctl run ${job}`);
        writeFileSync(user.path('go'), '');
        const done = await shell.type(`run ${job} -o all.txt`);
        expectExit(done, 0);
        expect(user.lines('all.txt')).to.deep.equal(['1', '2', '3', '4', '5', '6', '7', '8']);
      });
    });
  });
}
