// Protects: logs --follow shows everything that a task writes, through all attempts, and then ends.
import { expect } from 'chai';
import { append } from '../../src/jobs/journal.ts';
import { followJobLogs, followLog, type LogEnd } from '../../src/jobs/logs.ts';
import { failedKey, logKey } from '../../src/model/keys.ts';
import type { JobView } from '../../src/model/view.ts';
import { forEachTest } from '../support/fixture.ts';
import { direct, eachWay } from '../support/manager/each-way.ts';
import { until } from '../support/until.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { openPlace, publishSmall, putJob } from './published-job.ts';

/** Reads a generator to its end, and returns what it returns. */
async function drain<T, End>(pieces: AsyncGenerator<T, End>, see: (piece: T) => void): Promise<End> {
  for (let next = await pieces.next(); ; next = await pieces.next()) {
    if (next.done) return next.value;
    see(next.value);
  }
}

direct("following a task's log", () => {
  const place = forEachTest(openPlace);
  let view: JobView;
  let ends: AbortController;
  let seen: string;
  let end: Promise<LogEnd>;
  beforeEach(async () => {
    view = await putJob(place.platform, [{ name: 'a.csv' }], { parts: 3 });
    ends = new AbortController();
    seen = '';
  });
  afterEach(async () => {
    ends.abort();
    await end;
  });

  function follow(): void {
    const platform = { ...place.platform, leaseSeconds: 0.06 };
    const pieces = followLog(platform, view, { step: 0, name: 'price', task: 1 }, ends.signal);
    end = drain(pieces, ({ attempt, bytes }) => {
      seen += `${attempt}: ${Buffer.from(bytes)}`;
    });
  }

  const log = (attempt: string, text: string): Promise<unknown> =>
    place.platform.store.put(logKey(view.record.job, 'price', 1, attempt), text);

  it('shows what is there, then what is new, and all of it before the task is done', async () => {
    await log('aaaa', 'one\n');
    follow();
    await until('what was there', () => seen === 'aaaa: one\n');
    await log('aaaa', 'one\ntwo\n');
    await until('what is new', () => seen === 'aaaa: one\naaaa: two\n');
    await log('aaaa', 'one\ntwo\nthree\n');
    await publishSmall({ platform: place.platform, view }, 'price', 1, 'x');
    expect(await end).to.equal('done');
    expect(seen).to.equal('aaaa: one\naaaa: two\naaaa: three\n');
  });

  it("continues with the task's next attempt, until it has failed for good", async () => {
    follow();
    await log('bbbb', 'first\n');
    await until('the first attempt', () => seen === 'bbbb: first\n');
    await log('aaaa', 'second\n');
    await until('the second attempt', () => seen.endsWith('aaaa: second\n'));
    await place.platform.store.put(failedKey(view.record.job, 'price', 1, 0), '{"format":1}');
    expect(await end).to.equal('failed');
  });

  it('ends with a job that is cancelled, and with Ctrl-C', async () => {
    follow();
    await append(place.platform, view, () => ({ what: 'cancel' }));
    expect(await end).to.equal('cancelled');
    view = await putJob(place.platform, [{ name: 'a.csv' }], { parts: 3, job: 'claims-20261130-0600-other' });
    follow();
    ends.abort();
    expect(await end).to.equal('interrupted');
  });
});

direct("following a job's logs", () => {
  const place = forEachTest(openPlace);
  let view: JobView;
  let ends: AbortController;
  let seen: string;
  let end: Promise<string>;
  beforeEach(async () => {
    view = await putJob(place.platform, [{ name: 'a.csv' }], { parts: 3 });
    ends = new AbortController();
    seen = '';
  });
  afterEach(async () => {
    ends.abort();
    await end;
  });
  const log = (task: number, attempt: string, text: string): Promise<unknown> =>
    place.platform.store.put(logKey(view.record.job, 'price', task, attempt), text);

  function follow(store = place.platform.store): void {
    const pieces = followJobLogs({ ...place.platform, store, leaseSeconds: 0.06 }, view, ends.signal);
    end = drain(pieces, ({ task, attempt, bytes }) => {
      seen += `${task}.${attempt}: ${Buffer.from(bytes)}`;
    });
  }

  it('leaves out what ended before, and shows what a task writes although it was too short to be seen running', async () => {
    await log(0, 'aaaa', 'long ago\n');
    let looks = 0;
    const list = (prefix: string) => {
      looks += 1;
      return place.platform.store.list(prefix);
    };
    follow(wrapStore(place.platform.store, { list }));
    await until('the first look', () => looks > 1);
    await log(1, 'bbbb', 'short\n');
    await until('the short one', () => seen === '1.bbbb: short\n');
    await log(0, 'aaaa', 'long ago\nand now\n');
    await until('what is new', () => seen.endsWith('0.aaaa: and now\n'));
    await append(place.platform, view, () => ({ what: 'cancel' }));
    expect(await end).to.equal('cancelled');
    expect(seen).to.equal('1.bbbb: short\n0.aaaa: and now\n');
  });
});

