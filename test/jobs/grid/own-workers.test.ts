// Protects: batchctl run says why one of its own workers ended, and where its log is; a worker that was started before the
// job was known leaves nothing behind.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { loadConfig } from '../../../src/config/load-config.ts';
import { lastWarningIn, startOwnWorkers } from '../../../src/platform/own-workers.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rangeJob } from '../../support/range-job.ts';
import { until } from '../../support/until.ts';
import { Workspace } from '../../support/workspace.ts';
import { openPlace } from '../published-job.ts';

const BIN = fileURLToPath(new URL('../../../bin/batchctl.js', import.meta.url));

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
    /** A job is known once its input has ended. */
    const startWithOpenInput = () => {
      workspace.write('job.yaml', {
        name: 'one',
        input: { split: { by: 'lines', every: 1 } },
        steps: [{ name: 'work', run: 'cat' }],
      });
      return spawn(process.execPath, [BIN, '--profile', 'local', 'run', 'job.yaml', '--input', '-', '--quiet'], {
        cwd: workspace.dir,
        env: { PATH: process.env.PATH, HOME: workspace.dir },
        stdio: ['pipe', 'ignore', 'inherit'],
      });
    };
    const waitForEnd = () => until('the worker to be gone', () => heldWorkers().length === 0);

    it('leave no file when the job is refused', async () => {
      workspace.write('job.yaml', 'name: claims\n');
      const { code, stderr } = await workspace.start(['run', 'job.yaml']).ended;
      expect(code, stderr).to.equal(3);
      await waitForEnd();
      expect(readdirSync(workspace.dir)).to.deep.equal(['job.yaml']);
    });

    it('leave no log when run is killed', async () => {
      const run = startWithOpenInput();
      await until('the worker to run', () => heldWorkers().length === 1);
      run.kill('SIGKILL');
      await once(run, 'close');
      await waitForEnd();
      const work = workspace.path('.batchctl/work');
      expect(existsSync(work) ? readdirSync(work) : []).to.deep.equal([]);
    });

    it('are replaced if they were killed meanwhile', async () => {
      const run = startWithOpenInput();
      const pid = await until('the worker to run', () => heldWorkers()[0]);
      process.kill(pid, 'SIGKILL');
      run.stdin.end('one\ntwo\n');
      const [code] = await once(run, 'close');
      expect(code).to.equal(0);
      expect(heldWorkers()).to.deep.equal([]);
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
