// Protects: a command gets its exact arguments, environment and input, and its output and exit code are reported
// correctly.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { anyCharacter } from '../support/any-character.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { HeldTime } from '../support/held-time.ts';
import { failsWith } from '../support/rejection.ts';
import { until } from '../support/until.ts';
import { ExecutorBench, fixture } from './executor-bench.ts';

const SHELLS = ['/bin/sh', '/bin/bash'].filter((shell) => existsSync(shell));

for (const shell of SHELLS) {
  describe(`the shell executor on ${shell}`, () => {
    const bench = forSuite(() => new ExecutorBench(4, shell));

    it('runs an argv without a shell and reports exit 0', async () => {
      const end = await bench.run(['echo', '$HOME', '*']);
      expect(end).to.include({ how: 'exit', code: 0, signal: null, strays: 0 });
      expect(bench.text('out')).to.equal('$HOME *\n');
    });

    it('runs a program and not the shell’s builtin of the same name', async () => {
      await bench.run(['echo', '-n', 'a\\tb']);
      expect(bench.text('out')).to.equal('a\\tb');
    });

    it('runs a string under /bin/sh', async () => {
      await bench.run('x=$((6 * 7)); echo "$x" | cat');
      expect(bench.text('out')).to.equal('42\n');
    });

    it('reports any exit code, and the output on stderr', async () => {
      for (const code of [1, 2, 75, 126, 127, 129, 137, 143, 255]) {
        const end = await bench.run([fixture('fail.sh'), String(code)]);
        expect(end).to.include({ how: 'exit', code });
        expect(bench.text('err')).to.equal('cannot price claim\n');
      }
    });

    it('distinguishes a signal from an exit code, and leaves stderr as the command wrote it', async () => {
      for (const [signal, code] of [
        ['KILL', 137],
        ['SEGV', 139],
        ['TERM', 143],
        ['ABRT', 134],
      ] as const) {
        const end = await bench.run([fixture('die.sh'), signal]);
        expect(end).to.include({ how: 'signal', code, signal: `SIG${signal}` });
        expect(bench.text('err')).to.equal('last words\n');
      }
    });

    it("reports SIGINT and SIGPIPE as exit codes, because shells don't report them", async () => {
      expect(await bench.run([fixture('die.sh'), 'PIPE'])).to.include({ how: 'exit', code: 141, signal: null });
    });

    it('passes arguments and variables through unchanged, whatever they contain', async () => {
      const text = fc.oneof(
        fc
          .string({ unit: anyCharacter, maxLength: 30 })
          .filter((value) => !value.includes('\0') && Buffer.from(value).toString() === value),
        fc.constantFrom(
          '',
          '-n',
          '--',
          "'",
          "''\\''",
          '\n',
          'a\nb',
          '"$(id)"',
          '`id`',
          '\\',
          'ü€😀',
          '\x81\x82\x88',
          '~',
          '!!',
        ),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(text, { maxLength: 6 }), text, async (values, variable) => {
          await bench.run(['/usr/bin/printf', '%s\\0', ...values, variable], { env: { V: variable } });
          expect(bench.text('out').split('\0').slice(0, -1)).to.deep.equal([...values, variable]);
          await bench.run(['/usr/bin/printenv', '-0', 'V'], { env: { V: variable } });
          expect(bench.text('out')).to.equal(`${variable}\0`);
        }),
        { numRuns: 60 },
      );
    });

    it('passes 100 KB of arguments, and many of them', async () => {
      const values = [
        'x'.repeat(100_000),
        "it's\n".repeat(5_000),
        ...Array.from({ length: 2_000 }, (_, n) => `arg ${n}`),
      ];
      const end = await bench.run([process.execPath, fixture('show-argv.mjs'), ...values]);
      expect(end).to.include({ how: 'exit', code: 0 });
      expect(JSON.parse(bench.text('out'))).to.deep.equal(values);
    });

    it('gives the command exactly the requested environment, and two markers', async () => {
      const env = { A: '1', PATH: '/usr/bin', IFS: ',', UID: '7', OPTIND: 'no number', PWD: '/elsewhere' };
      for (const variables of [{ A: '1' }, env]) {
        await bench.run(['/usr/bin/env'], { attempt: 'a-env', env: variables });
        const lines = bench
          .text('out')
          .split('\n')
          .filter((line) => line !== '' && !line.startsWith('_='));
        const found = new Map(
          lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
        );
        expect(found.get('BATCHCTL_WORKER_ID')).to.match(/^w-test-/);
        found.delete('BATCHCTL_WORKER_ID');
        expect(Object.fromEntries(found)).to.deep.equal({ ...variables, BATCHCTL_ATTEMPT: 'a-env' });
      }
    });

    it('leaves nothing open in the command but the three streams and the stray detector', async () => {
      // Any child inherits what this process itself was started with.
      const list = 'ls /proc/$$/fd';
      const inherited = spawnSync('/bin/sh', ['-c', list], { encoding: 'utf8' }).stdout.split('\n');
      await bench.run(list);
      expect(bench.text('out').split('\n')).to.have.members([...inherited, '9']);
    });

    it('runs in the given directory, and finds ./programs there', async () => {
      mkdirSync(bench.path("di r'"), { recursive: true });
      writeFileSync(bench.path("di r'/tool"), '#!/bin/sh\npwd\n', { mode: 0o755 });
      await bench.run(['./tool'], { cwd: bench.path("di r'") });
      expect(bench.text('out')).to.equal(`${bench.path("di r'")}\n`);
    });

    it('feeds a file to stdin, or nothing', async () => {
      writeFileSync(bench.path('in'), 'a\nb\n');
      await bench.run(['cat'], { stdin: bench.path('in') });
      expect(bench.text('out')).to.equal('a\nb\n');
      expect(await bench.run(['cat'])).to.include({ code: 0 });
      expect(bench.text('out')).to.equal('');
    });

    it('truncates files of an earlier command', async () => {
      await bench.run('echo long line; echo long line >&2');
      await bench.run(['true']);
      expect(bench.text('out') + bench.text('err')).to.equal('');
    });

    it("reports a program that doesn't exist, or can't be run, as missing", async () => {
      writeFileSync(bench.path('no-program'), 'data', { mode: 0o644 });
      for (const name of ['no-such-program', './no-such', '/no/such', '', './no-program', bench.directory]) {
        expect(await bench.run([name])).to.include({ how: 'missing', code: null });
      }
      expect(bench.text('err')).to.match(/Command not found/);
    });

    it('reports a missing directory or stdin as missing, and says so in stderr', async () => {
      expect(await bench.run(['true'], { cwd: '/no/such' })).to.include({ how: 'missing', code: null });
      expect(bench.text('err')).to.match(/no\/such/);
      expect(await bench.run(['true'], { stdin: '/no/stdin' })).to.include({ how: 'missing', code: null });
      expect(bench.text('err')).to.match(/no\/stdin/);
    });

    it("refuses arguments and variables that can't be passed to a program", async () => {
      for (const command of [bench.command(['echo', 'a\0b']), bench.command(['true'], { env: { 'a-b': '1' } })]) {
        await failsWith('usage', bench.executor.run(0, command, new AbortController().signal));
      }
    });

    it('runs 500 commands in four slots, each with its own result', async () => {
      let next = 0;
      const slots = [0, 1, 2, 3].map(async (slot) => {
        for (let n = next++; n < 500; n = next++) {
          const files = { stdout: bench.path(`out-${slot}`), stderr: bench.path(`err-${slot}`) };
          const end = await bench.run(`echo ${n}; exit ${n % 100}`, files, undefined, slot);
          expect(end).to.include({ how: 'exit', code: n % 100 });
          expect(bench.text(`out-${slot}`)).to.equal(`${n}\n`);
        }
      });
      await Promise.all(slots);
    });

    it('handles 100 MB of output', async () => {
      await bench.run('head -c 100M /dev/zero');
      expect(statSync(bench.path('out')).size).to.equal(104_857_600);
    });

    describe('a running command', () => {
      /** Commands are measured every quarter of a second, which passes when a test says so. */
      const time = forEachTest(() => new HeldTime());
      const bench = forEachTest(() => new ExecutorBench(1, shell));
      const waitForGo = 'echo >on; until [ -e go ]; do sleep 0.01; done';
      const letMeasure = async () => {
        await until('it runs', () => existsSync(bench.path('on')));
        await time.pass(250);
      };

      it('has a flood of stderr cut to its last bytes, below a line with the number of cut bytes, and takes no disk space meanwhile', async () => {
        const flood = `${fixture('noisy.sh')} 25`;
        const running = bench.run(`${flood}; ${waitForGo}; ${flood}`, { stderrLimit: 10_000 });
        await letMeasure();
        // While the command may append to it, the file keeps its length, but its beginning has no blocks any more.
        await until('its space is freed', () => statSync(bench.path('err')).blocks * 512 < 2 ** 20);
        writeFileSync(bench.path('go'), '');
        expect(await running).to.include({ how: 'exit', code: 0 });
        expect(statSync(bench.path('err')).size).to.be.within(9_000, 20_100);
        const lines = readFileSync(bench.path('err'), 'latin1').split('\n');
        expect(lines[0]).to.match(/^\[batchctl: 5\d{7} bytes cut here\]$/);
        expect(lines.at(-2)).to.equal('the last line');
      });

      it('has its CPU and memory measured, and null if it is too short', async () => {
        const short = await bench.run(['true']);
        expect(short).to.include({ how: 'exit', cpuSeconds: null, peakMemory: null, seconds: 0 });
        const busy = `const { existsSync, writeFileSync } = require('node:fs');
          writeFileSync('on', '');
          while (process.cpuUsage().user < 2e5) for (let n = 0; n < 1e5; n += 1);
          while (!existsSync('go')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
          const { user, system } = process.cpuUsage();
          process.stdout.write(String((user + system) / 1e6));`;
        const running = bench.run([process.execPath, '-e', busy]);
        await letMeasure();
        writeFileSync(bench.path('go'), '');
        const end = await running;
        // What it measured itself, except for its own end, and for the kernel's ticks.
        const itself = Number(bench.text('out'));
        expect(itself).to.be.at.least(0.2);
        expect(end.cpuSeconds).to.be.within(itself - 0.05, itself + 1);
        expect(end.peakMemory).to.be.greaterThan(20_000_000);
        expect(end.seconds).to.equal(0.25);
      });
    });
  });
}
