// Protects: live views keep the terminal intact, and nothing is destroyed without a confirmation.

import { expect } from 'chai';
import { confirm } from '../../src/cli/confirm.ts';
import { listenForInterrupts } from '../../src/cli/io.ts';
import { type LiveStatus, liveView } from '../../src/cli/live-view.ts';
import { progressText, startProgress } from '../../src/cli/progress.ts';
import { displayWidth } from '../../src/cli/terminal-text.ts';
import { BatchctlError } from '../../src/errors.ts';
import { confirmName } from '../../src/lib/confirm-name.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { failsWith } from '../support/rejection.ts';
import { type FakeWorld, fakeContext, fakeIo, runCli } from './fake-io.ts';

function open(world: FakeWorld = {}, argv: readonly string[] = []) {
  const clock = new FakeClock();
  return { ...fakeContext(argv, world, clock), clock };
}

const statusAt = (done: number): LiveStatus => ({
  steps: [{ name: 'price', total: 100, running: 1, done, failed: 0, skipped: 0 }],
  rate: 5,
  etaSeconds: (100 - done) / 5,
});

describe('a live view', () => {
  it('is redrawn in place on a terminal, and restores the cursor', () => {
    const { ctx, io } = open({ tty: true });
    const view = liveView(ctx);
    view.show(statusAt(1));
    view.show(statusAt(2));
    view.close();
    view.close();
    const shown = io.stderr.text;
    expect(shown.split('\x1b[2F\x1b[0J')).to.have.length(3);
    expect(shown.split('\x1b[?25l')).to.have.length(2);
    expect(shown.endsWith('\x1b[?25h')).to.equal(true);
    expect(io.stdout.text).to.equal('');
  });

  it('fits again when the terminal becomes narrower, and clears the rows of the old lines', () => {
    const { ctx, io } = open({ tty: true, columns: 120 });
    const view = liveView(ctx);
    view.show(statusAt(1));
    const before = io.stderr.text.length;
    io.stderr.columns = 50;
    io.stderr.emit('resize');
    const redrawn = io.stderr.text.slice(before);
    expect(redrawn.startsWith('\x1b[6F\x1b[0J')).to.equal(true);
    for (const line of redrawn.split('\n')) expect(displayWidth(line)).to.be.below(50);
    view.close();
    expect(io.stderr.listenerCount('resize')).to.equal(0);
  });

  it('keeps lines above it on the screen', () => {
    const { ctx, io } = open({ tty: true });
    const view = liveView(ctx);
    view.show(statusAt(1));
    view.printAbove('a worker started');
    view.close();
    expect(io.stderr.text).to.include('\x1b[2F\x1b[0Ja worker started\nprice');
  });

  it('is a plain line at most every ten seconds when piped, with the last state at the end', () => {
    const { ctx, io, clock } = open();
    const view = liveView(ctx);
    for (let done = 0; done <= 25; done += 1) {
      view.show(statusAt(done));
      clock.pass(1);
    }
    view.close();
    view.close();
    const counts = [...io.stderr.text.matchAll(/^price (\d+).*\n/gm)].map(([, count]) => count);
    expect(counts).to.deep.equal(['0', '10', '20', '25']);
    expect(io.stderr.text).to.not.include('\x1b');
  });

  it('prints nothing with --quiet', () => {
    const { ctx, io } = open({ tty: true }, ['--quiet']);
    const view = liveView(ctx);
    view.show(statusAt(1));
    view.printAbove('a worker started');
    view.close();
    expect(io.stderr.text).to.equal('');
  });
});

