// Protects: a command ends with all its children at its timeout or on request, and its slot stays usable.
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';

import { forEachTest } from '../support/fixture.ts';
import { HeldTime } from '../support/held-time.ts';
import { failsWith } from '../support/rejection.ts';
import { until } from '../support/until.ts';
import { alive, ExecutorBench, fixture, killWorkerOf } from './executor-bench.ts';

describe('ending commands', () => {
  const bench = forEachTest(() => new ExecutorBench(2));
  let time: HeldTime | null = null;
  /** Holds time until the end of the test, so that the machine's speed doesn't matter. */
  const holdTime = (): HeldTime => {
    time = new HeldTime();
    return time;
  };
  afterEach(() => {
    time?.release();
    time = null;
  });

  const pid = () => Number(bench.text('pid'));

  it('ends a command at its timeout with SIGTERM, and the slot stays usable', async () => {
    const held = holdTime();
    const running = bench.run('echo $$ >pid; exec sleep 60', { timeoutMs: 1_000 });
    await until('it runs', () => pid() > 0);
    await held.pass(999);
    expect(alive(pid())).to.equal(true);
    await held.pass(1);
    const end = await running;
    expect(end).to.include({ how: 'timeout', code: 143, signal: 'SIGTERM', seconds: 1, strays: 0 });
    expect(bench.text('err')).to.equal('');
    expect(await bench.run(['true'])).to.include({ how: 'exit', code: 0 });
  });

  it('ends a command that ignores SIGTERM, and its children, after the grace period', async () => {
    const held = holdTime();
    const running = bench.run([fixture('ignore-term.sh')], { timeoutMs: 300, graceMs: 150 });
    await until('it ignores signals', () => bench.text('out') === 'started\n');
    await held.pass(450);
    expect(await running).to.include({ how: 'timeout', code: 137, seconds: 0.45 });
    expect(await bench.run(['echo', 'again'])).to.include({ how: 'exit', code: 0 });
    expect(bench.text('out')).to.equal('again\n');
  });

  it('ends a command when its signal aborts', async () => {
    const controller = new AbortController();
    const running = bench.run('echo $$ >pid; exec sleep 60', {}, controller.signal);
    await until('it runs', () => pid() > 0);
    controller.abort();
    expect(await running).to.include({ how: 'aborted', code: 143 });
    expect(alive(pid())).to.equal(false);
  });

  it('starts nothing if the signal is already aborted', async () => {
    const end = await bench.run('echo >started', {}, AbortSignal.abort());
    expect(end).to.include({ how: 'aborted', code: null });
    expect(bench.text('started')).to.equal('');
  });

  it('ends a command that writes nothing for too long', async () => {
    const held = holdTime();
    const running = bench.run('echo $$ >pid; echo a; exec sleep 60', { stallMs: 200 });
    await until('it has written', () => bench.text('out') === 'a\n');
    await held.pass(199);
    expect(alive(pid())).to.equal(true);
    // It is checked four times in this period.
    await held.pass(51);
    const end = await running;
    expect(end).to.include({ how: 'stall', code: 143 });
    expect(end.seconds).to.be.within(0.2, 0.25);
  });

  it('accepts growth of a further file below a directory as a sign of life', async () => {
    const held = holdTime();
    const waits = 'mkdir -p d/e; >on; until [ -e end ]; do sleep 0.01; done';
    const running = bench.run(waits, { stallMs: 400, outputs: [bench.path('d')] });
    await until('it runs', () => existsSync(bench.path('on')));
    for (let n = 0; n < 8; n += 1) {
      appendFileSync(bench.path('d/e/f'), 'x\n');
      await held.pass(300);
    }
    writeFileSync(bench.path('end'), '');
    expect(await running).to.include({ how: 'exit', code: 0, seconds: 2.4 });
  });

  it('ends a background child that holds stdout before it returns', async () => {
    const end = await bench.run([fixture('leave-child.sh')]);
    expect(end).to.include({ how: 'exit', code: 0 });
    expect(end.strays).to.be.at.least(1);
    expect(alive(pid())).to.equal(false);
    expect(bench.text('out')).to.equal('early\n');
  });

  it('finds and ends a grandchild in its own session that ignores SIGTERM', async () => {
    const end = await bench.run([fixture('leave-session.sh')]);
    expect(end).to.include({ how: 'exit', code: 0 });
    expect(end.strays).to.be.at.least(1);
    expect(alive(pid())).to.equal(false);
    expect(await bench.run(['true'])).to.include({ how: 'exit', code: 0, strays: 0 });
  });

  it('finds a grandchild that closed everything it inherited except stdout', async () => {
    // A command that ends within 5 ms is not examined, and a program shows no environment just after its start.
    const shows = 'grep -q sleep /proc/$(cat pid)/cmdline && grep -q BATCHCTL_ATTEMPT /proc/$(cat pid)/environ';
    const end = await bench.run(`${fixture('leave-closed.sh')}; until ${shows}; do :; done; sleep 0.01`);
    expect(end).to.include({ how: 'exit', code: 0, strays: 1 });
    expect(alive(pid())).to.equal(false);
  });

  it('reports no stray if a pipeline’s first part ends a moment later', async () => {
    // However slow the machine is, the moment doesn't pass.
    holdTime();
    const end = await bench.run('yes | head -1');
    expect(end).to.include({ how: 'exit', code: 0, strays: 0 });
  });

  it('reports a signal if the slot’s shell is killed during a task, and the slot works again', async () => {
    const running = bench.run('echo $PPID >shell; echo $$ >pid; sleep 60');
    await until('it runs', () => pid() > 0);
    process.kill(Number(bench.text('shell')), 'SIGKILL');
    expect(await running).to.include({ how: 'signal', signal: 'SIGKILL' });
    expect(alive(pid())).to.equal(false);
    expect(await bench.run(['echo', 'again'])).to.include({ how: 'exit', code: 0 });
    expect(bench.text('out')).to.equal('again\n');
  });

  it('ends the processes that a command left even if the end of another command found them first', async () => {
    const both = new ExecutorBench(2);
    try {
      execFileSync('mkfifo', [both.path('wait')]);
      const waits = 'until [ -e far ]; do sleep 0.01; done';
      const beside = both.run(waits, { stdout: both.path('out1'), stderr: both.path('err1') }, undefined, 1);
      const leaving = both.run(
        "setsid sh -c 'exec 9>&- >/dev/null 2>&1 </dev/null; echo $$ >far; sleep 60; :' & until [ -e end ]; do read x <wait; done",
      );
      await beside;
      await until('its child runs', () => both.text('far') !== '');
      writeFileSync(both.path('end'), '');
      writeFileSync(both.path('wait'), 'on\n');
      expect((await leaving).strays).to.be.greaterThan(0);
      expect(alive(Number(both.text('far')))).to.equal(false);
    } finally {
      await both.close();
    }
  });

  it('works again after an idle shell was killed or signalled', async () => {
    await bench.run('echo $PPID >shell');
    const shell = Number(bench.text('shell'));
    process.kill(-shell, 'SIGTERM');
    expect(await bench.run(['true'])).to.include({ how: 'exit', code: 0 });
    process.kill(shell, 'SIGKILL');
    await until('the shell is gone', () => !existsSync(`/proc/${shell}`));
    expect(await bench.run(['true'])).to.include({ how: 'exit', code: 0 });
  });

  it('survives a command that signals its whole process group', async () => {
    for (const name of ['TERM', 'INT', 'HUP']) {
      expect(await bench.run(`kill -${name} 0; sleep 60`))
        .to.have.property('how')
        .that.is.oneOf(['signal', 'exit']);
    }
    expect(await bench.run('kill -KILL 0')).to.include({ how: 'signal', signal: 'SIGKILL' });
    expect(await bench.run(['true'])).to.include({ how: 'exit', code: 0 });
  });

  it('ends running commands when it is closed, and leaves no shell behind', async () => {
    const running = bench.run('echo $PPID >shell; echo $$ >pid; exec sleep 60');
    await until('it runs', () => pid() > 0);
    const shell = Number(bench.text('shell'));
    await bench.executor.close();
    expect(await running).to.include({ how: 'aborted' });
    expect(alive(pid()) || alive(shell)).to.equal(false);
  });

  it('rejects if no shell can be started, and leaves the slot free', async () => {
    const broken = new ExecutorBench(1, '/no/such/shell');
    try {
      for (let time = 0; time < 2; time += 1) {
        await failsWith('unavailable', broken.run(['true']));
      }
    } finally {
      await broken.close();
    }
  });

  it("refuses a second command in a busy slot, and any command in a slot that doesn't exist", async () => {
    const running = bench.run('until [ -e end ]; do sleep 0.01; done');
    await failsWith('unexpected', bench.run(['true']));
    await failsWith('unexpected', bench.run(['true'], {}, undefined, 2));
    writeFileSync(bench.path('end'), '');
    expect(await running).to.include({ how: 'exit', code: 0 });
  });

  it('leaves nothing running when the worker is killed, including separate sessions', async () => {
    const script =
      'setsid sh -c \'trap "" TERM; echo $$ >far; sleep 60; :\' & echo $$ >near; echo $PPID >shell; sleep 60; :';
    await killWorkerOf(script, ['far', 'near', 'shell']);
  });
});
