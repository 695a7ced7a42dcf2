// Protects: submitting again with a run key after a fix returns the same job, and never starts a second one.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { readCorrectedFile } from '../../../src/jobs/change/corrected-file.ts';
import { retry } from '../../../src/jobs/change/retry.ts';
import { requireView } from '../../../src/jobs/journal.ts';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import { prepare } from '../../../src/jobs/submit/prepare.ts';
import { type SubmitResult, submit } from '../../../src/jobs/submit/submit.ts';
import { stateOf } from '../../../src/model/view.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
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
const MENDED_FILE = FILE.replace('attempts: 1', 'attempts: 2').replace('region: EU', 'region: FR');

describe('a run key whose job was fixed', () => {
  const place = forEachTest(openPlace);
  let first: SubmitResult;
  beforeEach(async () => {
    write('claims.csv', '1\n2\n');
    write('price.sh', 'exit 65\n');
    first = await submitAs(FILE);
    await work(place.platform);
    write('price.sh', 'cat\n');
  });

  const write = (name: string, text: string) => writeFileSync(join(place.directory, name), text);
  const specOf = (yaml: string) => parseJobFile(yaml, { file: 'job.yaml' });
  async function submitAs(
    yaml: string,
    params: Readonly<Record<string, string>> = {},
    labels: Readonly<Record<string, string>> = {},
    runKey = 'claims-2026-11',
  ): Promise<SubmitResult> {
    const request = {
      ...{ spec: specOf(yaml), directory: place.directory, inputs: [], inputDirectory: place.directory, stdin: null },
      ...{ params, labels, period: null, runKey, expectInputs: null, allowEmpty: false },
    };
    const prepared = await prepare(request, place.platform.store);
    return submit(place.platform, prepared);
  }
  async function mendWith(yaml: string): Promise<void> {
    const view = await requireView(place.platform.store, first.view.record.job);
    const mend = await readCorrectedFile(specOf(yaml), place.directory);
    await retry(place.platform, view, { correction: mend });
  }
  const isRefused = async (yaml: string) => {
    const error = await rejection(submitAs(yaml));
    expect(error).to.include({ kind: 'refused' });
    expect(error.message).to.contain('with other content');
  };

  it('returns its job for the fixed program, while it runs and afterwards', async () => {
    await isRefused(MENDED_FILE);
    await mendWith(MENDED_FILE);
    const { job } = first.view.record;
    expect((await submitAs(MENDED_FILE)).view.record.job).to.equal(job);
    await work(place.platform);
    const again = await submitAs(MENDED_FILE);
    expect([again.created, again.view.record.job, stateOf(again.view)]).to.deep.equal([false, job, 'succeeded']);
  });

  it('is refused if --set or --label differ from before', async () => {
    const { created } = await submitAs(FILE, { region: 'US' }, { team: 'a' }, 'given');
    expect(created).to.equal(true);
    const others = [
      [{ region: 'FR' }, { team: 'a' }],
      [{ region: 'US' }, { team: 'b' }],
      [{}, { team: 'a' }],
    ] as const;
    for (const [params, labels] of others) {
      const error = await rejection(submitAs(FILE, params, labels, 'given'));
      expect(error, JSON.stringify([params, labels])).to.include({ kind: 'refused' });
    }
    expect((await submitAs(FILE, { region: 'US' }, { team: 'a' }, 'given')).created).to.equal(false);
  });

  it('still returns its job for the original submission', async () => {
    await mendWith(MENDED_FILE);
    write('price.sh', 'exit 65\n');
    expect((await submitAs(FILE)).created).to.equal(false);
  });

  it('is refused for any other program, job file or input', async () => {
    await mendWith(MENDED_FILE);
    await isRefused(FILE);
    await isRefused(MENDED_FILE.replace('region: FR', 'region: US'));
    await isRefused(MENDED_FILE.replace('attempts: 2', 'attempts: 3'));
    await isRefused(`${MENDED_FILE}tolerate: 1\n`);
    await isRefused(`${MENDED_FILE}labels: { team: finance }\n`);
    write('price.sh', 'cat; :\n');
    await isRefused(MENDED_FILE);
    write('price.sh', 'cat\n');
    await submitAs(MENDED_FILE);
    write('claims.csv', '1\n2\n3\n');
    await isRefused(MENDED_FILE);
  });
});
