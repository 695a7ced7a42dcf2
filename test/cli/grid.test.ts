// Protects: scale, workers and queue show and change the right things, and destroy nothing without confirmation.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { LedgerWorker } from '../../src/model/ledger/records.ts';
import { encodeMessage } from '../../src/model/message.ts';
import { openPlace } from '../jobs/published-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { parseJsonLines } from '../support/json-lines.ts';
import { runCli } from './fake-io.ts';
import { putGroupSize } from './group-size.ts';

describe('commands for groups', () => {
  const place = forEachTest(openPlace);

  const cli = (...argv: readonly string[]) =>
    runCli([...argv, '--profile', 'local'], {
      cwd: place.directory,
      env: { PATH: process.env.PATH ?? '', HOME: place.directory },
    });
  const send = async (job: string, count: number): Promise<void> => {
    const tasks = Array.from({ length: count }, (_, task) => task);
    const queue = await place.platform.queue('default');
    await queue.send(tasks.map((task) => ({ body: encodeMessage({ job, step: 's', task, round: 0 }), tenant: job })));
  };
  const waitingMessages = async (): Promise<number> =>
    (await (await place.platform.queue('default')).backlog()).visible;
  const sendHeartbeat = async (worker: string, changed: Partial<LedgerWorker> = {}): Promise<void> => {
    const now = place.platform.clock.now();
    const ledger = await place.platform.ledger();
    await ledger.heartbeat({
      worker,
      group: 'default',
      host: 'h',
      pid: 1,
      version: '1',
      state: 'idle',
      slots: 2,
      busy: [],
      done: 3,
      failed: 1,
      startedAt: now,
      seenAt: now,
      ...changed,
    });
  };

  describe('scale', () => {
    it('shows the default group at zero before anything was set', async () => {
      const { stdout } = await cli('scale', '--json');
      expect(JSON.parse(stdout)).to.include({ group: 'default', desired: 0, running: 0, until: null });
    });

    it('sets bounds and mode without starting anything, and shows each group that has a size', async () => {
      expect((await cli('scale', '--max', '3', '--auto', '--group', 'gpu')).code).to.equal(0);
      const rows = parseJsonLines<{ group: string }>((await cli('scale', '--json')).stdout);
      expect(rows.map(({ group }) => group)).to.deep.equal(['default', 'gpu']);
      expect(rows[1]).to.include({ max: 3, mode: 'auto' });
    });

    it('names the command that restarts a missing supervisor', async () => {
      await putGroupSize(place.platform);
      const { stderr } = await cli('scale', '--json');
      expect(stderr).to.include('0 of 2 workers are up').and.include('batchctl scale 2 --group gpu');
    });

    it('changes nothing with --dry-run', async () => {
      expect((await cli('scale', '2', '--dry-run')).stdout).to.include('would be 2');
      expect(await (await place.platform.group('default')).describe()).to.include({ desired: 0 });
    });

    for (const argv of [
      ['many'],
      ['-1'],
      ['--auto', '--manual'],
      ['--for', '4h'],
      ['9', '--max', '3'],
      ['1', '--group', 'No'],
    ]) {
      it(`refuses ${argv.join(' ')} as usage`, async () => {
        expect((await cli('scale', ...argv)).code).to.equal(2);
      });
    }
  });

  describe('workers', () => {
    it('distinguishes a worker that stopped reporting from one that left', async () => {
      const now = place.platform.clock.now();
      await sendHeartbeat('w-up', { busy: ['j/s/1'], state: 'busy' });
      await sendHeartbeat('w-lost', { seenAt: now - 60_000, startedAt: now - 90_000 });
      await sendHeartbeat('w-left', { state: 'gone', startedAt: now - 95_000 });
      const states = async (...flags: readonly string[]) => {
        const { stdout } = await cli('workers', '--json', ...flags);
        return parseJsonLines<{ worker: string; state: string }>(stdout).map(
          ({ worker, state }) => `${worker} ${state}`,
        );
      };
      expect(await states()).to.deep.equal(['w-lost lost', 'w-up busy']);
      expect(await states('--all')).to.deep.equal(['w-left gone', 'w-lost lost', 'w-up busy']);
      expect((await cli('workers')).stdout)
        .to.include('gone?')
        .and.include('j/s/1');
    });

    it('shows which idle workers may not end their instances, and the permission that they lack', async () => {
      const denied = 'autoscaling:SetDesiredCapacity on arn:group';
      const machine = { type: 'c7g.large', zone: 'a', lifeCycle: 'spot' } as const;
      await sendHeartbeat('w-idle', { state: 'idle', machine: { ...machine, denied } });
      await sendHeartbeat('w-busy', { state: 'busy', machine: { ...machine, denied } });
      await sendHeartbeat('w-free', { state: 'idle', machine });
      const { stdout } = await cli('workers', '--json');
      const found = parseJsonLines<{ worker: string; denied: string | null }>(stdout);
      expect(found.map((row) => `${row.worker} ${row.denied}`).sort()).to.deep.equal([
        `w-busy ${denied}`,
        'w-free null',
        `w-idle ${denied}`,
      ]);
      const shown = await cli('workers');
      expect(shown.stdout.split('\n').filter((line) => line.includes("can't leave"))).to.have.length(1);
      expect(shown.stdout).to.match(/^w-idle .*idle, can't leave/m);
      expect(shown.stderr).to.include(`idle workers can't end their instances: ${denied} is denied; batchctl doctor`);
    });

    it('writes an order for a worker given by the beginning of its id', async () => {
      await sendHeartbeat('w-abc');
      expect((await cli('workers', 'stop', 'w-a')).code).to.equal(0);
      const { store } = place.platform;
      const orders: string[] = [];
      for await (const key of store.keys('workers/')) orders.push(key);
      expect(orders).to.deep.equal(['workers/w-abc/orders/0000']);
      expect(Buffer.from((await store.read(orders[0] ?? '')) ?? []).toString()).to.include('"stop"');
    });

    it('exits 4 for a worker that is unknown or has left, and 2 for an ambiguous id', async () => {
      await sendHeartbeat('w-ab', { state: 'gone' });
      await sendHeartbeat('w-ac');
      const codes = await Promise.all(['w-x', 'w-ab', 'w-a'].map((id) => cli('workers', 'drain', id)));
      expect(codes.map(({ code }) => code)).to.deep.equal([4, 4, 2]);
      expect((await cli('workers', 'logs', 'w-ac')).code).to.equal(4);
    });
  });

  describe('queue purge', () => {
    it('refuses without the name of the group, even with --yes', async () => {
      await send('a-job', 2);
      for (const flags of [[], ['--yes'], ['--confirm', 'gpu']]) {
        expect((await cli('queue', 'purge', ...flags)).code).to.equal(7);
      }
      expect(await waitingMessages()).to.equal(2);
    });

    it('refuses on a protected profile, confirmed or not', async () => {
      const profiles = { local: { backend: 'local', root: '.batchctl', protect: true } };
      writeFileSync(join(place.directory, 'batchctl.config.json'), JSON.stringify({ profiles }));
      await send('a-job', 2);
      const { code, stderr } = await cli('queue', 'purge', '--confirm', 'default');
      expect(code).to.equal(7);
      expect(stderr).to.include('protected');
      expect(await waitingMessages()).to.equal(2);
    });

    it('deletes waiting messages, says how many, and that open jobs send them again', async () => {
      await send('a-job', 3);
      const { stdout, stderr } = await cli('queue', 'purge', '--confirm', 'default', '--json');
      expect(JSON.parse(stdout)).to.deep.equal({ group: 'default', job: null, purged: 3, dryRun: false });
      expect(stderr).to.include('batchctl resume');
      expect(await waitingMessages()).to.equal(0);
    });

    it('deletes nothing with --dry-run, nor for a job that does not exist', async () => {
      await send('a-job', 3);
      expect((await cli('queue', 'purge', '--dry-run')).stdout).to.include('would delete');
      expect((await cli('queue', 'purge', '--confirm', 'default', '--job', 'nope')).code).to.equal(4);
      expect(await waitingMessages()).to.equal(3);
    });
  });

  it('queue shows depths and the age of the oldest message', async () => {
    const before = Date.now();
    await send('a-job', 3);
    const row = JSON.parse((await cli('queue', '--json')).stdout) as { oldest: number };
    expect(row).to.include({ group: 'default', visible: 3, leased: 0, delayed: 0, dead: 0 });
    expect(row.oldest).to.be.within(0, Math.ceil((Date.now() - before) / 1_000));
  });

  it('queue redrive refuses a task without a job, and a job that does not exist', async () => {
    expect((await cli('queue', 'redrive', '--task', 's/1')).code).to.equal(2);
    expect((await cli('queue', 'redrive', '--task', 's/1', '--job', 'nope')).code).to.equal(4);
  });

  it('the supervisor has its own help, and is not listed as a command', async () => {
    expect((await cli('help', '--all')).stdout).not.to.include('worker-supervisor');
    expect((await cli('worker-supervisor', '--help')).stdout).to.include('Examples:');
  });
});
