// Protects: batchctl run says why one of its own workers ended, and where its log is; a worker that was started before the
// job was known leaves nothing behind.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { loadConfig } from '../../../src/config/load-config.ts';
import { lastWarningIn, startOwnWorkers } from '../../../src/platform/own-workers.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rangeJob } from '../../support/range-job.ts';
import { until } from '../../support/until.ts';
import { Workspace } from '../../support/workspace.ts';
import { openPlace } from '../published-job.ts';

describe('the workers of a run', () => {
  const place = forEachTest(openPlace);

  it('report why one of them ended, and keep the log that the report names', async () => {
    const { directory, platform } = place;
    const config = await loadConfig({ cwd: directory, env: { HOME: directory }, flags: { profile: 'local' } });
    const troubles: string[] = [];
    const workers = await startOwnWorkers(config, platform, {
      cwd: directory,
      groups: ['default'],
      slots: 1,
      onTrouble: (trouble) => troubles.push(trouble),
      env: () => ({ PATH: process.env.PATH, NODE_OPTIONS: `--require ${directory}/none.cjs` }),
    });
    try {
      await until('a worker to end', () => troubles.length > 0);
    } finally {
      await workers.drain();
    }
    const [message, log = ''] = troubles[0]?.split('; its log: ') ?? [];
    expect(message).to.match(/^worker w-\w+ ended \(exit 1\): Cannot find module .*none\.cjs'$/);
    expect(readFileSync(log, 'utf8')).to.include('none.cjs');
  });

  it('are explained by their last warning, or else by their last error', () => {
    const log = [
      '2026-11-26T15:38:26.578Z warning: x/enc/8 is returned: found none',
      '2026-11-26T15:38:26.664Z worker w-vrk7zl4osf leaves: 0 done, 0 failed for good',
      'error: the store rejected 4 attempts in a row; the log shows why',
    ];
    expect(lastWarningIn(log.join('\n'))).to.equal('x/enc/8 is returned: found none');
    expect(lastWarningIn('error: no such group\nhint: make it\n')).to.equal('no such group');
    expect(lastWarningIn('worker w-a starts\n')).to.equal(null);
  });

  describe('started before the job is known', () => {
    const workspace = forEachTest(() => Workspace.withLongLeases());
    const heldWorkers = () => heldIn(workspace.dir);
    const waitForEnd = () => until('the worker to be gone', () => heldWorkers().length === 0);

    it('leave no file when the job is refused', async () => {
      workspace.write('job.yaml', 'name: claims\n');
      const { code, stderr } = await workspace.start(['run', 'job.yaml']).ended;
      expect(code, stderr).to.equal(3);
      await waitForEnd();
      expect(readdirSync(workspace.dir)).to.deep.equal(['job.yaml']);
    });

    it('leave no file when run is killed', async () => {
      // Opening a FIFO to read waits for a writer.
      execFileSync('mkfifo', [workspace.path('job.yaml')]);
      const run = workspace.start(['run', 'job.yaml']);
      await until('the worker to run', () => heldWorkers().length === 1);
      run.child.kill('SIGKILL');
      await run.ended;
      await waitForEnd();
      expect(readdirSync(workspace.dir)).to.deep.equal(['job.yaml']);
    });

    it('are replaced if they were killed meanwhile', async () => {
      execFileSync('mkfifo', [workspace.path('job.yaml')]);
      const run = workspace.start(['run', 'job.yaml', '--json']);
      const pid = await until('the worker to run', () => heldWorkers()[0]);
      process.kill(pid, 'SIGKILL');
      await writeFile(workspace.path('job.yaml'), JSON.stringify(rangeJob('one', 2, { name: 'work', run: 'true' })));
      const { code, stderr } = await run.ended;
      expect(code, stderr).to.equal(0);
    });

    it('write the same messages to their log as other workers', async () => {
      workspace.write('job.yaml', rangeJob('one', 1, { name: 'work', run: 'sleep 60' }));
      const run = workspace.start(['run', 'job.yaml']);
      const log = () => workspace.lines(`.batchctl/work/run-${run.pid}.log`);
      await until('the worker to start', () => log().some((line) => /worker w-\w+ starts: /.test(line)));
      expect(log()[0]).to.match(/^-> local: /);
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
