// Protects: batchctl run says why one of its own workers ended, and where its log is; a worker that it started before it
// knew the job leaves nothing behind.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { expect } from 'chai';
import { loadConfig } from '../../../src/config/load-config.ts';
import { lastWarningIn, startOwnWorkers } from '../../../src/platform/own-workers.ts';
import { until } from '../../support/until.ts';
import { Workspace } from '../../support/workspace.ts';
import { openPlace } from '../published-job.ts';

describe('the workers of a run', () => {
  it('report why one of them ended, and keep the log that the report names', async () => {
    const place = await openPlace();
    try {
      const { directory } = place;
      const config = await loadConfig({ cwd: directory, env: { HOME: directory }, flags: { profile: 'local' } });
      const told: string[] = [];
      const workers = await startOwnWorkers(config, place.platform, {
        ...{ cwd: directory, groups: ['default'], slots: 1, onTrouble: (what: string) => told.push(what) },
        env: () => ({ PATH: process.env.PATH, NODE_OPTIONS: `--require ${directory}/none.cjs` }),
      });
      try {
        await until('a worker to end', () => told.length > 0);
      } finally {
        await workers.drain();
      }
      const text = told[0] ?? '';
      expect(text).to.match(/^worker w-\w+ ended \(exit 1\): Cannot find module .*none\.cjs'; its log: /);
      const log = text.slice(text.indexOf('its log: ') + 'its log: '.length);
      expect(existsSync(log)).to.equal(true);
      expect(readFileSync(log, 'utf8')).to.include('none.cjs');
    } finally {
      await place.end();
    }
  });

  it('are explained by their last warning, or else by their last error', () => {
    const warned = [
      '2026-11-26T15:38:26.578Z warning: x/enc/8 is returned: found none',
      '2026-11-26T15:38:26.664Z worker w-vrk7zl4osf leaves: 0 done, 0 failed for good',
      'error: the store rejected 4 attempts in a row; the log shows why',
    ];
    expect(lastWarningIn(warned.join('\n'))).to.equal('x/enc/8 is returned: found none');
    expect(lastWarningIn('error: no such group\nhint: make it\n')).to.equal('no such group');
    expect(lastWarningIn('worker w-a starts\n')).to.equal(null);
  });

  describe('started before the job is known', () => {
    let workspace: Workspace;
    beforeEach(() => {
      workspace = Workspace.withLongLeases();
    });
    afterEach(() => workspace.remove());
    const held = () => heldIn(workspace.dir);

    it('end without a file when the job is refused', async () => {
      workspace.write('job.yaml', 'name: claims\n');
      const { code, stderr } = await workspace.start(['run', 'job.yaml']).ended;
      expect(code, stderr).to.equal(3);
      await until('the worker to be gone', () => held().length === 0);
      expect(readdirSync(workspace.dir)).to.deep.equal(['job.yaml']);
    });

    it('end without a file when run is killed', async () => {
      // To open a FIFO waits for who writes to it.
      execFileSync('mkfifo', [workspace.path('job.yaml')]);
      const run = workspace.start(['run', 'job.yaml']);
      await until('the worker to be there', () => held().length === 1);
      run.child.kill('SIGKILL');
      await run.ended;
      await until('the worker to be gone', () => held().length === 0);
      expect(readdirSync(workspace.dir)).to.deep.equal(['job.yaml']);
    });

    it('are replaced if they were killed meanwhile', async () => {
      execFileSync('mkfifo', [workspace.path('job.yaml')]);
      const run = workspace.start(['run', 'job.yaml', '--json']);
      const pid = await until('the worker to be there', () => held()[0]);
      process.kill(pid, 'SIGKILL');
      const job = 'name: one\ninput: { split: { by: range, from: 1, to: 2 } }\nsteps: [{ name: work, run: "true" }]\n';
      execFileSync('/bin/sh', ['-c', 'printf %s "$1" >"$0"', workspace.path('job.yaml'), job]);
      const { code, stderr } = await run.ended;
      expect(code, stderr).to.equal(0);
    });

    it('say in their log what they would have said otherwise', async () => {
      const job =
        'name: one\ninput: { split: { by: range, from: 1, to: 1 } }\nsteps: [{ name: work, run: "sleep 60" }]\n';
      workspace.write('job.yaml', job);
      const run = workspace.start(['run', 'job.yaml']);
      const log = workspace.path('.batchctl', 'work', `run-${run.pid}.log`);
      await until(
        'the worker to start',
        () => existsSync(log) && /worker w-\w+ starts: /.test(readFileSync(log, 'utf8')),
      );
      expect(readFileSync(log, 'utf8')).to.match(/^-> local: /);
    });
  });
});

/** The process ids of held workers in a directory. */
const heldIn = (directory: string): readonly number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && orNull(() => readlinkSync(`/proc/${pid}/cwd`)) === directory)
    .filter((pid) => orNull(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes('--held')));

function orNull<T>(look: () => T): T | null {
  try {
    return look();
  } catch {
    return null; // The process is gone.
  }
}
