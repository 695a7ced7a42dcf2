// Protects: doctor finds real problems with store, workers, queues and machine, says how to fix them and changes nothing.

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { requireView } from '../../src/jobs/journal.ts';
import { openSqlite } from '../../src/lib/sqlite.ts';
import { journalKey } from '../../src/model/keys.ts';
import { forEachTest } from '../support/fixture.ts';
import { until } from '../support/until.ts';
import { waitsIn, whyJobFile } from '../support/why-job.ts';
import { type Ended, Workspace } from '../support/workspace.ts';

interface Line {
  readonly check: string;
  readonly status: 'pass' | 'warn' | 'fail';
  readonly message: string;
  readonly mend: string | null;
}

describe('doctor', () => {
  const workspace = forEachTest(() => new Workspace());
  beforeEach(() => {
    workspace.write('job.json', whyJobFile(2, 'echo done'));
  });

  const linesOf = ({ stdout, stderr }: Ended): readonly Line[] => {
    expect(stdout, stderr).to.not.equal('');
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  };
  const examine = async (env: Readonly<Record<string, string>> = {}, ...flags: readonly string[]) => {
    const ended = await workspace.run(['doctor', '--json', ...flags], env);
    const lines = linesOf(ended);
    const of = (check: string): Line => {
      const found = lines.find((line) => line.check === check);
      if (found === undefined) throw new Error(`no check ${check}: ${ended.stdout}`);
      return found;
    };
    return {
      code: ended.code,
      lines,
      of,
      unwell: lines.filter(({ status }) => status !== 'pass').map(({ check }) => check),
    };
  };
  /** Has a worker do all there is, which keeps no file open. */
  const work = async (): Promise<void> => {
    const worker = new Workspace(workspace.dir);
    const { code, stderr } = await worker.work();
    await worker.close();
    expect(code, stderr).to.equal(0);
  };
  /** A root after a job was done. */
  const used = async (): Promise<string> => {
    const job = await workspace.submit();
    await work();
    return job;
  };
  const root = (...names: readonly string[]): string => workspace.path('.batchctl', ...names);

  it('passes without a root, and leaves nothing behind', async () => {
    const { code, unwell } = await examine();
    expect({ code, unwell }).to.deep.equal({ code: 0, unwell: [] });
    expect(readdirSync(workspace.dir)).to.deep.equal(['job.json']);
  });

  it('passes where jobs were done, even with --strict, and leaves no trace', async () => {
    await used();
    const { code, lines, unwell } = await examine({}, '--strict');
    expect({ code, unwell }).to.deep.equal({ code: 0, unwell: [] });
    expect(lines.map(({ check }) => check)).to.include.members([
      'createIfAbsent',
      'hardLinks',
      'ledgerFile',
      'openFiles',
    ]);
    expect(readdirSync(root('tmp'))).to.deep.equal([]);
    expect(existsSync(root('store', 'workers+', 'doctor'))).to.equal(false);
  });

  it('prints each check as a line for people, with the fix below it', async () => {
    await used();
    chmodSync(root(), 0o755);
    const { stdout, stderr } = await workspace.run(['doctor']);
    expect(stdout).to.match(/^pass {2}configuration +no configuration file/m);
    expect(stdout).to.match(/^warn {2}rootMode +others can read .*\n +fix: +chmod 700 /m);
    expect(stderr).to.match(/\d+ checks: 0 failed, 1 with a warning/);
  });

  it('fails for a configuration with an unknown field, naming it, and still checks the machine', async () => {
    workspace.write('batchctl.config.json', { profiles: { local: { backend: 'local', rooot: 'x' } } });
    const { code, of } = await examine();
    expect(code).to.equal(3);
    expect(of('configuration')).to.include({ status: 'fail' });
    expect(of('configuration').message).to.include('rooot');
    expect(of('node').status).to.equal('pass');
  });

  it('fails for a root that is a file', async () => {
    writeFileSync(root(), 'no directory');
    const { code, of } = await examine();
    expect({ code, status: of('root').status }).to.deep.equal({ code: 3, status: 'fail' });
  });

  for (const [file, check, mend] of [
    ['ledger.db', 'ledgerFile', 'batchctl verify --rebuild-ledger'],
    ['queue.db', 'queueFile', 'batchctl verify JOB --repair'],
  ] as const) {
    it(`fails for a damaged ${file}, with a fix that loses nothing`, async () => {
      await used();
      for (const end of ['-wal', '-shm']) rmSync(root(`${file}${end}`), { force: true });
      writeFileSync(root(file), 'no database at all\n'.repeat(500));
      const { code, of } = await examine();
      expect(code).to.equal(3);
      expect(of(check)).to.include({ status: 'fail' });
      expect(of(check).mend).to.include(mend);
    });
  }

  it('warns of a database that is not in WAL mode', async () => {
    await used();
    const db = openSqlite(root('queue.db'), { busyMs: 5_000 });
    db.exec('PRAGMA journal_mode = DELETE');
    db.close();
    expect((await examine()).of('queueFile')).to.include({ status: 'warn' });
  });

  it('warns of a group without a supervisor: exit 0, and 11 with --strict', async () => {
    const size = { format: 1, desired: 2, min: 0, max: 4, mode: 'manual', until: null, after: null, slots: null };
    await (await workspace.platform()).store.put('groups/gpu.json', JSON.stringify(size));
    const { code, of } = await examine();
    expect(code).to.equal(0);
    expect(of('supervisors')).to.include({ status: 'warn', mend: 'batchctl scale 2 --group gpu' });
    expect((await examine({}, '--strict')).code).to.equal(11);
  });

  it('warns of an open job without a worker, and of a worker that vanished', async () => {
    workspace.write('job.json', whyJobFile(2, waitsIn(workspace)));
    const job = await workspace.submit();
    const alone = await examine();
    expect(alone.unwell).to.deep.equal(['openJobs']);
    expect(alone.of('openJobs').message).to.include(job);
    const worker = workspace.start(['worker', '--slots', '1']);
    const platform = await workspace.platform();
    await until('it is up', async () => (await (await platform.ledger()).workers({})).length === 1);
    worker.child.kill('SIGKILL');
    await worker.ended;
    const found = await until('it is seen as lost', async () => {
      const now = await examine();
      return now.of('workers').status === 'warn' ? now : null;
    });
    expect(found.of('workers').message).to.include('stopped reporting');
    expect(found.of('scratch')).to.include({ status: 'warn' });
  });

  it('fails for an open job of a newer batchctl', async () => {
    const job = await workspace.submit();
    const platform = await workspace.platform();
    const { next } = await requireView(platform.store, job);
    await platform.store.put(journalKey(job, next), '{"format":9}');
    const { code, of } = await examine();
    expect(code).to.equal(3);
    expect(of('versions').message).to.include('has format 9');
  });

  it('warns of dead letters of an open job and unreadable ones; passes those of a closed job', async () => {
    const job = await workspace.submit();
    const queue = await (await workspace.platform()).queue('default');
    const [delivery] = await queue.receive({ max: 1, waitSeconds: 5 });
    if (delivery === undefined) throw new Error('nothing was delivered');
    await queue.bury([{ delivery, reason: 'damaged' }]);
    expect((await examine()).of('deadLetters').message).to.include(`1 dead letter of the open job ${job}`);
    await workspace.run(['cancel', job, '--yes']);
    await work();
    expect((await examine()).of('deadLetters')).to.include({ status: 'pass' });
    await queue.send([{ body: 'hello', tenant: 'x' }]);
    await workspace.submit();
    await work();
    expect((await examine()).of('deadLetters').message).to.include('not a message of batchctl');
  });

  it('warns of a low limit of open files, and fails if it is too low', async () => {
    const limited = (files: number): Line => {
      const script = `ulimit -n ${files}; exec "$0" "$@"`;
      const bin = new URL('../../bin/batchctl.js', import.meta.url).pathname;
      const argv = ['-c', script, process.execPath, bin, 'doctor', '--json', '--profile', 'local'];
      const { stdout } = spawnSync('/bin/sh', argv, { cwd: workspace.dir, encoding: 'utf8' });
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Line);
      return lines.find(({ check }) => check === 'openFiles') ?? { check: '', status: 'pass', message: '', mend: null };
    };
    expect(limited(600)).to.include({ status: 'warn' });
    expect(limited(128)).to.include({ status: 'fail' });
  });

  it('warns of a meaningless TZ, which would be taken for UTC', async () => {
    const { of } = await examine({ TZ: 'Mars/Olympus' });
    expect(of('timeZone')).to.include({ status: 'warn' });
    expect(of('timeZone').message).to.include('Mars/Olympus').and.include('UTC');
    expect((await examine({ TZ: 'Europe/Berlin' })).of('timeZone').message).to.include('Europe/Berlin');
  });

  it("warns of a clock that differs from the disk's", async () => {
    await used();
    const { of } = await examine({ BATCHCTL_TEST_AHEAD_SECONDS: '-3600' });
    expect(of('clock')).to.include({ status: 'warn' });
    expect(of('clock').message).to.match(/36\d\d s ahead of|3599 s ahead of/);
  });
});
