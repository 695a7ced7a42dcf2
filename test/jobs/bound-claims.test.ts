// Protects: a run key leads to the job that was submitted for it, also if its claim was replaced by another's.
import { expect } from 'chai';
import { findJob } from '../../src/jobs/find.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { existingRun } from '../../src/jobs/run-keys.ts';
import { loadJobFile } from '../../src/jobs/spec/job-file.ts';
import type { SubmitOptions } from '../../src/jobs/submit/options.ts';
import { prepare } from '../../src/jobs/submit/prepare.ts';
import { submit } from '../../src/jobs/submit/submit.ts';
import { verifyJob } from '../../src/jobs/verify/verify-job.ts';
import { runClaimKey } from '../../src/model/keys.ts';
import { forEachTest } from '../support/fixture.ts';
import { failsWith } from '../support/rejection.ts';
import { submissionRequest } from '../support/submission-request.ts';
import { openPlace } from './published-job.ts';
import { readText } from './stored-text.ts';
import { publishAll, submitJob } from './submitted-job.ts';

const YAML = `
name: claims
input: { split: { by: range, from: 1, to: 2 } }
steps: [{ name: price, run: [cat] }]
`;

describe('claims of run keys', () => {
  const place = forEachTest(openPlace);

  async function submitFor(runKey: string, mode: SubmitOptions['mode'] = 'new') {
    const file = `${place.directory}/job.yaml`;
    const request = { ...submissionRequest(await loadJobFile(file), place.directory), runKey };
    return (await submit(place.platform, await prepare(request, place.platform.store), { mode })).view;
  }

  async function twoRuns() {
    await publishAll(place.platform, await submitJob(place, YAML, {}));
    const [may, june] = [await submitFor('may'), await submitFor('june')];
    return [await publishAll(place.platform, may), await publishAll(place.platform, june)] as const;
  }

  /** `change`: what the copy says. */
  async function copyClaim(from: string, to: string, change: (claim: object) => object = (claim) => claim) {
    const claim = JSON.parse(await readText(place.platform.store, from)) as object;
    await place.platform.store.put(to, JSON.stringify(change(claim)));
  }

  const asBefore = ({ ...claim }: { runKey?: string; number?: number }): object => {
    delete claim.runKey;
    delete claim.number;
    return claim;
  };

  it('name their key and number', async () => {
    const [may] = await twoRuns();
    const { job, digest } = may.record;
    const claim: unknown = JSON.parse(await readText(place.platform.store, runClaimKey('may', 0)));
    expect(claim).to.deep.equal({ format: 1, job, digest, runKey: 'may', number: 0 });
  });

  it('are refused under another key: neither job is proven, found or reused by it', async () => {
    const [may] = await twoRuns();
    await copyClaim(runClaimKey('june', 0), runClaimKey('may', 0));
    const error = await failsWith('corrupt', findJob(place.platform, 'key:may'));
    expect(error.message).to.equal(
      'runs/may/0000.json is not the claim of this run: it claims run 0 of the key "june"',
    );
    await failsWith('corrupt', submitFor('may'));
    await failsWith('corrupt', verifyJob(place.platform, may));
  });

  it('are refused if one of the two was removed', async () => {
    const [may] = await twoRuns();
    await copyClaim(runClaimKey('may', 0), runClaimKey('may', 0), (claim) => ({ ...claim, runKey: undefined }));
    await failsWith('corrupt', verifyJob(place.platform, may));
    await copyClaim(runClaimKey('june', 0), runClaimKey('may', 0), (claim) => ({
      ...claim,
      runKey: 'may',
      number: undefined,
    }));
    await failsWith('corrupt', verifyJob(place.platform, may));
  });

  it('are refused under another number of the same key', async () => {
    await twoRuns();
    await submitFor('may', 'again');
    await copyClaim(runClaimKey('may', 0), runClaimKey('may', 1));
    const error = await failsWith('corrupt', existingRun(place.platform, 'may'));
    expect(error.message).to.include('runs/may/0001.json').and.include('it claims run 0');
  });

  it('of earlier builds name no key: the job says for which one it was submitted', async () => {
    const [may] = await twoRuns();
    await copyClaim(runClaimKey('may', 0), runClaimKey('may', 0), asBefore);
    expect((await findJob(place.platform, 'key:may')).record.job).to.equal(may.record.job);
    expect((await submitFor('may')).record.job).to.equal(may.record.job);
    expect((await verifyJob(place.platform, may)).verdict).to.equal('proven');
    await copyClaim(runClaimKey('june', 0), runClaimKey('may', 0), asBefore);
    const error = await failsWith('corrupt', findJob(place.platform, 'key:may'));
    expect(error.message).to.include('was submitted for the run key "june"');
    await failsWith('corrupt', submitFor('may'));
    await failsWith('notFound', requireView(place.platform.store, may.record.job));
  });
});
