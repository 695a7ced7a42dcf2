// Protects: status and report stay right after late outputs and after a skip was undone.
import { join } from 'node:path';
import { expect } from 'chai';
import { skip } from '../../src/jobs/change/skip.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { listFacts } from '../../src/jobs/listing.ts';
import { buildReport } from '../../src/jobs/report.ts';
import { statusOf } from '../../src/jobs/status.ts';
import { recordExactCounts } from '../../src/jobs/totals.ts';
import { checkFile } from '../../src/jobs/verify/check/check-file.ts';
import { EvidenceFile } from '../../src/jobs/verify/evidence-log.ts';
import { proofLine, storeProof } from '../../src/jobs/verify/proof.ts';
import { repairJob } from '../../src/jobs/verify/repair.ts';
import { verifyJob } from '../../src/jobs/verify/verify-job.ts';
import { JobWatcher } from '../../src/jobs/watch/job-watcher.ts';
import { look } from '../../src/jobs/watch/look.ts';
import { endsOfResult, provenText, statusEndsText } from '../../src/model/completeness-text.ts';
import { outKey } from '../../src/model/keys.ts';
import { type JobView, stateOf } from '../../src/model/view.ts';
import { endedAttempt, failForGood } from '../support/claims-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { openPlace, publishSmall } from './published-job.ts';
import { changeMeta } from './stored-text.ts';
import { submitJob } from './submitted-job.ts';

const YAML = `
name: claims
input: { from: a.csv, split: { by: lines, every: 1 } }
steps:
  - { name: price, run: [cat] }
  - { name: totals, gather: true, run: [cat] }
expect: [price.n == totals.n]
`;

describe('results of late outputs and undone skips', () => {
  const place = forEachTest(openPlace);

  async function publish(view: JobView, step: string, task: number): Promise<void> {
    const { platform } = place;
    await publishSmall({ platform, view }, step, task, `${step} ${task}\n`);
    await changeMeta(platform.store, outKey(view.record.job, step, task), { counters: { n: '1' } });
  }
  const SKIP = { tasks: [{ step: 0, name: 'price', task: 1 }], reason: 'agreed' };

  it('do not count in the control totals of a report if they came too late for a gather', async () => {
    const view = await submitJob(place, YAML, { 'a.csv': '1\n2\n' });
    await publish(view, 'price', 0);
    await skip(place.platform, view, SKIP);
    await publish(view, 'totals', 0);
    await publish(view, 'price', 1);
    await look(place.platform, view);
    await repairJob(place.platform, view);
    const closed = await requireView(place.platform.store, view.record.job);
    expect(stateOf(closed)).to.equal('succeeded');
    const report = await buildReport(place.platform, closed);
    expect(report.late).to.deep.equal(['price/1']);
    // The same numbers everywhere: two outputs that count, one that came too late.
    const result = await verifyJob(place.platform, closed);
    const status = await statusOf(place.platform, closed);
    expect(status.steps.map(({ done, late, skipped }) => [done, late, skipped])).to.deep.equal([
      [2, 1, 0],
      [1, 0, 0],
    ]);
    const text = '2 of 3 outputs; 1 late (kept, not used)';
    expect(provenText(endsOfResult(result))).to.equal(`${text}; nothing else missing, nothing duplicated`);
    expect(statusEndsText(status)).to.equal(text);
    expect(report.expectations.map(({ ok }) => ok)).to.deep.equal([true]);
  });

  it('of a skipped task change nothing, even if the next task of its chain has failed since', async () => {
    const { platform } = place;
    const yaml = YAML.replace('totals, gather: true', 'convert').replace(/expect:.*\n/, '');
    const view = await submitJob(place, yaml, { 'a.csv': '1\n2\n' });
    const { job } = view.record;
    for (const step of ['price', 'convert']) await publish(view, step, 0);
    expect(stateOf((await skip(platform, view, SKIP)).view)).to.equal('succeeded');
    await publish(view, 'price', 1);
    await failForGood(platform, job, 'convert', 1);
    const path = join(place.directory, 'evidence.ndjson');
    const evidence = await EvidenceFile.create(path);
    const result = await verifyJob(platform, await requireView(platform.store, job), { evidence });
    expect(result.problems).to.deep.equal([]);
    expect([result.verdict, result.skipped, result.failed]).to.deep.equal(['proven', ['convert/1'], []]);
    evidence.line(await proofLine(platform, result, await storeProof(platform, result)));
    evidence.finish();
    expect((await checkFile(path)).mismatches).to.deep.equal([]);
  });

  it('count in the exact status of the closed job, whether they come before or after it is recorded', async () => {
    const { platform } = place;
    const yaml =
      'name: claims\ninput: { split: { by: range, from: 1, to: 2 } }\nsteps: [{ name: price, run: [cat] }]\n';
    const view = await submitJob(place, yaml, {});
    const { job } = view.record;
    const ledger = await platform.ledger();
    const watcher = new JobWatcher(platform, 15);
    const publishAs = async (task: number): Promise<void> => {
      await publishSmall({ platform, view }, 'price', task, 'x');
      await ledger.record([endedAttempt(job, task, 0, 'done')]);
    };
    const done = async () => (await ledger.counts(job)).map((counts) => [counts.done, counts.exact]);
    const old = await listFacts(platform.store, view);
    await publishAs(0);
    const { view: closed } = await skip(platform, view, SKIP);
    // Like a process whose listing is older than the output.
    await recordExactCounts(platform, closed, old);
    expect(await done()).to.deep.equal([[1, true]]);
    await watcher.glance(job);
    await publishAs(1);
    await watcher.afterOutcome(job, true);
    expect(await done()).to.deep.equal([[2, true]]);
  });

  it('make the status inexact if undoing a skip reopened the job', async () => {
    const yaml = YAML.replace(/ {2}- \{ name: totals.*\n/, '').replace(/expect:.*\n/, '');
    const view = await submitJob(place, yaml, { 'a.csv': '1\n2\n' });
    await publish(view, 'price', 0);
    const { view: closed } = await skip(place.platform, view, SKIP);
    expect(stateOf(closed)).to.equal('succeeded');
    expect(await statusOf(place.platform, closed)).to.include({ exact: true });
    const { view: open } = await skip(place.platform, closed, { ...SKIP, undo: true });
    expect(stateOf(open)).to.equal('running');
    expect(await statusOf(place.platform, open)).to.include({ exact: false });
  });
});
