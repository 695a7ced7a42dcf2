// Protects: a command whose manager connection breaks never repeats a change, and says what is still running.

import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { main } from '../../../src/cli/main.ts';
import { forSuite } from '../../support/fixture.ts';
import { statusOf } from '../../support/manager/dashboard-facts.ts';
import { brokenFrames, errorAnswer, FakeManager, frames, openFrames } from '../../support/manager/fake-manager.ts';
import { rangeJob } from '../../support/range-job.ts';
import { Scratch } from '../../support/scratch.ts';
import { until } from '../../support/until.ts';
import { type FakeWorld, fakeIo, runCli } from '../fake-io.ts';

const JOB = 'claims-20261126-1202-o5o37';
const ROW = { key: 'rows.csv', size: 3 };
const DONE = { exit: 0, error: null } as const;
const PAUSED = { answer: { job: JOB, state: 'paused', changed: true } };

describe('a command that loses its manager', () => {
  const manager = forSuite(() => FakeManager.start());
  const scratch = forSuite(() => new Scratch());
  before(() => {
    const profiles = { far: { backend: 'manager', url: `http://127.0.0.1:${manager.port}` } };
    writeFileSync(scratch.path('batchctl.config.json'), JSON.stringify({ profile: 'far', profiles }));
    writeFileSync(scratch.path('job.json'), JSON.stringify(rangeJob('claims', 2, { name: 'one', run: 'cat' })));
  });

  const world = (changed: FakeWorld = {}): FakeWorld => ({
    cwd: scratch.directory,
    env: { BATCHCTL_TOKEN: 'bct_word' },
    ...changed,
  });
  const run = (...words: readonly string[]): ReturnType<typeof runCli> => runCli(words, world());

  it('is repeated if it only reads, and says so', async () => {
    manager.answer(brokenFrames(), frames({ row: ROW }, DONE));
    const { code, stdout, stderr } = await run('ls', '--json');
    expect({ code, stdout }).to.deep.equal({ code: 0, stdout: `${JSON.stringify(ROW)}\n` });
    expect(stderr).to.match(/^warning: the manager at .*; retrying\n$/);
    expect(manager.calls).to.have.length(2);
  });

  it('never prints output twice: a list interrupted halfway is an error', async () => {
    manager.answer(brokenFrames({ row: ROW }), frames({ row: ROW }, { row: ROW }, DONE));
    const { code, stdout } = await run('ls', '--json');
    expect({ code, stdout }).to.deep.equal({ code: 8, stdout: `${JSON.stringify(ROW)}\n` });
    expect(manager.calls).to.have.length(1);
  });

  it('asks for the pages of a list until there is none, and prints them as one list', async () => {
    const rows = [1, 2, 3].map((n) => ({ key: `${n}.csv`, size: n }));
    const [one, two, three] = rows.map((row) => ({ row }));
    const pages = [
      frames({ warning: 'slow' }, one as { row: object }, { ...DONE, next: '1.csv' }),
      brokenFrames(),
      frames({ warning: 'slow' }, two as { row: object }, { ...DONE, next: '2.csv' }),
      frames({ warning: 'slow' }, three as { row: object }, DONE),
    ];
    manager.answer(...pages);
    const { code, stdout, stderr } = await run('ls', '--json', '--checksums');
    expect({ code, stdout }).to.deep.equal({ code: 0, stdout: rows.map((row) => `${JSON.stringify(row)}\n`).join('') });
    expect(stderr.match(/warning: slow/g)).to.have.length(1);
    expect(manager.calls.map(({ input }) => input)).to.deep.equal([
      { checksums: true, limit: 10_000 },
      { checksums: true, limit: 10_000, after: '1.csv' },
      { checksums: true, limit: 10_000, after: '1.csv' },
      { checksums: true, limit: 10_000, after: '2.csv' },
    ]);
  });

  it('asks for no more rows of a list than were asked for', async () => {
    const row = { step: 'one', task: 1, state: 'done', round: 0, input: null, place: null, params: null, attempts: 1 };
    manager.answer(frames({ row }, { row }, { ...DONE, next: 'one/1' }), frames({ row }, { ...DONE, next: 'one/2' }));
    expect((await run('tasks', JOB, '--limit', '3', '--json')).stdout.split('\n')).to.have.length(4);
    expect(manager.calls.map(({ input }) => [input.limit, input.after])).to.deep.equal([
      [3, undefined],
      [1, 'one/1'],
    ]);
    manager.answer(frames({ row }, { ...DONE, next: 'one/1' }));
    await run('tasks', JOB, '--limit', '1', '--json');
    expect(manager.calls).to.have.length(1);
    manager.answer(frames({ row }, DONE));
    await run('tasks', JOB, '--json');
    expect(manager.calls.map(({ input }) => input.limit)).to.deep.equal([1_000]);
  });

  for (const answer of [brokenFrames(), brokenFrames({ notice: 'on its way' })]) {
    it('never sends a change twice, and names the command that shows whether it was done', async () => {
      manager.answer(answer, frames(DONE));
      const { code, stderr } = await run('pause', JOB);
      expect(code).to.equal(8);
      expect(stderr).to.include('it is unknown whether pause was done').and.include(`batchctl history ${JOB}`);
      expect(manager.calls).to.have.length(1);
    });
  }

  it('submits again with a run key, which returns the same job, and not without', async () => {
    const answer = { job: JOB, runKey: 'once', created: true, emptyInputs: [] };
    manager.answer(brokenFrames(), frames({ answer }, DONE));
    const keyed = await run('submit', 'job.json', '--run-key', 'once');
    expect({ code: keyed.code, stdout: keyed.stdout }).to.deep.equal({ code: 0, stdout: `${JOB}\n` });
    expect(manager.calls.map(({ input }) => input.runKey)).to.deep.equal(['once', 'once']);
    for (const flags of [[], ['--run-key', 'once', '--again']]) {
      manager.answer(brokenFrames(), frames({ answer }, DONE));
      expect((await run('submit', 'job.json', ...flags)).code).to.equal(8);
      expect(manager.calls).to.have.length(1);
    }
  });

  it('resumes waiting for the remaining time, and exits like the job', async () => {
    const answer = { job: JOB, state: 'failed', closedAt: null, finishBy: null };
    const last = frames({ answer }, { exit: 5, error: null });
    manager.answer(brokenFrames({ alive: true }), brokenFrames({ alive: true }), last);
    const { code, stdout } = await run('wait', JOB, '--timeout', '1h', '--json');
    expect({ code, stdout }).to.deep.equal({ code: 5, stdout: `${JSON.stringify(answer)}\n` });
    const left = manager.calls.map(({ input }) => input.timeout);
    expect(left).to.have.length(3);
    expect(left[0]).to.equal(3_600);
    expect(left[2]).to.be.lessThan(3_600).and.greaterThan(3_300);
  });

  it('asks for confirmation on the terminal, and passes a yes on to the manager', async () => {
    const error = { kind: 'refused', message: 'not confirmed: cancel it?', hint: 'say --yes', question: 'cancel it?' };
    const asks = frames({ notice: 'two tasks run' }, { exit: 7, error });
    const answer = { job: JOB, state: 'cancelled', changed: true };
    for (const [stdin, code, calls] of [
      ['y\n', 0, 2],
      ['n\n', 7, 1],
    ] as const) {
      manager.answer(asks, frames({ notice: 'two tasks run' }, { answer }, DONE));
      const io = fakeIo(world({ tty: true, stdin }));
      expect(await main(['cancel', JOB], io)).to.equal(code);
      expect(io.stderr.text.match(/two tasks run/g)).to.have.length(1);
      expect(io.stderr.text).to.include('cancel it? [y/N]');
      expect(manager.calls.map(({ yes }) => yes)).to.deep.equal([false, true].slice(0, calls));
    }
    manager.answer(asks);
    expect((await run('cancel', JOB)).stderr).to.include('not confirmed: cancel it?');
  });

  it('says on Ctrl-C that the job continues, and how to follow it again', async () => {
    let isClosed = false;
    manager.answer((response) => {
      response.socket?.on('close', () => {
        isClosed = true;
      });
      openFrames({ notice: 'watching' })(response);
    });
    const io = fakeIo(world());
    const ended = main(['watch', JOB], io);
    await until('the command watches', () => io.stderr.text.includes('watching'));
    io.interrupt();
    expect(await ended).to.equal(130);
    expect(io.stderr.text).to.match(
      new RegExp(`interrupted: job ${JOB} is not finished\nhint: batchctl watch ${JOB}\n$`),
    );
    await until('the connection is closed', () => isClosed);
  });

  it('waits as long as a busy manager asks, unless that is too long', async () => {
    const error = { kind: 'unavailable', message: 'too many requests', hint: 'try again' };
    const busy = (status: number, seconds: string) => errorAnswer(status, error, { 'retry-after': seconds });
    manager.answer(busy(429, '1'), busy(503, '0'), frames(PAUSED, DONE));
    expect((await run('pause', JOB)).code).to.equal(0);
    manager.answer(busy(429, '3600'));
    expect((await run('pause', JOB)).code).to.equal(8);
    expect(manager.calls).to.have.length(1);
  });

  for (const [status, code, kind] of [
    [401, 3, 'credentials'],
    [403, 7, 'refused'],
    [426, 3, 'config'],
    [422, 3, 'jobFile'],
  ] as const) {
    it(`exits ${code} for the answer ${status}`, async () => {
      const error = { kind, message: 'so it is', hint: 'do that' };
      manager.answer(errorAnswer(status, error));
      const { code: exit, stderr } = await run('workers', '--json');
      expect(exit).to.equal(code);
      expect(JSON.parse(stderr)).to.deep.equal({ error });
    });
  }

  it('recognises an answer that is not from a manager', async () => {
    manager.answer((response) => response.end('<html>hello</html>'));
    expect((await run('workers')).stderr).to.include('expected a manager at');
    manager.answer((response) => response.writeHead(404).end('<html>no</html>'));
    expect(await run('workers')).to.include({ code: 3 });
    manager.answer((response) => response.writeHead(413).end('<html>too large</html>'));
    const large = await run('workers');
    expect(large.code).to.equal(3);
    expect(large.stderr).to.include('the proxy in front of the manager').and.include('client_max_body_size');
  });

  describe('with a verb that returns its answer as a value', () => {
    const row = (job: string) => ({
      job,
      name: 'claims',
      runKey: null,
      state: 'running',
      reason: null,
      round: 0,
      closedAt: null,
      createdAt: '2026-11-26T12:02:00.000Z',
      createdBy: 'ann',
      labels: {},
      tasks: 2,
      pruned: false,
      rehearsal: false,
    });

    it('repeats a list only if none of it has arrived', async () => {
      manager.answer(brokenFrames({ alive: true }), frames({ row: row('a') }, { row: row('b') }, DONE));
      const again = await run('jobs', '--json');
      expect({ code: again.code, jobs: again.stdout.trim().split('\n').length }).to.deep.equal({ code: 0, jobs: 2 });
      expect(manager.calls).to.have.length(2);
      manager.answer(brokenFrames({ row: row('a') }), frames({ row: row('a') }, DONE));
      const { code, stdout } = await run('jobs', '--json');
      expect({ code, stdout }).to.deep.equal({ code: 8, stdout: `${JSON.stringify(row('a'))}\n` });
      expect(manager.calls).to.have.length(1);
    });

    it('repeats a command when the manager is shutting down', async () => {
      const error = { kind: 'unavailable', message: 'the manager is leaving', hint: 'again', again: true as const };
      manager.answer(frames({ exit: 8, error }), frames({ row: row('a') }, DONE));
      expect(await run('jobs', '--json')).to.include({ code: 0, stdout: `${JSON.stringify(row('a'))}\n` });
    });

    it('resumes a followed log where it stopped, also past Unicode line separators', async () => {
      const piece = (text: string) => ({
        row: { step: 'one', task: 0, attempt: 'aaaa', input: 'a.csv', place: null, params: null, text },
      });
      manager.answer(
        brokenFrames(piece('one\u2028'), piece('two é\n')),
        brokenFrames(piece('one\u2028two é\nthree\n')),
        frames(piece('one\u2028two é\nthree\n'), piece('four\n'), { notice: 'one/0 is done' }, DONE),
      );
      const { code, stdout, stderr } = await run('logs', JOB, 'one/0', '--follow');
      expect({ code, stdout }).to.deep.equal({ code: 0, stdout: 'one\u2028two é\nthree\nfour\n' });
      expect(stderr.match(/==> one\/0 aaaa, a\.csv <==/g)).to.have.length(1);
      expect(stderr).to.match(/one\/0 is done\n$/);
    });

    it('shows an answer before its error', async () => {
      const answer = { job: 'a', compared: { job: 'b', regressions: ['tasks failed: 0 before, 1 now'] } };
      const error = { kind: 'finding', message: 'as the manager says it', hint: null };
      manager.answer(frames({ answer }, { exit: 11, error }));
      const { code, stdout, stderr } = await run('report', 'a', '--compare', 'b', '--regress', '5%', '--json');
      expect({ code, stdout }).to.deep.equal({ code: 11, stdout: `${JSON.stringify(answer)}\n` });
      expect(JSON.parse(stderr).error.message).to.equal('as the manager says it');
    });

    it('never sends a change twice', async () => {
      manager.answer(brokenFrames({ warning: 'it takes long' }), frames(DONE));
      const { code, stderr } = await run('retry', JOB);
      expect(code).to.equal(8);
      expect(stderr).to.include('warning: it takes long').and.include('it is unknown whether retry was done');
      expect(manager.calls).to.have.length(1);
    });

    it('continues watching the same job, and exits like it', async () => {
      const answer = statusOf({ job: JOB, state: 'failed', steps: [] });
      const named = frames({ answer }, DONE);
      manager.answer(named, brokenFrames({ notice: 'watching' }), frames({ answer }, { exit: 5, error: null }));
      const { code, stdout } = await run('watch', 'last', '--json');
      expect({ code, job: JSON.parse(stdout).job }).to.deep.equal({ code: 5, job: JOB });
      expect(manager.calls.map(({ name, input }) => [name, input.job])).to.deep.equal([
        ['status', 'last'],
        ['watch', JOB],
        ['watch', JOB],
      ]);
    });

    it('sends its input, the zone and --dry-run, and nothing about the terminal', async () => {
      manager.answer(frames({ row: row('a') }, DONE));
      await run('jobs', '--since', '2d', '--tz', 'Asia/Tokyo', '--dry-run');
      const tz = 'Asia/Tokyo';
      const call = {
        name: 'jobs',
        input: { since: '2d', limit: 10_000 },
        dryRun: true,
        yes: false,
        tz,
        attachments: null,
      };
      expect(manager.calls).to.deep.equal([call]);
    });

    it("passes on the verb's error", async () => {
      const error = { kind: 'notFound', message: 'there are no jobs yet', hint: 'batchctl run job.yaml' };
      manager.answer(frames({ exit: 4, error }));
      const stderr = 'error: there are no jobs yet\nhint: batchctl run job.yaml\n';
      expect(await run('status')).to.include({ code: 4, stderr });
    });
  });
});