eachWay('logs --follow', (make) => {
  const space = forEachTest(make);

  it('shows what a command writes while it runs, and ends with it', async () => {
    const wait = `while [ ! -e ${space.path('go')} ]; do sleep 0.1; done`;
    space.write('job.json', {
      name: 'slow',
      input: { split: { by: 'range', from: 1, to: 1 } },
      steps: [{ name: 'w', run: `echo began >&2; ${wait}; echo ended >&2`, attempts: 1 }],
    });
    const job = await space.submit();
    const working = space.work();
    const following = space.start(['logs', job, 'w/0', '--follow']);
    let shown = '';
    following.child.stdout?.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
    });
    await until('the running attempt’s line', () => shown === 'began\n');
    space.write('go', '');
    const { code, stdout, stderr } = await following.ended;
    expect([code, stdout]).to.deep.equal([0, 'began\nended\n']);
    expect(stderr).to.contain('w/0 is done');
    expect((await working).code).to.equal(0);
  });

  it('of a job shows what its tasks write, each line after its task, joins later ones, and ends with the job', async () => {
    const wait = `while [ ! -e ${space.path('go')}$BATCHCTL_TASK ]; do sleep 0.1; done`;
    space.write('job.json', {
      name: 'slow',
      input: { split: { by: 'range', from: 1, to: 3 } },
      steps: [{ name: 'w', run: `printf 'began\\nhalf' >&2; ${wait}; printf ' a line' >&2`, attempts: 1 }],
    });
    const job = await space.submit();
    const working = space.work();
    const following = space.start(['logs', job, '-f']);
    let shown = '';
    following.child.stdout?.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
    });
    const lines = (): readonly string[] => shown.split('\n').filter(Boolean).sort();
    await until('the running tasks’ lines', () => lines().join() === 'w/0 | began,w/1 | began');
    space.write('go0', '');
    await until('the task that began later', () => lines().includes('w/2 | began'));
    space.write('go1', '');
    space.write('go2', '');
    const { code, stdout, stderr } = await following.ended;
    expect(code, stderr).to.equal(0);
    const tasks = [0, 1, 2];
    expect(stdout.split('\n').filter(Boolean).sort()).to.deep.equal(
      tasks.flatMap((n) => [`w/${n} | began`, `w/${n} | half a line`]).sort(),
    );
    expect(stderr).to.contain(`job ${job} succeeded`);
    expect((await working).code).to.equal(0);
    const again = await space.run(['logs', '-f']);
    expect([again.code, again.stdout], again.stderr).to.deep.equal([0, '']);
    const failed = await space.run(['logs', job, '-f', '--failed']);
    expect(failed.code).to.equal(2);
  });

  it('of a job stops quietly at Ctrl-C, and the job continues', async () => {
    space.write('job.json', {
      name: 'slow',
      input: { split: { by: 'range', from: 1, to: 1 } },
      steps: [
        { name: 'w', run: `echo began >&2; while [ ! -e ${space.path('go')} ]; do sleep 0.1; done`, attempts: 1 },
      ],
    });
    const job = await space.submit();
    const working = space.work();
    const following = space.start(['logs', job, '-f']);
    await until(
      'the running task’s line',
      () =>
        new Promise<boolean>((shown) => {
          following.child.stdout?.once('data', () => shown(true));
        }),
    );
    following.child.kill('SIGINT');
    const { code, stdout, stderr } = await following.ended;
    expect([code, stdout]).to.deep.equal([130, 'w/0 | began\n']);
    expect(stderr).to.include(`stopped following ${job}; the job continues`).and.not.include('bug');
    space.write('go', '');
    expect((await working).code).to.equal(0);
  });
});
