// Protects: logs --follow shows everything that a task writes, through all attempts, and then ends.
import { expect } from 'chai';
import { append } from '../../src/jobs/journal.ts';
import { followLog, type LogEnd } from '../../src/jobs/logs.ts';
import { failedKey, logKey } from '../../src/model/keys.ts';
import type { JobView } from '../../src/model/view.ts';
import { direct, eachWay } from '../support/manager/each-way.ts';
import { until } from '../support/until.ts';
import type { Workspace } from '../support/workspace.ts';
import { openPlace, type Place, publishSmall, putJob } from './published-job.ts';

direct("following a task's log", () => {
  let place: Place;
  let view: JobView;
  let ends: AbortController;
  let seen: string;
  let end: Promise<LogEnd>;
  beforeEach(async () => {
    place = await openPlace();
    view = await putJob(place.platform, [{ name: 'a.csv' }], { parts: 3 });
    ends = new AbortController();
    seen = '';
  });
  afterEach(async () => {
    ends.abort();
    await end;
    await place.end();
  });

  function follow(): void {
    const platform = { ...place.platform, leaseSeconds: 0.06 };
    const pieces = followLog(platform, view, { step: 0, name: 'price', task: 1 }, ends.signal);
    const read = async (): Promise<LogEnd> => {
      for (let next = await pieces.next(); ; next = await pieces.next()) {
        if (next.done) return next.value;
        seen += `${next.value.attempt}: ${Buffer.from(next.value.bytes)}`;
      }
    };
    end = read();
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
    await append(place.platform.store, view, { who: 'me', now: 0 }, () => ({ what: 'cancel' }));
    expect(await end).to.equal('cancelled');
    view = await putJob(place.platform, [{ name: 'a.csv' }], { parts: 3, job: 'claims-20261130-0600-other' });
    follow();
    ends.abort();
    expect(await end).to.equal('interrupted');
  });
});

eachWay('logs --follow', (make) => {
  let space: Workspace;
  beforeEach(async () => {
    space = await make();
  });
  afterEach(() => space.remove());

  it('shows what a command writes while it runs, and ends with it', async () => {
    const wait = `while [ ! -e ${space.path('go')} ]; do sleep 0.02; done`;
    space.write('job.json', {
      name: 'slow',
      input: { split: { by: 'range', from: 1, to: 1 } },
      steps: [{ name: 'w', run: `echo began >&2; ${wait}; echo ended >&2`, attempts: 1 }],
    });
    const job = await space.submit();
    const working = space.start(['worker', '--until-empty']);
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
    expect((await working.ended).code).to.equal(0);
  });

  it('is refused without a task, and says how to find one', async () => {
    space.write('job.json', {
      name: 'slow',
      input: { split: { by: 'range', from: 1, to: 1 } },
      steps: [{ name: 'w', run: ['true'] }],
    });
    const job = await space.submit();
    const { code, stderr } = await space.run(['logs', job, '--follow']);
    expect(code).to.equal(2);
    expect(stderr).to.contain(`batchctl tasks ${job} --state running`);
  });
});
