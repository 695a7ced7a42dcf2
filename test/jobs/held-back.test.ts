// Protects: a retry with canaries keeps all other failed tasks waiting until the canaries succeed.
import { expect } from 'chai';
import { retry } from '../../src/jobs/change/retry.ts';
import { append, requireView } from '../../src/jobs/journal.ts';
import { listFacts } from '../../src/jobs/listing.ts';
import { verifyJob } from '../../src/jobs/verify/verify-job.ts';
import { look } from '../../src/jobs/watch/look.ts';
import { standingOf } from '../../src/model/decide.ts';
import { outKey } from '../../src/model/keys.ts';
import { encodeMessage } from '../../src/model/message.ts';
import { roundOf, stateOf } from '../../src/model/view.ts';
import { admit } from '../../src/worker/admit.ts';
import { JobCache } from '../../src/worker/job-cache.ts';
import { delivered, failForGood } from '../support/claims-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { openPlace, publishSmall } from './published-job.ts';
import { readText } from './stored-text.ts';
import { submitJob, work } from './submitted-job.ts';

const YAML = `
name: claims
onFailure: stop
input: { from: a.csv, split: { by: lines, every: 1 } }
steps:
  - { name: price, run: 'echo $BATCHCTL_ROUND' }
`;

describe('tasks that canaries hold back', () => {
  const place = forEachTest(openPlace);
  /** Task 0 failed for good, which stopped the job before the others ran. */
  async function stoppedJob(): Promise<string> {
    const view = await submitJob(place, YAML, { 'a.csv': '0\n1\n2\n3\n4\n5\n' });
    const { job } = view.record;
    await failForGood(place.platform, job, 'price', 0);
    await append(place.platform, view, () => ({ what: 'stop', cause: '1 failed' }));
    const { view: closed } = await look(place.platform, view);
    expect([stateOf(closed), closed.closed?.reason]).to.deep.equal(['failed', 'stopped']);
    return job;
  }
  const retryJob = async (job: string, more: object) =>
    retry(place.platform, await requireView(place.platform.store, job), more);

  it('include tasks that a stopped job gave up; they stay given up if the canaries fail', async () => {
    const job = await stoppedJob();
    const { view, choice } = await retryJob(job, { canaries: 1 });
    expect([choice.count, choice.canaries]).to.deep.equal([6, { price: '0' }]);
    const standing = standingOf(view, await listFacts(place.platform.store, view));
    expect([...(standing.steps[0]?.undecided ?? [])]).to.deep.equal([0]);
    expect(standing.steps[0]?.failed).to.equal(5);
    // A message of the first round that no worker has received yet.
    const delivery = delivered(encodeMessage({ job, step: 'price', task: 5, round: 0 }));
    const { store } = place.platform;
    const admitted = await admit(store, new JobCache(store, 1), delivery, { group: 'default', now: 0 });
    expect(admitted).to.deep.include({ kind: 'refused', outcome: { kind: 'dropped', why: 'stale' } });
    await failForGood(place.platform, job, 'price', 0, 1);
    const found = await look(place.platform, view);
    expect([found.did, stateOf(found.view)]).to.deep.equal([['close'], 'failed']);
    const result = await verifyJob(place.platform, found.view);
    expect([result.steps[0]?.failed, result.steps[0]?.missing]).to.deep.equal([6, 0]);
    expect((await retryJob(job, { dryRun: true })).choice.tasks).to.deep.equal({ price: '0-5' });
  });

  it('do not exist without canaries: a retry of one task continues all tasks that a stopped job gave up', async () => {
    const job = await stoppedJob();
    const { sent, view } = await retryJob(job, { tasks: [{ step: 0, name: 'price', task: 0 }] });
    expect([sent, view.stopped]).to.deep.equal([6, null]);
  });

  it('stay held back after a late output by an attempt of an earlier round', async () => {
    const job = await stoppedJob();
    const before = await requireView(place.platform.store, job);
    const { view } = await retryJob(job, { canaries: 1 });
    await publishSmall({ platform: place.platform, view: before }, 'price', 0, 'late\n');
    const found = await look(place.platform, view);
    expect([found.did, stateOf(found.view)]).to.deep.equal([['close'], 'failed']);
  });

  it('run in the round of the canaries once they succeed', async () => {
    const job = await stoppedJob();
    await retryJob(job, { canaries: 1 });
    await work(place.platform);
    const view = await requireView(place.platform.store, job);
    expect(stateOf(view)).to.equal('succeeded');
    expect([0, 1, 2, 3, 4, 5].map((task) => roundOf(view, 0, task))).to.deep.equal([1, 1, 1, 1, 1, 1]);
    for (let task = 0; task < 6; task += 1) {
      expect(await readText(place.platform.store, outKey(job, 'price', task))).to.equal('1\n');
    }
  });
});
