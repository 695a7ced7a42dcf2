// Protects: a full disk loses and damages nothing: the worker stops, and the job completes once there is space.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { errorOf, expectExit, jsonLinesOf } from '../support/expect-exit.ts';
import { startWorkerInProcess } from '../support/inside-worker.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { rangeJob } from '../support/range-job.ts';
import { lacking } from '../support/run/lacking.ts';
import { keysBelow } from '../support/stored.ts';
import { until } from '../support/until.ts';
import { causeCodesOf, rangeJobFile, untilCause } from '../support/why-job.ts';
import { Workspace } from '../support/workspace.ts';
import { submitJob } from './submit-job.ts';

const BIN = fileURLToPath(new URL('../../bin/batchctl.js', import.meta.url));

/** Mounts a tmpfs of this size (`32m,mode=700`). Returns how to unmount it. Throws `Lacking` without the right to mount. */
function mountDisk(at: string, size: string): () => void {
  // Only root may mount, and not in every container.
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', at]).status !== 0)
    throw lacking('it takes root to mount a small disk');
  return () => void spawnSync('umount', ['-l', at]);
}

/** Fills a disk, leaving this many bytes. */
function fill(path: string, size: number): void {
  writeFileSync(path, Buffer.alloc(size));
}

/** Leaves no byte free. */
function fillWhole(path: string): void {
  spawnSync('sh', ['-c', `cat /dev/zero > ${path}`]);
}

