// Protects: scripts get the documented JSON from the commands that change a job.
import { expect } from 'chai';
import { append } from '../../src/jobs/journal.ts';
import { recordView } from '../../src/jobs/record-view.ts';
import { look } from '../../src/jobs/watch/look.ts';
import { failedKey, logKey } from '../../src/model/keys.ts';
import type { JobView } from '../../src/model/view.ts';
import { event } from '../contracts/ledger-events.ts';
import { forEachTest } from '../support/fixture.ts';
import { openPlace, publishSmall, putJob } from './published-job.ts';
import { runHere, runJson } from './run-here.ts';

const JOB = 'claims-20261130-0600-abcde';

describe('the commands that change a job, with --json', () => {
  const place = forEachTest(openPlace);
  let view: JobView;
  beforeEach(async () => {
    const put = await putJob(place.platform, [{ name: 'a' }, { name: 'b' }]);
    view = (await append(place.platform, put, () => ({ what: 'sent' }))).view;
    await recordView(place.platform, view);
  });

  const cli = (...words: string[]) => runHere(place.directory, [...words, '--json']);
  async function document(...words: string[]): Promise<Record<string, unknown> | undefined> {
    const [first, ...others] = await runJson(place.directory, words);
    expect(others).to.deep.equal([]);
    return first;
  }
  async function failOneTask(): Promise<void> {
    await publishSmall({ platform: place.platform, view }, 'price', 0, 'x');
    await place.platform.store.put(failedKey(JOB, 'price', 1, 0), '{"format":1}');
    await look(place.platform, view);
  }

  it('pause, resume, cancel return the state and whether it changed', async () => {
    expect(await document('pause', JOB, '--dry-run')).to.deep.equal({ job: JOB, state: 'running', changed: true });
    expect(await document('pause', 'last')).to.deep.equal({ job: JOB, state: 'paused', changed: true });
    expect(await document('pause', 'last')).to.include({ changed: false });
    const resumed = { job: JOB, state: 'running', changed: true, changes: [], sent: 2 };
    expect(await document('resume', JOB)).to.deep.equal(resumed);
    expect((await cli('cancel', JOB)).code).to.equal(7);
    expect(await document('cancel', JOB, '--yes')).to.deep.equal({ job: JOB, state: 'cancelled', changed: true });
    expect(await document('cancel', JOB, '--yes')).to.include({ changed: false });
    const refused = await cli('resume', JOB);
    expect(refused.code).to.equal(7);
    expect(refused.stderr.trim().split('\n').at(-1)).to.include('"kind":"refused"').and.include('cancelled');
  });

  it('retry returns round and tasks, and the command that continues', async () => {
    await failOneTask();
    const dry = await document('retry', JOB, '--dry-run');
    expect(dry).to.deep.include({ round: null, tasks: { price: '1' }, count: 1, sent: 0 });
    const { stdout, stderr } = await cli('retry', JOB, '--task', 'price/000000001', '--timeout', '30m');
    expect(JSON.parse(stdout)).to.deep.include({ state: 'running', round: 1, tasks: { price: '1' }, sent: 1 });
    expect(stderr).to.include(`work on it: batchctl run ${JOB}, or batchctl scale 1`);
    expect(await document('retry', JOB)).to.deep.include({ round: null, count: 0 });
    expect((await cli('retry', JOB, '--set', 'nope=1')).code).to.equal(2);
  });

  it('tasks, kill and jobs list and kill', async () => {
    const waiting = await document('tasks', JOB, '--state', 'waiting', '--limit', '1');
    expect(waiting).to.include({ task: 0, state: 'waiting' });
    expect(await document('kill', JOB, 'price/1', '--fail')).to.deep.equal({
      job: JOB,
      state: 'running',
      task: 'price/1',
      tasks: { price: '1' },
      count: 1,
      mode: 'fail',
    });
    expect(await document('tasks', JOB, '--state', 'failed')).to.include({ step: 'price', task: 1, reason: 'killed' });
    expect(await document('tasks', JOB, '--task', 'price/1')).to.include({ state: 'failed', attempt: 'none' });
    expect(await document('jobs', '--state', 'running')).to.include({ job: JOB, tasks: 2, closedAt: null });
    expect((await cli('jobs', '--state', 'failed')).stdout).to.equal('');
    expect((await cli('tasks', JOB, '--step', 'nope')).code).to.equal(4);
  });

  it('kill --step ends all running tasks of a step, and counts them first', async () => {
    const none = { task: null, tasks: {}, count: 0 };
    expect(await document('kill', JOB, '--step', 'price')).to.deep.include(none);
    const ledger = await place.platform.ledger();
    await ledger.record([0, 1].map((task) => event('running', task, { job: JOB, slot: task })));
    const both = { task: null, tasks: { price: '0-1' }, count: 2 };
    expect(await document('kill', JOB, '--step', 'price', '--fail', '--dry-run')).to.deep.include(both);
    expect(await document('tasks', JOB, '--state', 'running', '--limit', '1')).to.include({ state: 'running' });
    expect(await document('kill', JOB, '--step', 'price', '--fail')).to.deep.include({ ...both, state: 'failed' });
    expect((await cli('kill', JOB)).code).to.equal(2);
  });

  it('logs returns the stderr of all attempts, or only of failed tasks', async () => {
    await place.platform.store.put(logKey(JOB, 'price', 0, 'aaaa'), 'fine\n');
    await place.platform.store.put(logKey(JOB, 'price', 1, 'bbbb'), 'bad row 17');
    await failOneTask();
    const bad = { step: 'price', task: 1, attempt: 'bbbb', input: 'b', place: null, params: null, text: 'bad row 17' };
    expect(await document('logs', JOB, '--failed')).to.deep.equal(bad);
    expect(await document('logs', JOB, 'price/1')).to.deep.equal(bad);
    const { stdout } = await runHere(place.directory, ['logs', JOB]);
    expect(stdout).to.equal('fine\nbad row 17\n');
  });
});
