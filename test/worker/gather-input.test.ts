// Protects: a gather's stdin has every record of the outputs that it joins, each on its own line, with none dropped as
// a header.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { correctedOverrides, readCorrectedFile, storeCorrectedCode } from '../../src/jobs/change/corrected-file.ts';
import { retry } from '../../src/jobs/change/retry.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { openFile, readOutput } from '../../src/jobs/output.ts';
import { loadJobFile } from '../../src/jobs/spec/job-file.ts';
import { verifyJob } from '../../src/jobs/verify/verify-job.ts';
import { type JobView, stateOf } from '../../src/model/view.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob, work } from '../jobs/submitted-job.ts';
import { forEachTest } from '../support/fixture.ts';

const INPUTS = { 'a.csv': 'id,v\n1,10\n2,20', 'b.csv': 'id,v\n3,30\n4,40' };
const jobOf = (split: string, gather: string) => `
name: claims
input: { from: [a.csv, b.csv], split: ${split} }
steps:
  - { name: rows, run: [cat] }
  - { name: all, gather: true, run: [cat], ${gather} }
`;
const WITH_HEADER = '{ by: csv, every: 10, header: true }';
const WITHOUT = '{ by: csv, every: 10 }';

describe("a gather's joined input", () => {
  const place = forEachTest(openPlace);

  /** Submits a job, and works until it ends. */
  async function workOn(yaml: string, inputs: Readonly<Record<string, string>> = INPUTS): Promise<JobView> {
    const view = await submitJob(place, yaml, inputs);
    await work(place.platform);
    return requireView(place.platform.store, view.record.job);
  }

  async function outputOf({ record }: JobView): Promise<string> {
    const output = await readOutput(place.platform.store, record.job, 'all', 0);
    let text = '';
    for (const file of output?.files ?? []) {
      for await (const chunk of await openFile(place.platform.store, file)) text += String(chunk);
    }
    return text;
  }

  for (const [what, split, gather, joined] of [
    ['keeps one header and every record', WITH_HEADER, 'header: once', 'id,v\n1,10\n2,20\n3,30\n4,40'],
    ['keeps every header by default', WITH_HEADER, '', 'id,v\n1,10\n2,20\nid,v\n3,30\n4,40'],
    ['is bytes where the job file says so', WITH_HEADER, 'join: bytes', 'id,v\n1,10\n2,20id,v\n3,30\n4,40'],
    ['is bytes where the parts are files', '{ by: file }', '', 'id,v\n1,10\n2,20id,v\n3,30\n4,40'],
    ['is lines where files have headers', '{ by: file }', 'header: once', 'id,v\n1,10\n2,20\n3,30\n4,40'],
    ['is lines where the job file says so', '{ by: file }', 'join: lines', 'id,v\n1,10\n2,20\nid,v\n3,30\n4,40'],
  ] as const) {
    it(what, async () => {
      const view = await workOn(jobOf(split, gather));
      expect(stateOf(view)).to.equal('succeeded');
      expect(await outputOf(view)).to.equal(joined);
      expect((await verifyJob(place.platform, view, { deep: true })).verdict).to.equal('proven');
    });
  }

  it('fails for good at its first attempt if outputs have no common header, until the job file is fixed', async () => {
    const inputs = { 'a.csv': 'id,v\n1,10\n', 'b.csv': '3,30\n4,40\n' };
    const failed = await workOn(jobOf(WITHOUT, 'header: once'), inputs);
    const { job } = failed.record;
    expect(stateOf(failed)).to.equal('failed');
    const failure = await place.platform.store.read(`jobs/${job}/steps/all/failed/000000000.0`);
    const { reason, error, number } = JSON.parse(String(Buffer.from(failure ?? [])));
    expect({ reason, number }).to.deep.equal({ reason: 'input', number: 1 });
    for (const shown of ['rows/1', '"3,30"', 'rows/0', '"id,v"', 'step all', `batchctl retry ${job} --with`]) {
      expect(error).to.include(shown);
    }
    const file = join(place.directory, 'job.yaml');
    writeFileSync(file, jobOf(WITHOUT, ''));
    const corrected = await readCorrectedFile(await loadJobFile(file), place.directory);
    const overrides = correctedOverrides(failed, corrected);
    await storeCorrectedCode(place.platform.store, corrected);
    await retry(place.platform, failed, { tasks: [], canaries: null, overrides, dryRun: false });
    await work(place.platform);
    const view = await requireView(place.platform.store, job);
    expect(stateOf(view)).to.equal('succeeded');
    expect(await outputOf(view)).to.equal(inputs['a.csv'] + inputs['b.csv']);
  });
});
