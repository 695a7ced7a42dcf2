// Protects: batchctl run says why one of its own workers ended, and where its log is, and gives up when each ends so or none can
// start; a worker that was started before the job was known leaves nothing behind.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { loadConfig } from '../../../src/config/load-config.ts';
import type { BatchctlError } from '../../../src/errors.ts';
import { FruitlessEnds, lastErrorIn, startOwnWorkers } from '../../../src/platform/own-workers.ts';
import { errorOf, expectExit } from '../../support/expect-exit.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rangeJob } from '../../support/range-job.ts';
import { until } from '../../support/until.ts';
import { Workspace } from '../../support/workspace.ts';
import { openPlace } from '../published-job.ts';

const BIN = fileURLToPath(new URL('../../../bin/batchctl.js', import.meta.url));

describe('the workers of a run', () => {
  const place = forEachTest(openPlace);

  /** Starts them with a module loaded first; collects what is reported. */
  async function startWith(module: string) {
    const { directory, platform } = place;
    const config = await loadConfig({ cwd: directory, env: { HOME: directory }, flags: { profile: 'local' } });
    const troubles: string[] = [];
    const gaveUp: BatchctlError[] = [];
    const workers = await startOwnWorkers(config, platform, {
      cwd: directory,
      groups: ['default'],
      slots: 1,
      onTrouble: (trouble) => troubles.push(trouble),
      onGiveUp: (error) => gaveUp.push(error),
      env: () => ({ PATH: process.env.PATH, NODE_OPTIONS: `--require ${directory}/${module}` }),
    });
    return { workers, troubles, gaveUp };
  }

  it('report why one of them ended, keep the log that the report names, and are given up if none can start', async () => {
    const { workers, troubles, gaveUp } = await startWith('none.cjs');
    try {
      await until('them to be given up', () => gaveUp.length > 0);
    } finally {
      await workers.drain();
    }
    const [message, log = ''] = troubles[0]?.split('; its log: ') ?? [];
    expect(message).to.match(/^worker w-\w+ ended \(exit 1\): Cannot find module .*none\.cjs'$/);
    expect(readFileSync(log, 'utf8')).to.include('none.cjs');
    expect(troubles).to.have.lengthOf(3);
    const [error] = gaveUp;
    expect(error?.message).to.match(/^3 workers in a row could not start: Cannot find module .*none\.cjs'$/);
    expect(error).to.include({ kind: 'unexpected', hint: `remove the cause (${log} has all of its messages)` });
  });

  it('are not given up if one of three in a row crashed after its start', async () => {
    const { workers, troubles, gaveUp } = await startWith('crash.cjs');
    const { directory, platform } = place;
    try {
      await until('two of them to end', () => troubles.length === 2);
      const go = join(directory, 'go');
      writeFileSync(
        join(directory, 'crash.cjs'),
        `setInterval(() => require('node:fs').existsSync(${JSON.stringify(go)}) && process.exit(1), 20).unref();`,
      );
      const ledger = await platform.ledger();
      await until('one of them to start', async () => (await ledger.workers({})).length > 0);
      writeFileSync(go, '');
      await until('it to end', () => troubles.length === 3);
      rmSync(go);
    } finally {
      await workers.drain();
    }
    expect(gaveUp).to.deep.equal([]);
  });

  it('are explained by their last error if they crashed', () => {
    const log = [
      '2026-11-26T15:38:26.578Z warning: x/enc/8 is returned: found none',
      'Error: Cannot find module y',
      'error: no such group',
      'hint: make it',
    ];
    expect(lastErrorIn(log.join('\n'))).to.equal('no such group');
    expect(lastErrorIn('TypeError: x is not a function\n    at y\n')).to.equal('x is not a function');
    expect(lastErrorIn('worker w-a starts\n')).to.equal(null);
  });

  describe('that end by themselves', () => {
    const FULL = { kind: 'full', message: 'no space', hint: 'free some', written: 0, started: true } as const;
    const noted = (...reports: Parameters<FruitlessEnds['note']>[0][]) => {
      const ends = new FruitlessEnds();
      return reports.map((report) => ends.note(report)?.message ?? null);
    };
    const GIVES_UP = '3 workers in a row ended without a result: no space';

    it('are given up after three in a row without a result, with the reason and hint of the last', () => {
      expect(noted(FULL, FULL, FULL)).to.deep.equal([null, null, GIVES_UP]);
      const ends = new FruitlessEnds();
      for (const _ of [1, 2]) ends.note({ ...FULL, kind: 'unavailable', message: 'busy' });
      expect(ends.note(FULL)).to.include({ kind: 'full', hint: 'free some' });
    });

    it('are not given up while they write results', () => {
      const wrote = { ...FULL, written: 1 };
      expect(noted(FULL, FULL, wrote, FULL, FULL, FULL)).to.deep.equal([null, null, null, null, null, GIVES_UP]);
    });

    it('are counted apart from those that were killed or crashed', () => {
      expect(noted(null, null, null, null)).to.deep.equal([null, null, null, null]);
      expect(noted(FULL, null, FULL, null, FULL)).to.deep.equal([null, null, null, null, GIVES_UP]);
    });
  });

  it('end the run by the exit code of their reason, with the command that continues it', async () => {
    const workspace = await Workspace.withLongLeases();
    try {
      const run = `test -e go || { printf '{' > batchctl.config.json; touch go; kill -9 $(ps -o ppid= -p $PPID); }; echo done`;
      workspace.write('batchctl.config.json', { profiles: {} });
      workspace.write('job.json', rangeJob('one', 1, { name: 'work', run: `cd "${workspace.dir}"; ${run}` }));
      const ended = await workspace.start(['run', 'job.json', '--profile', 'local', '--json']).ended;
      const { kind, message, hint } = errorOf(expectExit(ended, 3));
      expect(kind).to.equal('config');
      const [, job = ''] = /^job (one-\S+) is not finished: 3 workers in a row could not start: /.exec(message) ?? [];
      expect(message).to.include('batchctl.config.json');
      expect(hint).to.include(`; then batchctl run ${job}`);
      rmSync(workspace.path('batchctl.config.json'));
      expectExit(await workspace.start(['run', job, '--profile', 'local', '-o', 'out.txt']).ended);
      expect(workspace.lines('out.txt')).to.deep.equal(['done']);
    } finally {
      await workspace.remove();
    }
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
