// Protects: a command that runs as another user cannot gain root's rights, enter other slots or outlive its worker.
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { commandUserOf } from '../../src/worker/command-user.ts';
import type { Command } from '../../src/worker/executor.ts';
import { requireRoot } from '../support/run/lacking.ts';
import { until } from '../support/until.ts';
import { alive, ExecutorBench, killWorkerOf } from './executor-bench.ts';

const NOBODY = { BATCHCTL_COMMAND_USER: 'nobody' };

describe('commands with a user of their own', () => {
  it('are refused for a user who is root or does not exist, by name', () => {
    expect(commandUserOf({})).to.equal(null);
    expect(refusal('no-such-user')).to.match(/BATCHCTL_COMMAND_USER=no-such-user: .*there is no such user/);
    expect(refusal('root')).to.include('that is root itself');
  });

  it('are refused to a worker that is not root', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'batchctl-user-'));
    try {
      chmodSync(directory, 0o777);
      const script = `import { commandUserOf } from ${JSON.stringify(join(import.meta.dirname, '../../src/worker/command-user.ts'))};
        process.setgid(65534); process.setuid(65534);
        try { commandUserOf({ BATCHCTL_COMMAND_USER: 'daemon' }); } catch (error) { console.log(error.kind, error.message); }`;
      const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
      expect(await text(child.stdout))
        .to.include('config')
        .and.include('only root on Linux can run commands as another user');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  describe('a command of another user, run by root', () => {
    /** A directory that only root may enter. */
    let closed: string;
    let bench: ExecutorBench;
    before(() => {
      requireRoot('run commands as another user');
      closed = mkdtempSync(join(tmpdir(), 'batchctl-closed-'));
      writeFileSync(join(closed, 'secret'), 'key\n', { mode: 0o600 });
      bench = new ExecutorBench(2, '/bin/sh', commandUserOf(NOBODY));
    });
    after(async () => {
      await bench?.close();
      if (closed !== undefined) rmSync(closed, { recursive: true, force: true });
    });
    const run = (command: Command['run'], changes: Partial<Command> = {}, slot = 0) =>
      bench.run(command, { ...bench.slot(slot), stdin: null, ...changes }, undefined, slot);
    const stdout = (slot = 0): string => readFileSync(bench.slot(slot).stdout, 'utf8');
    const stderr = (slot = 0): string => readFileSync(bench.slot(slot).stderr, 'utf8');

    it('has an id and a group of its own, and the user’s group, permanently without further rights', async () => {
      const end = await run('id -u; id -G; grep -hE "^(CapEff|CapBnd|CapPrm|NoNewPrivs)" /proc/self/status');
      expect(end, stderr()).to.include({ how: 'exit', code: 0 });
      const [uid, groups, ...rights] = stdout().trimEnd().split('\n');
      const [own, other] = [bench.executor.owner?.(0), bench.executor.owner?.(1)];
      expect(uid).to.equal(String(own?.uid));
      expect(groups).to.equal(`${own?.gid} 65534`);
      expect([own?.uid, own?.gid]).to.not.include.oneOf([other?.uid, other?.gid, 65_534]);
      expect(rights.map((line) => line.split(/\s+/)[1])).to.deep.equal([
        ...Array.from({ length: 3 }, () => '0000000000000000'),
        '1',
      ]);
    });

    it('reads no file that only root may read, and writes no file of root’s', async () => {
      const end = await run(`cat ${join(closed, 'secret')}; echo x >>${join(bench.directory, 'code')}; echo $?`);
      expect(end).to.include({ how: 'exit', code: 0 });
      expect(stdout()).to.equal('2\n');
      expect(stderr()).to.match(/secret: Permission denied/);
    });

    it('ignores everything from the job until it has given up root’s rights', async () => {
      const traitor = join(bench.slot(0).cwd, 'traitor.so');
      await run('cp /bin/true traitor.so');
      const env = { PATH: '/usr/bin:/bin', LD_PRELOAD: traitor, BASH_ENV: '/x', ENV: '/x', IFS: 'x' };
      await run(['id', '-u'], { env });
      expect(stdout()).to.equal(`${bench.executor.owner?.(0)?.uid}\n`);
      // Each program started with it complains, but only the command's own may.
      expect(stderr().match(/ld\.so.*traitor\.so/g)).to.have.length(1);
    });

    it('gets arguments, variables and an = in a program’s name unchanged', async () => {
      const odd = join(bench.slot(0).cwd, 'a=b');
      writeFileSync(odd, '#!/bin/sh\nprintf "%s|" "$@" "$WORD"\n', { mode: 0o755 });
      await run([odd, "it's", '', 'two\nlines'], { env: { PATH: '/usr/bin:/bin', WORD: '$(id) "x"' } });
      expect(stdout()).to.equal('it\'s||two\nlines|$(id) "x"|');
    });

    it('gets long variables, and every name, unchanged', async () => {
      const long = `${"it's $(id)\n".repeat(9_000)}end`;
      const env = { PATH: '/usr/bin:/bin', LONG: long, RANDOM: '7', MAIL_KEY: 'm', PWD_KEY: 'p' };
      const script =
        'printf %s "$LONG" | cksum; printenv RANDOM MAIL_KEY PWD_KEY; env | grep -cE "^(PWD|OLDPWD|SHLVL)="';
      await run(['/usr/bin/env', 'sh', '-c', script], { env });
      const sum = spawnSync('cksum', { input: long, encoding: 'utf8' }).stdout;
      expect(stdout(), stderr()).to.match(new RegExp(`^${sum}7\nm\np\n`));
    });

    it('shows no variable of its own in the arguments or the environment of any process that starts it', async () => {
      const log = join(bench.directory, 'started');
      const recorder = join(bench.directory, 'setpriv');
      writeFileSync(recorder, `#!/bin/sh\ncat /proc/$$/cmdline /proc/$$/environ >>${log}\nexec setpriv "$@"\n`, {
        mode: 0o755,
      });
      const user = commandUserOf(NOBODY);
      const recorded = new ExecutorBench(1, '/bin/sh', user === null ? null : { ...user, setpriv: recorder });
      const env = { PATH: '/usr/bin:/bin', KEY: 'hunter2-of-the-desk', MAIL_PASSWORD: 'hunter2-of-the-desk' };
      try {
        const { cwd } = recorded.slot(0);
        const script = 'printf %s "$KEY" >seen; until [ -e go ]; do sleep 0.01; done';
        const running = recorded.run(script, { ...recorded.slot(0), stdin: null, env });
        await until('it runs', () => textOf(join(cwd, 'seen')) === env.KEY);
        const shown = readdirSync('/proc').filter(
          (pid) => /^\d+$/.test(pid) && textOf(`/proc/${pid}/cmdline`).includes(env.KEY),
        );
        writeFileSync(join(cwd, 'go'), '');
        expect(await running).to.include({ how: 'exit', code: 0 });
        expect(shown).to.deep.equal([]);
        expect(readFileSync(log, 'latin1')).to.include('--reuid').and.not.include(env.KEY);
      } finally {
        await recorded.close();
      }
    });

    it('is never ended by what an executor that has closed still sweeps', async () => {
      // The same ids, as of one process: where the sweep of the first outlives its close, it kills commands of the second.
      for (let round = 0; round < 5; round += 1) {
        const closed = new ExecutorBench(1, '/bin/sh', commandUserOf(NOBODY));
        await closed.run('true', { ...closed.slot(0), stdin: null });
        await closed.close();
        expect(await run('sleep 0.2'), `round ${round}`).to.include({ how: 'exit', code: 0 });
      }
    });

    it('can use /dev/stdout and /dev/stderr by name, and read its stdin that way', async () => {
      const { stdin } = bench.slot(0);
      writeFileSync(stdin, 'in\n');
      const end = await run('cat /dev/stdin >/dev/stdout; echo err >/dev/stderr', { stdin });
      expect(end, stderr()).to.include({ how: 'exit', code: 0 });
      expect([stdout(), stderr()]).to.deep.equal(['in\n', 'err\n']);
    });

    it('can’t read, replace or enter another slot’s files, nor see or end its processes', async () => {
      const other = bench.slot(1);
      const running = run('echo mine >x; echo $$ >pid; sleep 60', { env: { PATH: '/usr/bin:/bin', KEY: 'k' } }, 1);
      const pid = join(other.cwd, 'pid');
      await until('it runs', () => existsSync(pid) && readFileSync(pid, 'utf8') !== '');
      const otherPid = readFileSync(pid, 'utf8').trim();
      const end = await run(
        `cat ${other.cwd}/x; ls ${other.cwd}; kill -9 ${otherPid}; cat /proc/${otherPid}/environ; ls /proc/${otherPid}/cwd/; rm -f ${other.stdout}; mv ${bench.slot(0).stdout} x`,
      );
      expect(end).to.have.property('code').that.is.not.equal(0);
      expect(stdout()).to.equal('');
      expect(stderr().match(/Permission denied/g)).to.have.length(6);
      expect(stderr()).to.match(/kill: .*Operation not permitted|kill: No such process/);
      expect(alive(Number(otherPid))).to.equal(true);
      process.kill(Number(otherPid), 'SIGKILL');
      expect(await running).to.include({ how: 'signal' });
    });

    it('ends, with all its children, at its timeout and when it is stopped', async () => {
      const script = 'rm -f child; sleep 60 & trap "" TERM; echo $! >child; sleep 60; sleep 60';
      const child = () => Number(textOf(join(bench.slot(0).cwd, 'child')));
      let timeoutMs = 300;
      // On a busy machine it may take longer until it has a child.
      await until('it had a child', async () => {
        expect(await run(script, { timeoutMs, graceMs: 200 })).to.include({ how: 'timeout' });
        timeoutMs *= 2;
        return child() > 0;
      });
      expect(alive(child())).to.equal(false);
      const stop = new AbortController();
      const running = bench.run('echo x >on; sleep 60', { ...bench.slot(0), stdin: null }, stop.signal);
      await until('it runs', () => existsSync(join(bench.slot(0).cwd, 'on')));
      stop.abort();
      expect(await running).to.include({ how: 'aborted' });
    });

    it('leaves no process behind, even one that closed its files, cleared its variables and left its process group', async () => {
      const stray =
        "setsid env -i /bin/sh -c 'exec 9>&- >/dev/null 2>&1 </dev/null; sleep 60 & echo $$ >far; wait' & until [ -s far ]; do :; done";
      const end = await run(stray);
      expect(end).to.include({ how: 'exit', code: 0, strays: 2 });
      expect(alive(Number(readFileSync(join(bench.slot(0).cwd, 'far'), 'utf8')))).to.equal(false);
    });

    it('is measured, and reported as killed for memory', async () => {
      // A busy machine may measure it only after it has ended.
      await until('it was measured while it ran', async () => {
        const end = await run('i=0; while [ $i -lt 400000 ]; do i=$((i + 1)); done; sleep 0.3');
        return (end.cpuSeconds ?? 0) > 0.05 && (end.peakMemory ?? 0) > 0;
      });
      expect(await run('kill -KILL $$')).to.include({ how: 'signal', signal: 'SIGKILL' });
      await run('cat /proc/self/oom_score_adj');
      expect(stdout()).to.equal('500\n');
    });

    it('is refused a directory that the user can’t reach, and the message names the closed one', () => {
      const inside = join(closed, 'a/b/c');
      mkdirSync(inside, { recursive: true });
      try {
        new ExecutorBench(1, '/bin/sh', commandUserOf(NOBODY), inside);
        expect.fail('it started');
      } catch (error) {
        expect(String(error)).to.include(`${closed}, on the path to ${inside}`).and.include(', is closed to it');
      }
      expect(statSync(closed).mode & 0o777).to.equal(0o700);
    });

    it('does not outlive its worker, whatever it closed', async () => {
      const script =
        'setsid env -i /bin/sh -c \'trap "" TERM; echo $$ >far; exec 9>&- >/dev/null 2>&1; sleep 60; :\' & echo $$ >near; sleep 60; :';
      await killWorkerOf(script, ['far', 'near'], { files: '0/run', env: NOBODY });
    });
  });
});

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function refusal(name: string): string {
  try {
    commandUserOf({ BATCHCTL_COMMAND_USER: name });
  } catch (error) {
    if (error instanceof BatchctlError && error.kind === 'config') return error.message;
    throw error;
  }
  throw new Error(`${name} was accepted`);
}
