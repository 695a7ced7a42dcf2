// Protects: a task's stderr can't move the cursor, set the clipboard or hide text on the operator's terminal.
import { mkdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { confirm } from '../../src/cli/confirm.ts';
import { liveView } from '../../src/cli/live-view.ts';
import { startProgress } from '../../src/cli/progress.ts';
import { reportError } from '../../src/cli/report-error.ts';
import { ControlEscaper, escapeControls, escapeKeepingColours, oneLine } from '../../src/cli/terminal-text.ts';
import { BatchctlError } from '../../src/errors.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { movedClock } from '../support/moved-clock.ts';
import { rangeJob } from '../support/range-job.ts';
import { failsWith } from '../support/rejection.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { fakeContext, fakeIo, runCli } from './fake-io.ts';

const CLIPBOARD = '\x1b]52;c;cm0gLXJmIC8=\x07';
const LINK = '\x1b]8;;https://evil.example\x1b\\open the report\x1b]8;;\x1b\\';
const CLEAR = '\x1b[2J\x1b[H';
/** How the live view moves the cursor, hides it and shows it. */
const LIVE_VIEW = new RegExp(`${String.fromCharCode(27)}\\[(\\d+F|0J|[?]25[lh])`);
const HOSTILE = `${CLEAR}${LINK}${CLIPBOARD}\rall is well\u202e`;

describe('control characters in foreign text', () => {
  it('are made visible, except line ends and tabs', () => {
    expect(escapeControls('a\tb\r\nc\n')).to.equal('a\tb\r\nc\n');
    expect(escapeControls(HOSTILE)).to.equal(
      '^[[2J^[[H^[]8;;https://evil.example^[\\open the report^[]8;;^[\\^[]52;c;cm0gLXJmIC8=^G^Mall is well<202e>',
    );
    expect(escapeControls('\x9b31m\x7f\x00')).to.equal('<9b>31m^?^@');
  });

  it('are made visible in lines of batchctl, which keep their colours', () => {
    expect(escapeKeepingColours(`\x1b[31mfailed\x1b[39m: ${CLEAR}`)).to.equal('\x1b[31mfailed\x1b[39m: ^[[2J^[[H');
  });

  it('are made visible in the message, the hint and the stack of an error', () => {
    const io = fakeIo({});
    const error = new BatchctlError('usage', `no job ${HOSTILE}`, { hint: `batchctl status ${HOSTILE}` });
    for (const verbose of [false, true]) reportError(error, io, { json: false, verbose });
    expect(io.stderr.text).to.include(`hint: batchctl status ${escapeControls(HOSTILE)}\n`);
    expect(io.stderr.text).to.equal(escapeControls(io.stderr.text));
  });

  it('become spaces where a text must be one line', () => {
    expect(oneLine('a\n\x1bb\u202ec')).to.equal('a b c');
  });

  it('are made visible in the same way if the text comes in pieces', () => {
    const bytes = Buffer.from(`é\r\n${HOSTILE}\r`);
    for (let size = 1; size < 8; size += 1) {
      const shown = new ControlEscaper();
      let text = '';
      for (let at = 0; at < bytes.length; at += size) text += shown.write(bytes.subarray(at, at + size));
      expect(text + shown.end(), `pieces of ${size}`).to.equal(escapeControls(bytes.toString()));
    }
  });

  describe('written by a task', () => {
    const workspace = forSuite(() => new Workspace());
    let stderr: string;
    before(async () => {
      workspace.write('hostile', HOSTILE);
      const run = `cat ${workspace.path('hostile')} >&2; exit 3`;
      workspace.write('job.json', rangeJob('hostile', 1, { name: 'one', attempts: 1, run }));
      stderr = (await workspace.run(['run', 'job.json'])).stderr;
    });

    const inTerminal = (...argv: readonly string[]) =>
      runCli(argv, { cwd: workspace.dir, env: { HOME: workspace.dir, BATCHCTL_PROFILE: 'local' }, tty: true });
    /** Only colours, lines and tabs may control a terminal. */
    const expectHarmless = (text: string): void => void expect(text).to.equal(escapeKeepingColours(text));

    it('are removed from the line that reports a failure', () => {
      expect(stderr).to.include('one/0 failed for good: exit 3').and.include('all is well');
      expectHarmless(stderr);
    });

    for (const verb of ['failures', 'status', 'tasks', 'why', 'report', 'history'])
      it(`never reach a terminal through ${verb}`, async () => {
        const ended = await inTerminal(verb, 'last');
        expectHarmless(ended.stdout + ended.stderr);
      });

    it('are removed from the log that failures prints with a cause', async () => {
      const { stdout } = await inTerminal('failures', 'last', '--json');
      const { cause } = JSON.parse(stdout) as { readonly cause: string };
      const { stdout: text } = await inTerminal('failures', 'last', '--cause', cause);
      expect(text).to.match(/^ {4}.*https:\/\/evil[.]example.*all is well *$/m);
      expectHarmless(text);
    });

    it('are made visible by logs on a terminal, and passed on with --raw or to a program', async () => {
      expect((await inTerminal('logs', 'last')).stdout).to.equal(`${escapeControls(HOSTILE)}\n`);
      expect((await inTerminal('logs', 'last', 'one/0', '--follow')).stdout).to.equal(escapeControls(HOSTILE));
      expect((await inTerminal('logs', 'last', '--raw')).stdout).to.equal(`${HOSTILE}\n`);
      expect((await workspace.run(['logs', 'last'])).stdout).to.equal(`${HOSTILE}\n`);
    });
  });

  describe('in names, reasons and questions', () => {
    const workspace = forSuite(() => new Workspace());
    /** Characters that a file's name may have: any but a slash. */
    const NAME = HOSTILE.replaceAll('/', '');
    const world = { env: { BATCHCTL_PROFILE: 'local' }, tty: true } as const;
    const inTerminal = async (argv: readonly string[], stdin = '') => {
      const { code, stdout, stderr } = await runCli(argv, { ...world, cwd: workspace.dir, columns: 0, stdin });
      return { code, stdout, stderr, all: stdout + stderr };
    };
    /** Only colours, cursor movements of progress, lines and tabs. */
    const expectHarmless = (text: string): void => {
      const plain = text.split(LIVE_VIEW).join('');
      expect(plain).to.equal(escapeKeepingColours(plain));
    };

    before(async () => {
      mkdirSync(workspace.path('in'));
      for (const name of ['', '.']) workspace.write(`in/${name}${NAME}`, '1\n');
      const job = {
        name: 'named',
        input: { from: 'in/*', split: { by: 'file' } },
        steps: [{ name: 'one', run: 'exit 3' }],
      };
      workspace.write('job.json', job);
      const ran = await inTerminal(['run', 'job.json']);
      expect(ran.all).to.include('leaves out 1').and.include(escapeControls(NAME).slice(0, 20));
      expectHarmless(ran.all);
      const skip = ['skip', 'name:named', '--task', 'one/0', '--reason', `because ${HOSTILE}`];
      expectExit(await workspace.run(skip));
    });

    for (const argv of [
      ...['status', 'tasks', 'why', 'failures', 'report', 'history', 'verify', 'jobs', 'ls'].map((verb) => [verb]),
      ['plan', 'job.json'],
      ['upload', 'in', '--to', 'x'],
      ['rm', `x/${NAME}`],
      ['fetch', 'last', '--allow-incomplete', '-o', `out-${NAME}/`],
      ['report', 'last', '-o', `report-${NAME}`],
      ['init', `new-${NAME}`],
    ])
      it(`are made visible by ${oneLine(argv.slice(0, 2).join(' ')).replace(/ \[.*/, '')}`, async () => {
        expectHarmless((await inTerminal(argv)).all);
      });

    it('are made visible in a file with a report', async () => {
      expect((await workspace.run(['report', 'last', '-o', 'report.txt'])).code).to.equal(0);
      expectHarmless(readFileSync(workspace.path('report.txt'), 'utf8'));
    });

    it('are made visible in a question', async () => {
      const { ctx, io } = fakeContext([], { ...world, stdin: 'n\n' });
      await failsWith('refused', confirm(ctx, `remove ${HOSTILE}?`));
      expect(io.stderr.text).to.equal(`remove ${escapeControls(HOSTILE)}? [y/N] `);
    });

    it('are made visible where they appear above a live view, and at the end of progress', async () => {
      for (const tty of [true, false]) {
        const { ctx, io } = fakeContext([], { tty, columns: 0 });
        const view = liveView(ctx);
        view.printAbove(HOSTILE);
        view.close();
        const progress = await startProgress(ctx, 'working');
        progress.done(HOSTILE);
        expect(io.stderr.text.split(escapeControls(HOSTILE))).to.have.length(3);
        expectHarmless(io.stderr.text);
      }
    });

    it("become spaces in a manager's log, which names what a firing leaves out", async () => {
      const add = ['schedule', 'add', 'daily', 'job.json', '--cron', '0 6 * * *', '--tz', 'UTC'];
      expect((await workspace.run(add, movedClock('2026-11-27T12:00:00Z'))).code).to.equal(0);
      const manager = workspace.start(['manager', '--listen', '127.0.0.1:0'], movedClock('2026-11-28T06:00:20Z'));
      await until('the schedule has fired', () => manager.printed().includes('leaves out'));
      manager.child.kill('SIGTERM');
      await manager.ended;
      expect(manager.printed()).to.include(`(in/.${oneLine(NAME)})`);
      expectHarmless(manager.printed());
    });
  });
});
