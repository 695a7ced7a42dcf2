// Protects: status and report stay right after late outputs and after a skip was undone.
import { expect } from 'chai';
import { skip } from '../../src/jobs/change/skip.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { buildReport } from '../../src/jobs/report.ts';
import { statusOf } from '../../src/jobs/status.ts';
import { repairJob } from '../../src/jobs/verify/repair.ts';
import { look } from '../../src/jobs/watch/look.ts';
import { outKey } from '../../src/model/keys.ts';
import { type JobView, stateOf } from '../../src/model/view.ts';
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
    expect(report.expectations.map(({ ok }) => ok)).to.deep.equal([true]);
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