describe('a full disk', () => {
  let outer: Workspace;
  let workspace: Workspace;
  let unmount: (() => void) | null;

  beforeEach(() => {
    unmount = null;
    outer = new Workspace();
    const at = outer.path('disk');
    mkdirSync(at);
    // The store's own suite also fills a disk in other ways.
    unmount = mountDisk(at, '32m');
    workspace = new Workspace(at);
  });
  afterEach(async () => {
    if (unmount !== null) {
      await workspace.close();
      unmount();
    }
    await outer.remove();
  });

  const job = (command: string): object => rangeJob('disk', 3, { name: 'only', run: command });

  const expectTaskLeft = async (id: string): Promise<void> => {
    const facts = await factsOf(await workspace.platform(), id);
    expect(facts).to.deep.include({ state: 'running', dead: [] });
    expect(facts.queued).to.be.at.least(1);
  };

  for (const { what, command, filler } of [
    { what: 'outputs do not fit', command: 'head -c 9000000 /dev/zero', filler: 12_000_000 },
    {
      what: 'outputs do not fit, and the command ignores the error',
      command: 'head -c 9000000 /dev/zero || true',
      filler: 12_000_000,
    },
    { what: 'nothing fits', command: 'echo fine', filler: 31 * 2 ** 20 },
  ]) {
    it(`makes a worker exit 8 when ${what}; the job completes once there is space`, async () => {
      const id = await submitJob(workspace, job(command));
      fill(workspace.path('filler'), filler);
      if (filler > 30_000_000) fillWhole(workspace.path('rest'));
      expectExit(await workspace.work({}, '--slots', '1'), 8);
      for (const name of ['filler', 'rest']) rmSync(workspace.path(name), { force: true });
      await expectTaskLeft(id);
      // No attempt was used up.
      const { store } = await workspace.platform();
      expect((await keysBelow(store, `jobs/${id}/`)).filter((key) => /\/(tries|failed)\//.test(key))).to.deep.equal([]);
      expectExit(await workspace.work({}, '--slots', '1'));
      const facts = await factsOf(await workspace.platform(), id);
      expect(facts).to.deep.include({ ...SUCCEEDED, dead: [], counted: { only: 3 } });
      if (filler < 30_000_000) {
        expect(facts.outputs.only).to.deep.equal({ 0: '[9000000 bytes]', 1: '[9000000 bytes]', 2: '[9000000 bytes]' });
      }
      expect(existsSync(workspace.path('filler'))).to.equal(false);
    });
  }

  for (const { what, filler, found } of [
    {
      what: 'has no byte left',
      filler: 'cat /dev/zero > filler',
      found: /(no (disk )?space.*|full) \(free at \S+\.batchctl: \d/,
    },
    {
      what: 'has no file left',
      filler: 'mkdir filler; cd filler; n=0; while : > $n; do n=$((n + 1)); done',
      found: /free at \S+\.batchctl: [\d.]+MB, \d+ files?/,
    },
  ]) {
    it(`ends run with exit 8 when the disk ${what}; run continues the job once that has changed`, async () => {
      workspace.write('fill.sh', `if [ ! -e filled ]; then : > filled; ${filler}; fi 2>/dev/null\n`);
      spawnSync('mount', ['-o', 'remount,nr_inodes=400', workspace.dir]);
      // The third task fills the disk.
      const run = `test "$BATCHCTL_INDEX" != 3 || (cd "${workspace.dir}"; sh fill.sh) || :; echo "$BATCHCTL_INDEX"`;
      workspace.write('job.yaml', rangeJob('disk', 9, { name: 'only', run }));
      const ended = await workspace.start(['run', 'job.yaml', '--slots', '1', '--json']).ended;
      const { kind: reported, message, hint } = errorOf(expectExit(ended, 8));
      const [, id = ''] =
        /job (disk-\S+) is not finished: 3 workers in a row ended without a result/.exec(message) ?? [];
      expect({ reported, id: id !== '' }, message).to.deep.equal({ reported: 'full', id: true });
      expect(message).to.match(found);
      expect(hint).to.include(`then batchctl run ${id}`);
      rmSync(workspace.path('filler'), { recursive: true });
      const again = await workspace.start(['run', id, '-o', 'out.txt']).ended;
      expect(expectExit(again).stderr).to.include('9 outputs, nothing missing, nothing duplicated');
      expect(workspace.lines('out.txt')).to.deep.equal(['1', '2', '3', '4', '5', '6', '7', '8', '9']);
    });
  }

  it('does not end run while workers write results between', async () => {
    // Two of three outputs fit at a time; what fills the disk is removed by the command itself.
    fill(workspace.path('filler'), 12_000_000);
    workspace.write('job.yaml', job('head -c 9000000 /dev/zero'));
    const run = workspace.start(['run', 'job.yaml', '--slots', '1']);
    await until('a worker to end', () => /worker w-\w+ ended \(exit 8\): .*full|no disk space/.test(run.printed()));
    rmSync(workspace.path('filler'));
    expect(expectExit(await run.ended).stderr).to.include('3 outputs, nothing missing');
  });

  it('does not end a command whose messages go to it', async () => {
    fillWhole(workspace.path('rest'));
    const listed = spawnSync('sh', ['-c', `"$0" "$1" --profile local jobs --verbose 2>>log`, process.execPath, BIN], {
      cwd: workspace.dir,
      encoding: 'utf8',
    });
    expect(listed.status).to.equal(8);
  });

  it('is reported by why as nearly full, full, and free again', async () => {
    const id = await submitJob(workspace, rangeJobFile(1, 'echo done'));
    const platform = await workspace.platform('w-disk');
    const { bavail, bsize } = statfsSync(workspace.dir);
    fill(workspace.path('filler'), bavail * bsize - 1_300_000);
    expect((await untilCause(platform, id, 'diskNearlyFull')).severity).to.equal('note');
    fillWhole(workspace.path('rest'));
    const full = await untilCause(platform, id, 'diskFull');
    expect(full.message).to.include('there is no space for');
    for (const name of ['rest', 'filler']) rmSync(workspace.path(name));
    expect(await causeCodesOf(platform, id)).to.deep.equal(['noWorker']);
    await startWorkerInProcess(workspace, platform, { slots: 1, untilEmpty: true }).done;
    expect(await causeCodesOf(platform, id)).to.deep.equal([]);
  });

  it('is said by run to be read-only if it is', async () => {
    workspace.write('job.yaml', job('echo fine'));
    spawnSync('mount', ['-o', 'remount,ro', workspace.dir]);
    const { kind, message } = errorOf(expectExit(await workspace.run(['run', 'job.yaml', '--json']), 3));
    expect({ kind, message }).to.have.property('kind', 'config');
    expect(message).to.include('read-only file system');
    spawnSync('mount', ['-o', 'remount,rw', workspace.dir]);
  });

  it('fails in doctor before the first job, too', async () => {
    fillWhole(workspace.path('rest'));
    expect((await checkOf('diskSpace')).severity).to.equal('fail');
    expect(existsSync(workspace.path('.batchctl'))).to.equal(false);
  });

  it('fails in doctor, and so does a read-only disk', async () => {
    const root = workspace.path('.batchctl');
    mkdirSync(root);
    const free = mountDisk(root, '32m,mode=700');
    try {
      expect((await checkOf('diskSpace')).severity).to.equal('fail');
      spawnSync('sh', ['-c', `mount -o remount,ro ${root}`]);
      expect((await checkOf('root')).message).to.include('read-only');
    } finally {
      free();
    }
  });

  /** A line of `doctor` output, when doctor as a whole fails. */
  const checkOf = async (name: string): Promise<{ readonly severity: string; readonly message: string }> => {
    const lines = jsonLinesOf(await workspace.run(['doctor', '--json']), 3);
    return lines.find(({ code }) => code === name);
  };
});
