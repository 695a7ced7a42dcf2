// Protects: doctor finds problems of store, workers, queues and machine, says how to fix them and changes nothing.

import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { requireView } from '../../src/jobs/journal.ts';
import { openSqlite } from '../../src/lib/sqlite.ts';
import { journalKey } from '../../src/model/keys.ts';
import { forEachTest } from '../support/fixture.ts';
import { parseJsonLines } from '../support/json-lines.ts';
import { until } from '../support/until.ts';
import { rangeJobFile, waitForGoCommand } from '../support/why-job.ts';
import { withoutRights } from '../support/without-rights.ts';
import { Workspace } from '../support/workspace.ts';
import { putGroupSize } from './group-size.ts';

interface CheckLine {
  readonly code: string;
  readonly severity: 'pass' | 'warn' | 'fail';
  readonly message: string;
  readonly fix: string | null;
}

describe('doctor', () => {
  const workspace = forEachTest(() => new Workspace());
  beforeEach(() => {
    workspace.write('job.json', rangeJobFile(2, 'echo done'));
  });

  const examine = async (env: Readonly<Record<string, string>> = {}, ...flags: readonly string[]) => {
    const { code, stdout, stderr } = await workspace.run(['doctor', '--json', ...flags], env);
    const lines = parseJsonLines<CheckLine>(stdout);
    const lineOf = (check: string): CheckLine => {
      const line = lines.find((each) => each.code === check);
      if (line === undefined) throw new Error(`no check ${check}: ${stdout}${stderr}`);
      return line;
    };
    return {
      code,
      lines,
      lineOf,
      problems: lines.filter(({ severity }) => severity !== 'pass').map(({ code }) => code),
    };
  };
  /** Runs a worker until there is nothing left to do; no file of it stays open. */
  const work = async (): Promise<void> => {
    const worker = new Workspace(workspace.dir);
    const { code, stderr } = await worker.work();
    await worker.close();
    expect(code, stderr).to.equal(0);
  };
  const finishJob = async (): Promise<void> => {
    await workspace.submit();
    await work();
  };
  const root = (...names: readonly string[]): string => workspace.path('.batchctl', ...names);

  it('passes without a root, and leaves nothing behind', async () => {
    const { code, problems } = await examine();
    expect({ code, problems }).to.deep.equal({ code: 0, problems: [] });
    expect(readdirSync(workspace.dir)).to.deep.equal(['job.json']);
  });

  it('says before the first job that run will refuse a directory that everyone may write to', async () => {
    chmodSync(workspace.dir, 0o777);
    const { code, lineOf } = await examine();
    expect(code).to.equal(3);
    expect(lineOf('rootMode')).to.include({ severity: 'fail' });
    const refused = await workspace.run(['run', 'job.json']);
    expect(refused.code).to.equal(3);
    expect(refused.stderr).to.include(lineOf('rootMode').message);
    chmodSync(workspace.dir, 0o755);
    expect((await examine()).lineOf('rootMode').severity).to.equal('pass');
  });

  describe('of a root that this user may not use', () => {
    /** The only failure that nobody sees, who is no owner. */
    const onlyFailure = async (): Promise<CheckLine> => {
      const { code, lines } = await withoutRights(() => examine());
      const failed = lines.filter(({ severity }) => severity === 'fail');
      expect(failed.map(({ code }) => code)).to.deep.equal(['root']);
      expect(lines.map(({ code }) => code)).to.not.include.members(['store', 'ledgerFile']);
      expect(code).to.equal(3);
      return failed[0] ?? expect.fail('it passed');
    };
    const expected = 'expected a root that user nobody can read and write, found that';

    beforeEach(async function () {
      if (process.getuid?.() !== 0) return this.skip();
      chmodSync(workspace.dir, 0o755);
      await finishJob();
      // The modules are loaded while they can be read.
      await examine();
    });

    for (const closed of ['', 'store', 'tmp', 'work']) {
      it(`names root as the owner of .batchctl/${closed}, and the command that changes it`, async () => {
        for (const inside of ['', 'store', 'tmp', 'work']) chownSync(root(inside), 65_534, 65_534);
        chownSync(root(closed), 0, 0);
        const { message, fix } = await onlyFailure();
        const name = closed === '' ? root() : root(closed);
        expect(message).to.equal(`${expected} ${name} belongs to root (mode 0700)`);
        expect(fix).to.match(/^if its jobs are yours, sudo chown -R nobody \S+\.batchctl; otherwise set "root" /);
      });
    }

    it('names another owner, and never tells to take the store from them', async () => {
      chownSync(root(), 12_345, 12_345);
      const { message, fix } = await onlyFailure();
      expect(message).to.equal(`${expected} ${root()} belongs to user 12345 (mode 0700)`);
      expect(fix).to.match(/^set "root" .*directory of your own/);
    });

    it('tells its owner to open it', async () => {
      chownSync(root(), 65_534, 65_534);
      chmodSync(root(), 0o500);
      chownSync(root('tmp'), 65_534, 65_534);
      chmodSync(root('tmp'), 0o500);
      chownSync(root('store'), 65_534, 65_534);
      chownSync(root('work'), 65_534, 65_534);
      const { message, fix } = await onlyFailure();
      expect(message).to.equal(`${expected} ${root('tmp')} belongs to this user (mode 0500)`);
      expect(fix).to.equal(`chmod u+rwx ${root('tmp')}`);
    });

    it('names a directory above it that is closed, or in which it can not be created', async () => {
      const profile = { backend: 'local', root: workspace.path('above', 'root') };
      workspace.write('batchctl.config.json', { profiles: { local: profile } });
      mkdirSync(workspace.path('above', 'root'), { recursive: true });
      await examine();
      for (const mode of ['0700', '0755']) {
        chmodSync(workspace.path('above'), Number.parseInt(mode, 8));
        const { message, fix } = await onlyFailure();
        expect(message).to.equal(`${expected} ${workspace.path('above')} belongs to root (mode ${mode})`);
        expect(fix).to.match(/^set "root" .*directory of your own/);
        rmSync(workspace.path('above', 'root'), { recursive: true, force: true });
      }
    });
  });

  it('reports a root that others may change once', async () => {
    await finishJob();
    chmodSync(root(), 0o777);
    const { lines } = await examine();
    expect(lines.flatMap(({ code, severity }) => (severity === 'fail' ? [code] : []))).to.deep.equal(['rootMode']);
  });

  it('warns, before and after the first job, that others may replace the root in a directory of theirs', async function () {
    if (process.getuid?.() !== 0) return this.skip();
    for (const run of [async () => {}, finishJob]) {
      await run();
      for (const [uid, gid, mode, why] of [
        [12_345, 0, 0o755, 'belongs to another user'],
        [0, 12_345, 0o775, 'can be written by a group'],
      ] as const) {
        chownSync(workspace.dir, uid, gid);
        chmodSync(workspace.dir, mode);
        const { code, lineOf } = await examine();
        expect(lineOf('rootMode')).to.include({ severity: 'warn' });
        expect(lineOf('rootMode').message).to.include(why).and.include('others may replace the root in it');
        expect(code).to.equal(0);
        // The group may write, but not rename what others own.
        chmodSync(workspace.dir, 0o1775);
        chownSync(workspace.dir, 0, gid);
        expect((await examine()).lineOf('rootMode').severity).to.equal('pass');
        chownSync(workspace.dir, 0, 0);
        chmodSync(workspace.dir, 0o755);
      }
    }
  });

  it('tries hard links and free space before the first job, and leaves nothing there', async () => {
    const { lineOf } = await examine();
    expect(lineOf('hardLinks')).to.include({ severity: 'pass' });
    expect(lineOf('diskSpace').message).to.match(/\.batchctl .* free/);
    expect(readdirSync(workspace.dir)).to.deep.equal(['job.json']);
  });

  it('passes after a job is done, even with --strict, and leaves no trace', async () => {
    await finishJob();
    const { code, lines, problems } = await examine({}, '--strict');
    expect({ code, problems }).to.deep.equal({ code: 0, problems: [] });
    const expected = ['sqlite', 'createIfAbsent', 'hardLinks', 'ledgerFile', 'openFiles'];
    expect(lines.map(({ code }) => code)).to.include.members(expected);
    expect(readdirSync(root('tmp'))).to.deep.equal([]);
    expect(existsSync(root('store', 'workers+', 'doctor'))).to.equal(false);
  });

  it('prints each check as a line for people, with the fix below it', async () => {
    await finishJob();
    chmodSync(root(), 0o755);
    const { stdout, stderr } = await workspace.run(['doctor']);
    expect(stdout).to.match(/^pass {2}configuration +no configuration file/m);
    expect(stdout).to.match(/^warn {2}rootMode +others can read .*\n +fix: +chmod 700 /m);
    expect(stderr).to.match(/\d+ checks: 0 failed, 1 with a warning/);
  });

  it('fails for a configuration with an unknown field, naming it, and still checks the machine', async () => {
    workspace.write('batchctl.config.json', { profiles: { local: { backend: 'local', rooot: 'x' } } });
    const { code, lineOf } = await examine();
    expect(code).to.equal(3);
    expect(lineOf('configuration')).to.include({ severity: 'fail' });
    expect(lineOf('configuration').message).to.include('rooot');
    expect(lineOf('node').severity).to.equal('pass');
  });

  it('fails for a root that is a file', async () => {
    writeFileSync(root(), 'no directory');
    const { code, lineOf } = await examine();
    expect({ code, severity: lineOf('root').severity }).to.deep.equal({ code: 3, severity: 'fail' });
  });

  for (const [file, check, fix] of [
    ['ledger.db', 'ledgerFile', 'batchctl ledger rebuild'],
    ['queue.db', 'queueFile', 'batchctl verify JOB --repair'],
  ] as const) {
    it(`fails for a damaged ${file}, with a fix that loses nothing`, async () => {
      await finishJob();
      for (const end of ['-wal', '-shm']) rmSync(root(`${file}${end}`), { force: true });
      writeFileSync(root(file), 'no database at all\n'.repeat(500));
      const { code, lineOf } = await examine();
      expect(code).to.equal(3);
      expect(lineOf(check)).to.include({ severity: 'fail' });
      expect(lineOf(check).fix).to.include(fix);
    });
  }

  it('fails for a database that cannot be opened, and leaves it where it is', async () => {
    await finishJob();
    // A directory in its place: also root gets an error that says nothing about the content.
    for (const end of ['', '-wal', '-shm']) rmSync(root(`ledger.db${end}`), { force: true });
    mkdirSync(root('ledger.db'));
    const { code, lineOf } = await examine();
    expect(code).to.equal(3);
    expect(lineOf('ledgerFile').message).to.include("can't be read");
    expect(lineOf('ledgerFile').fix).to.include('leave it there').and.not.include('move');
  });

  it('warns of a database that is not in WAL mode', async () => {
    await finishJob();
    const db = openSqlite(root('queue.db'), { busyMs: 5_000 });
    db.exec('PRAGMA journal_mode = DELETE');
    db.close();
    expect((await examine()).lineOf('queueFile')).to.include({ severity: 'warn' });
  });

  it('warns of a group without a supervisor: exit 0, and 11 with --strict', async () => {
    await putGroupSize(await workspace.platform());
    const { code, lineOf } = await examine();
    expect(code).to.equal(0);
    expect(lineOf('supervisors')).to.include({ severity: 'warn', fix: 'batchctl scale 2 --group gpu' });
    expect((await examine({}, '--strict')).code).to.equal(11);
  });

  it('warns of an open job without a worker, and of a worker that vanished', async () => {
    workspace.write('job.json', rangeJobFile(2, waitForGoCommand(workspace)));
    const job = await workspace.submit();
    const withoutWorker = await examine();
    expect(withoutWorker.problems).to.deep.equal(['openJobs']);
    expect(withoutWorker.lineOf('openJobs').message).to.include(job);
    const worker = workspace.start(['worker', '--slots', '1']);
    const platform = await workspace.platform();
    const ledger = await platform.ledger();
    await until('the worker is busy', async () => (await ledger.workers({})).some(({ busy }) => busy.length > 0));
    worker.child.kill('SIGKILL');
    await worker.ended;
    const found = await until('the worker is lost', async () => {
      const now = await examine();
      return now.lineOf('workers').severity === 'warn' ? now : null;
    });
    expect(found.lineOf('workers').message).to.include('stopped reporting');
    expect(found.lineOf('scratch')).to.include({ severity: 'warn' });
  });

  it('fails for an open job of a newer batchctl', async () => {
    const job = await workspace.submit();
    const platform = await workspace.platform();
    const { next } = await requireView(platform.store, job);
    await platform.store.put(journalKey(job, next), '{"format":9}');
    const { code, lineOf } = await examine();
    expect(code).to.equal(3);
    expect(lineOf('versions').message).to.include('has format 9');
  });

  it('warns of dead letters of an open job and unreadable ones; passes those of a closed job', async () => {
    const job = await workspace.submit();
    const queue = await (await workspace.platform()).queue('default');
    const [delivery] = await queue.receive({ max: 1, waitSeconds: 5 });
    if (delivery === undefined) throw new Error('nothing was delivered');
    await queue.bury([{ delivery, reason: 'damaged' }]);
    expect((await examine()).lineOf('deadLetters').message).to.include(`1 dead letter of the open job ${job}`);
    await workspace.run(['cancel', job, '--yes']);
    await work();
    expect((await examine()).lineOf('deadLetters')).to.include({ severity: 'pass' });
    await queue.send([{ body: 'hello', tenant: 'x' }]);
    await workspace.submit();
    await work();
    expect((await examine()).lineOf('deadLetters').message).to.include('not a message of batchctl');
  });

  it('warns of a low limit of open files, and fails if it is too low', async () => {
    const statusWith = (files: number): string | undefined => {
      const script = `ulimit -n ${files}; exec "$0" "$@"`;
      const bin = new URL('../../bin/batchctl.js', import.meta.url).pathname;
      const argv = ['-c', script, process.execPath, bin, 'doctor', '--json', '--profile', 'local'];
      const { stdout } = spawnSync('/bin/sh', argv, { cwd: workspace.dir, encoding: 'utf8' });
      return parseJsonLines<CheckLine>(stdout).find(({ code }) => code === 'openFiles')?.severity;
    };
    expect([statusWith(600), statusWith(128)]).to.deep.equal(['warn', 'fail']);
  });

  it('warns of an unknown TZ, which is read as UTC', async () => {
    const { lineOf } = await examine({ TZ: 'Mars/Olympus' });
    expect(lineOf('timeZone')).to.include({ severity: 'warn' });
    expect(lineOf('timeZone').message).to.include('Mars/Olympus').and.include('UTC');
    expect((await examine({ TZ: 'Europe/Berlin' })).lineOf('timeZone').message).to.include('Europe/Berlin');
  });

  it("warns of a clock that differs from the disk's", async () => {
    await finishJob();
    const { lineOf } = await examine({ BATCHCTL_TEST_AHEAD_SECONDS: '-3600' });
    expect(lineOf('clock')).to.include({ severity: 'warn' });
    expect(lineOf('clock').message).to.match(/36\d\d s ahead of|3599 s ahead of/);
  });
});
