// Protects: submitting again with a run key after a fix returns the same job, and never starts a second one.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { readCorrectedFile } from '../../../src/jobs/change/corrected-file.ts';
import { retry } from '../../../src/jobs/change/retry.ts';
import { requireView } from '../../../src/jobs/journal.ts';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import type { SubmitResult } from '../../../src/jobs/submit/options.ts';
import { prepare } from '../../../src/jobs/submit/prepare.ts';
import type { SubmissionRequest } from '../../../src/jobs/submit/prepared.ts';
import { submit } from '../../../src/jobs/submit/submit.ts';
import { stateOf } from '../../../src/model/view.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { submissionRequest } from '../../support/submission-request.ts';
import { openPlace } from '../published-job.ts';
import { work } from '../submitted-job.ts';

const FILE = `
name: claims
files: [price.sh]
params: { region: EU }
input: { from: claims.csv, split: { by: lines, every: 1 } }
steps:
  - { name: price, attempts: 1, run: [sh, price.sh] }
`;
const FIXED_FILE = FILE.replace('attempts: 1', 'attempts: 2').replace('region: EU', 'region: FR');

describe('a run key whose job was fixed', () => {
  const place = forEachTest(openPlace);
  let first: SubmitResult;
  beforeEach(async () => {
    write('claims.csv', '1\n2\n');
    write('price.sh', 'exit 65\n');
    first = await submitKeyed(FILE);
    await work(place.platform);
    write('price.sh', 'cat\n');
  });

  const write = (name: string, text: string) => writeFileSync(join(place.directory, name), text);
  const specOf = (yaml: string) => parseJobFile(yaml, { file: 'job.yaml' });
  async function submitKeyed(yaml: string, fields: Partial<SubmissionRequest> = {}): Promise<SubmitResult> {
    const request = submissionRequest(specOf(yaml), place.directory, { runKey: 'claims-2026-11', ...fields });
    return submit(place.platform, await prepare(request, place.platform.store));
  }
  async function fixWith(yaml: string): Promise<void> {
    const view = await requireView(place.platform.store, first.view.record.job);
    const mend = await readCorrectedFile(specOf(yaml), place.directory);
    await retry(place.platform, view, { correction: mend });
  }
  async function expectRefused(yaml: string): Promise<void> {
    expect((await failsWith('refused', submitKeyed(yaml))).message).to.contain('with other content');
  }

  it('returns its job for the fixed program, while it runs and afterwards', async () => {
    await expectRefused(FIXED_FILE);
    await fixWith(FIXED_FILE);
    const { job } = first.view.record;
    expect((await submitKeyed(FIXED_FILE)).view.record.job).to.equal(job);
    await work(place.platform);
    const again = await submitKeyed(FIXED_FILE);
    expect([again.created, again.view.record.job, stateOf(again.view)]).to.deep.equal([false, job, 'succeeded']);
  });

  it('is refused if --set differs from before, and not for other labels', async () => {
    const fields = { params: { region: 'US' }, labels: { team: 'a' }, runKey: 'given' };
    expect((await submitKeyed(FILE, fields)).created).to.equal(true);
    for (const other of [{ params: { region: 'FR' } }, { params: {} }]) {
      await failsWith('refused', submitKeyed(FILE, { ...fields, ...other }));
    }
    for (const labels of [{ team: 'a' }, { team: 'b' }])
      expect((await submitKeyed(FILE, { ...fields, labels })).created).to.equal(false);
  });

  it('still returns its job for the original submission', async () => {
    await fixWith(FIXED_FILE);
    write('price.sh', 'exit 65\n');
    expect((await submitKeyed(FILE)).created).to.equal(false);
  });

  it('is refused for any other program, job file or input', async () => {
    await fixWith(FIXED_FILE);
    await expectRefused(FILE);
    await expectRefused(FIXED_FILE.replace('region: FR', 'region: US'));
    await expectRefused(FIXED_FILE.replace('attempts: 2', 'attempts: 3'));
    await expectRefused(`${FIXED_FILE}tolerate: 1\n`);
    expect((await submitKeyed(`${FIXED_FILE}labels: { team: finance }\n`)).created).to.equal(false);
    write('price.sh', 'cat; :\n');
    await expectRefused(FIXED_FILE);
    write('price.sh', 'cat\n');
    await submitKeyed(FIXED_FILE);
    write('claims.csv', '1\n2\n3\n');
    await expectRefused(FIXED_FILE);
  });
});
