// Protects: status and report stay right after late outputs and after a skip was undone.
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { skip } from '../../src/jobs/change/skip.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { buildReport } from '../../src/jobs/report.ts';
import { statusOf } from '../../src/jobs/status.ts';
import { repairJob } from '../../src/jobs/verify/repair.ts';
import { look } from '../../src/jobs/watch/look.ts';
import { asciiJson } from '../../src/lib/json.ts';
import { outKey } from '../../src/model/keys.ts';
import { META_KEY } from '../../src/model/output.ts';
import { type JobView, stateOf } from '../../src/model/view.ts';
import { forEachTest } from '../support/fixture.ts';
import { metaWith, openPlace } from './published-job.ts';
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

  async function publish(view: JobView, step: string, task: number, n: number): Promise<void> {
    const { job } = view.record;
    const text = `${step} ${task}\n`;
    const checksum = `sha256:${createHash('sha256').update(text).digest('hex')}`;
    const meta = { ...metaWith({ job, step, task }, text.length, checksum), counters: { n: String(n) } };
    const key = outKey(job, step, task);
    await place.platform.store.put(key, text, { ifAbsent: true, metadata: { [META_KEY]: asciiJson(meta) } });
  }
  const task = (step: number, name: string, n: number) => ({ step, name, task: n });
  const going = (tasks: readonly ReturnType<typeof task>[], undo = false) => ({ tasks, reason: 'agreed', undo });

  it("leave outputs that came too late for a gather out of a report's control totals", async () => {
    const view = await submitJob(place, YAML, { 'a.csv': '1\n2\n' });
    await publish(view, 'price', 0, 1);
    await skip(place.platform, view, going([task(0, 'price', 1)]));
    await publish(view, 'totals', 0, 1);
    await publish(view, 'price', 1, 1);
    await look(place.platform, view);
    await repairJob(place.platform, view);
    const closed = await requireView(place.platform.store, view.record.job);
    expect(stateOf(closed)).to.equal('succeeded');
    const report = await buildReport(place.platform, closed);
    expect(report.late).to.deep.equal(['price/1']);
    expect(report.expectations.map(({ ok }) => ok)).to.deep.equal([true]);
  });

  it('make the status of a job inexact that was reopened by undoing a skip', async () => {
    const yaml = YAML.replace(/ {2}- \{ name: totals.*\n/, '').replace(/expect:.*\n/, '');
    const view = await submitJob(place, yaml, { 'a.csv': '1\n2\n' });
    await publish(view, 'price', 0, 1);
    const { view: closed } = await skip(place.platform, view, going([task(0, 'price', 1)]));
    expect(stateOf(closed)).to.equal('succeeded');
    expect(await statusOf(place.platform, closed)).to.include({ exact: true });
    const { view: open } = await skip(place.platform, closed, going([task(0, 'price', 1)], true));
    expect(stateOf(open)).to.equal('running');
    expect(await statusOf(place.platform, open)).to.include({ exact: false });
  });
});
