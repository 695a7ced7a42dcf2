// Protects: a damaged failure record is named and counted, and hides no other failure.
import { expect } from 'chai';
import { causesOf, examplesOf } from '../../src/jobs/failures.ts';
import { buildReport } from '../../src/jobs/report.ts';
import { rebuildAll } from '../../src/jobs/verify/rebuild-all.ts';
import { verifyJob } from '../../src/jobs/verify/verify-job.ts';
import { look } from '../../src/jobs/watch/look.ts';
import { failedKey, tryKey } from '../../src/model/keys.ts';
import type { JobView } from '../../src/model/view.ts';
import { failForGood } from '../support/claims-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { openPlace, publishSmall, putJob, STEPS } from './published-job.ts';
import { changeText } from './stored-text.ts';

describe('unreadable failures', () => {
  const place = forEachTest(openPlace);
  let view: JobView;
  beforeEach(async () => {
    const { platform } = place;
    const inputs = ['a', 'b', 'c', 'd'].map((name) => ({ name }));
    view = await putJob(platform, inputs, { yaml: `${STEPS}tolerate: 3\n` });
    const { job } = view.record;
    await publishSmall({ platform, view }, 'price', 0, 'fine\n');
    for (const task of [1, 3]) await failForGood(platform, job, 'price', task);
    await platform.store.put(failedKey(job, 'price', 2, 0), 'half a rec');
    const invalid = { reason: 'timeout', startedAt: 'soon', endedAt: null, worker: 7 };
    await changeText(platform.store, failedKey(job, 'price', 3, 0), (text) =>
      JSON.stringify({ ...JSON.parse(text), ...invalid }),
    );
    await platform.store.put(tryKey(job, 'price', 0, 0, 'lost'), '[]');
    ({ view } = await look(platform, view));
  });

  const rebuild = () => rebuildAll(place.platform, { since: null, dryRun: false });

  it('are named by a rebuild, which writes the readable fields to the ledger', async () => {
    const { damaged, ...rebuilt } = await rebuild();
    expect(rebuilt).to.deep.equal({ jobs: 1, attempts: 5, exact: 1, unreadable: [] });
    expect(damaged.map(({ why }) => why)).to.deep.equal([
      'jobs/claims-20261130-0600-abcde/steps/price/tries/000000000.0.lost has no format number',
      'jobs/claims-20261130-0600-abcde/steps/price/failed/000000002.0 is not JSON',
      'jobs/claims-20261130-0600-abcde/steps/price/failed/000000003.0 has no readable worker (7), startedAt ("soon"), endedAt (null)',
    ]);
    const ledger = await place.platform.ledger();
    const failed = await ledger.tasks(view.record.job, { states: ['failed'], limit: 10 });
    expect(failed.map(({ task, reason }) => `${task} ${reason}`)).to.deep.equal([
      '1 exit',
      '2 unreadable',
      '3 timeout',
    ]);
    for (const { endedAt } of failed.slice(1)) expect(endedAt).to.be.closeTo(Date.now(), 60_000);
  });

  it('are written once, and never replace better data in the ledger', async () => {
    const ledger = await place.platform.ledger();
    await rebuild();
    await rebuild();
    expect(await ledger.attempts(view.record.job, 'price', 2)).to.have.length(1);
    const known = await ledger.attempts(view.record.job, 'price', 1);
    expect(known).to.have.length(1);
    await place.platform.store.put(failedKey(view.record.job, 'price', 1, 0), '{');
    await rebuild();
    expect(await ledger.attempts(view.record.job, 'price', 1)).to.deep.equal(known);
  });

  it('are causes of their own, which name them', async () => {
    const causes = await causesOf(place.platform, view);
    expect(causes.map(({ reason, tasks }) => `${reason} ${tasks}`)).to.have.members([
      'exit 1',
      'unreadable 2',
      'timeout 3',
    ]);
    const unreadable = causes.find(({ reason }) => reason === 'unreadable');
    if (unreadable === undefined) throw new Error('no such cause');
    expect((await examplesOf(place.platform, view)(unreadable)).error).to.include('failed/000000002.0 is not JSON');
  });

  it('are counted in a proof, with a warning for each', async () => {
    const result = await verifyJob(place.platform, view);
    expect(result.verdict).to.equal('proven');
    expect(result.failed).to.deep.equal(['price/1', 'price/2', 'price/3']);
    expect(result.warnings.map(({ code, message }) => `${code} ${/failed.\d+/.exec(message)?.[0]}`)).to.deep.equal([
      'failureUnreadable failed/000000002',
      'failureUnreadable failed/000000003',
    ]);
  });

  it('are in the report of a ledger that was rebuilt from them', async () => {
    await rebuild();
    const report = await buildReport(place.platform, view);
    expect(report.totals).to.include({ done: 1, failed: 3, retried: 1 });
    expect(report.causes.map(({ reason, forGood }) => `${reason} ${forGood}`)).to.have.members([
      'exit 1',
      'unreadable 1',
      'timeout 1',
      'unreadable 0',
    ]);
  });
});
