// Protects: logs --follow shows everything that a task writes, through all attempts, and then ends.
import { expect } from 'chai';
import { append } from '../../src/jobs/journal.ts';
import { followJobLogs, followLog } from '../../src/jobs/logs.ts';
import { failedKey, logKey } from '../../src/model/keys.ts';
import type { JobView } from '../../src/model/view.ts';
import { forEachTest } from '../support/fixture.ts';
import { describeDirectly, describeEachWay } from '../support/manager/each-way.ts';
import { rangeJob } from '../support/range-job.ts';
import { recordRequests } from '../support/record-requests.ts';
import { until } from '../support/until.ts';
import type { Running } from '../support/workspace.ts';
import { openPlace, publishSmall, putJob } from './published-job.ts';

describeDirectly('following logs', () => {
  const place = forEachTest(openPlace);
  let view: JobView;
  let stop: AbortController;
  let shown: string;
  let end: Promise<string>;
  beforeEach(async () => {
    view = await putJob(place.platform, [{ name: 'a.csv' }], { parts: 3 });
    stop = new AbortController();
    shown = '';
  });
  afterEach(async () => {
    stop.abort();
    await end;
  });

  async function showAll<Piece extends { readonly bytes: Uint8Array }>(
    pieces: AsyncGenerator<Piece, string>,
    nameOf: (piece: Piece) => string,
  ): Promise<string> {
    for (let next = await pieces.next(); ; next = await pieces.next()) {
      if (next.done) return next.value;
      shown += `${nameOf(next.value)}: ${Buffer.from(next.value.bytes)}`;
    }
  }
  const log = (task: number, attempt: string, text: string): Promise<unknown> =>
    place.platform.store.put(logKey(view.record.job, 'price', task, attempt), text);

  describe('of a task', () => {
    function follow(): void {
      const platform = { ...place.platform, leaseSeconds: 0.06 };
      const task = { step: 0, name: 'price', task: 1 };
      end = showAll(followLog(platform, view, task, stop.signal), ({ attempt }) => attempt);
    }

    it('shows what is there, then what is new, and all of it before the task is done', async () => {
      await log(1, 'aaaa', 'one\n');
      follow();
      await until('the existing line is shown', () => shown === 'aaaa: one\n');
      await log(1, 'aaaa', 'one\ntwo\n');
      await until('the new line is shown', () => shown === 'aaaa: one\naaaa: two\n');
      await log(1, 'aaaa', 'one\ntwo\nthree\n');
      await publishSmall({ platform: place.platform, view }, 'price', 1, 'x');
      expect(await end).to.equal('done');
      expect(shown).to.equal('aaaa: one\naaaa: two\naaaa: three\n');
    });

    it("continues with the task's next attempt, until it has failed for good", async () => {
      follow();
      await log(1, 'bbbb', 'first\n');
      await until('the first attempt is shown', () => shown === 'bbbb: first\n');
      await log(1, 'aaaa', 'second\n');
      await until('the second attempt is shown', () => shown.endsWith('aaaa: second\n'));
      await place.platform.store.put(failedKey(view.record.job, 'price', 1, 0), '{"format":1}');
      expect(await end).to.equal('failed');
    });

    it('ends with a job that is cancelled, and with Ctrl-C', async () => {
      follow();
      await append(place.platform, view, () => ({ what: 'cancel' }));
      expect(await end).to.equal('cancelled');
      view = await putJob(place.platform, [{ name: 'a.csv' }], { parts: 3, job: 'claims-20261130-0600-other' });
      follow();
      stop.abort();
      expect(await end).to.equal('interrupted');
    });
  });

  describe('of a job', () => {
    it('shows only new lines, also of tasks that were too short to be seen running', async () => {
      await log(0, 'aaaa', 'long ago\n');
      const { store, requests } = recordRequests(place.platform.store);
      const platform = { ...place.platform, store, leaseSeconds: 0.06 };
      end = showAll(followJobLogs(platform, view, stop.signal), ({ task, attempt }) => `${task}.${attempt}`);
      const listings = () => requests.filter((request) => request.startsWith('list '));
      await until('the existing logs were listed', () => listings().length > 1);
      await log(1, 'bbbb', 'short\n');
      await until('the short task is shown', () => shown === '1.bbbb: short\n');
      await log(0, 'aaaa', 'long ago\nand now\n');
      await until('the new line is shown', () => shown.endsWith('0.aaaa: and now\n'));
      await append(place.platform, view, () => ({ what: 'cancel' }));
      expect(await end).to.equal('cancelled');
      expect(shown).to.equal('1.bbbb: short\n0.aaaa: and now\n');
    });
  });
});

describeEachWay('logs --follow', (make) => {
  const workspace = forEachTest(make);

  const waitFor = (file: string): string => `while [ ! -e ${workspace.path(file)} ]; do sleep 0.1; done`;
  function submit(tasks: number, run: string): Promise<string> {
    workspace.write('job.json', rangeJob('slow', tasks, { name: 'w', run, attempts: 1 }));
    return workspace.submit();
  }
  function follow(...words: readonly string[]): Running & { readonly shown: () => string } {
    const following = workspace.start(['logs', ...words]);
    let shown = '';
    following.child.stdout?.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
    });
    return { ...following, shown: () => shown };
  }

  it('shows what a command writes while it runs, and ends with it', async () => {
    const job = await submit(1, `echo began >&2; ${waitFor('go')}; echo ended >&2`);
    const working = workspace.work();
    const { shown, ended } = follow(job, 'w/0', '--follow');
    await until('the line of the running attempt is shown', () => shown() === 'began\n');
    workspace.write('go', '');
    const { code, stdout, stderr } = await ended;
    expect([code, stdout]).to.deep.equal([0, 'began\nended\n']);
    expect(stderr).to.contain('w/0 is done');
    expect((await working).code).to.equal(0);
  });

  it('of a job shows each line with its task, joins later tasks, and ends with the job', async () => {
    const job = await submit(3, `printf 'began\\nhalf' >&2; ${waitFor('go$BATCHCTL_TASK')}; printf ' a line' >&2`);
    const working = workspace.work();
    const { shown, ended } = follow(job, '-f');
    const sorted = (text: string): readonly string[] => text.split('\n').filter(Boolean).sort();
    await until('the lines of the running tasks', () => sorted(shown()).join() === 'w/0 | began,w/1 | began');
    workspace.write('go0', '');
    await until('the line of the later task', () => shown().includes('w/2 | began'));
    workspace.write('go1', '');
    workspace.write('go2', '');
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).to.equal(0);
    expect(sorted(stdout)).to.deep.equal([0, 1, 2].flatMap((n) => [`w/${n} | began`, `w/${n} | half a line`]));
    expect(stderr).to.contain(`job ${job} succeeded`);
    expect((await working).code).to.equal(0);
    const again = await workspace.run(['logs', '-f']);
    expect([again.code, again.stdout], again.stderr).to.deep.equal([0, '']);
    const failed = await workspace.run(['logs', job, '-f', '--failed']);
    expect(failed.code).to.equal(2);
  });

  it('of a job stops quietly at Ctrl-C, and the job continues', async () => {
    const job = await submit(1, `echo began >&2; ${waitFor('go')}`);
    const working = workspace.work();
    const { child, shown, ended } = follow(job, '-f');
    await until('the line of the running task is shown', () => shown() !== '');
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ended;
    expect([code, stdout]).to.deep.equal([130, 'w/0 | began\n']);
    expect(stderr).to.include(`stopped following ${job}; the job continues`).and.not.include('bug');
    workspace.write('go', '');
    expect((await working).code).to.equal(0);
  });
});