describe('progress', () => {
  it('shows amount, share, rate and time left', () => {
    expect(progressText('uploading', 'bytes', 12e6, 40e6, 2)).to.equal(
      'uploading 12MB of 40MB (30%), 6MB/s, 4.7s left',
    );
    expect(progressText('splitting', 'items', 1200, null, 0)).to.equal('splitting 1,200');
    expect(progressText('sending', 'items', 999, 1_000, 0)).to.equal('sending 999 of 1,000 (99%)');
  });

  it('is a line every ten seconds when piped', async () => {
    const { ctx, io, clock } = open();
    const progress = await startProgress(ctx, 'uploading', 'bytes');
    for (let second = 1; second <= 12; second += 1) {
      clock.pass(1);
      progress.update(second * 1e6, 12e6);
    }
    progress.done('uploaded 12MB');
    expect(io.stderr.text.trimEnd().split('\n')).to.deep.equal([
      'uploading 10MB of 12MB (83%), 1MB/s, 2s left',
      'uploaded 12MB',
    ]);
  });

  it('is the same on a terminal that does not know its width, where a spinner would never end', async () => {
    const { ctx, io, clock } = open({ tty: true, columns: 0 });
    const progress = await startProgress(ctx, 'uploading', 'bytes');
    clock.pass(10);
    progress.update(10e6, 12e6);
    progress.done('uploaded 12MB');
    expect(io.stderr.text).to.equal('uploading 10MB of 12MB (83%), 1MB/s, 2s left\nuploaded 12MB\n');
  });

  it('leaves a help of eighty columns on such a terminal', async () => {
    for (const argv of [['--help'], ['status', '--help'], ['help', 'status']]) {
      const { stdout } = await runCli(argv, { tty: true, columns: 0 });
      expect(stdout).to.equal((await runCli(argv, { tty: true, columns: 80 })).stdout);
    }
  });

  it('prints nothing with --quiet', async () => {
    const { ctx, io } = open({ tty: true }, ['--quiet']);
    const progress = await startProgress(ctx, 'uploading');
    progress.update(1, 2);
    progress.done();
    expect(io.stderr.text).to.equal('');
  });
});

describe('a question before something is destroyed', () => {
  it('is asked on a terminal, and accepts yes', async () => {
    const { ctx, io } = open({ tty: true, stdin: 'y\n' });
    await confirm(ctx, 'delete 3 jobs?');
    expect(io.stderr.text).to.equal('delete 3 jobs? [y/N] ');
  });

  for (const stdin of ['n\n', '\n', '']) {
    it(`is denied by ${JSON.stringify(stdin)}`, async () => {
      await failsWith('refused', confirm(open({ tty: true, stdin }).ctx, 'delete 3 jobs?'));
    });
  }

  it('is denied without a terminal, and not asked', async () => {
    const { ctx, io } = open({ stdin: 'y\n' });
    await failsWith('refused', confirm(ctx, 'delete 3 jobs?'));
    expect(io.stderr.text).to.equal('');
  });

  it('is answered by --yes', async () => {
    await confirm(open({}, ['--yes']).ctx, 'delete 3 jobs?');
  });

  it('requires the exact name where much would be lost', () => {
    expect(() => confirmName('defualt', 'default', 'queue purge')).to.throw(BatchctlError, '--confirm default');
    expect(() => confirmName(undefined, 'default', 'queue purge')).to.throw(BatchctlError, 'found nothing');
    expect(() => confirmName('default', 'default', 'queue purge')).to.not.throw();
  });
});

describe('Ctrl-C', () => {
  it('stops cleanly when pressed once, and ends the process when pressed twice', () => {
    const io = fakeIo();
    const stops = listenForInterrupts(io);
    io.interrupt();
    expect([stops.signal.aborted, stops.now.aborted, io.exits]).to.deep.equal([true, false, []]);
    io.interrupt();
    expect([stops.now.aborted, io.exits]).to.deep.equal([true, [130]]);
    stops.end();
    io.interrupt();
    expect(io.exits).to.deep.equal([130]);
  });

  it('is left to a command that stops itself when pressed twice, but not three times', () => {
    const io = fakeIo();
    const stops = listenForInterrupts(io);
    stops.setHandlesSecond(true);
    for (const expected of [[], [], [143]]) {
      io.interrupt('SIGTERM');
      expect(io.exits).to.deep.equal(expected);
    }
  });
});
