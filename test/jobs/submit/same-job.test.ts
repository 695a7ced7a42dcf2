// Protects: a run key answers with its job only for the same content: period, parameters, program, inputs and their places.
import { mkdirSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { dataMetadata } from '../../../src/jobs/data-key.ts';
import { requireView } from '../../../src/jobs/journal.ts';
import { planOf } from '../../../src/jobs/plan.ts';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import { FileChecksums } from '../../../src/jobs/submit/inputs.ts';
import type { SubmitResult } from '../../../src/jobs/submit/options.ts';
import { prepare } from '../../../src/jobs/submit/prepare.ts';
import type { SubmissionRequest } from '../../../src/jobs/submit/prepared.ts';
import { digestOf, factsOf, recordDigest } from '../../../src/jobs/submit/same-job.ts';
import { submit } from '../../../src/jobs/submit/submit.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { dataKey, jobKey, runClaimKey } from '../../../src/model/keys.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { submissionRequest } from '../../support/submission-request.ts';
import { openPlace } from '../published-job.ts';
import { work } from '../submitted-job.ts';

const FILE = `
name: claims
params: { region: EU }
input: { from: claims.csv, split: { by: lines, every: 1 } }
steps:
  - { name: price, run: [cat], env: { MODE: fast }, secrets: { PASSWORD: "env:FIRST" } }
`;
const DELIVERED = `${FILE}deliver: { to: "out/{job}", name: "{task}" }\n`;

describe('a submission with the run key of an earlier job', () => {
  const place = forEachTest(openPlace);
  beforeEach(() => write('claims.csv', '1\n2\n'));

  const path = (name: string) => join(place.directory, name);
  const write = (name: string, text: string) => writeFileSync(path(name), text);
  const request = (yaml: string, fields: Partial<SubmissionRequest> = {}) =>
    submissionRequest(parseJobFile(yaml, { file: 'job.yaml' }), place.directory, { runKey: 'close', ...fields });
  const prepared = (yaml: string, fields: Partial<SubmissionRequest> = {}, checksums: FileChecksums | null = null) =>
    prepare(request(yaml, fields), place.platform.store, undefined, checksums);
  const submitKeyed = async (yaml = FILE, fields: Partial<SubmissionRequest> = {}): Promise<SubmitResult> =>
    submit(place.platform, await prepared(yaml, fields));
  const refusal = async (yaml = FILE, fields: Partial<SubmissionRequest> = {}) =>
    failsWith('refused', submitKeyed(yaml, fields));

  it('is refused for another period, and says which, and what to type', async () => {
    const { job } = (await submitKeyed(FILE, { period: '2026-11' })).view.record;
    const { message, hint } = await refusal(FILE, { period: '2026-12' });
    expect(message).to.equal(
      `the run key close belongs to job ${job}, with other content: period was 2026-11, is 2026-12`,
    );
    expect(hint).to.equal(
      `--run-key 'close-{period}' gives each period its own run; or use --existing for that job, or --again for another run; batchctl status ${job}`,
    );
    expect((await refusal()).hint).to.match(/^add --period 2026-11 for that job; or use --existing/);
    expect((await submitKeyed(FILE, { period: '2026-11' })).created).to.equal(false);
    const keyed = { runKey: 'close-2026-11' };
    await submitKeyed(FILE, { ...keyed, period: '2026-11' });
    expect((await refusal(FILE, { ...keyed, period: '2026-12' })).hint).to.match(/^--run-key 'close-\{period\}' gives/);
  });

  const others: readonly (readonly [what: string, yaml: string, fields: Partial<SubmissionRequest>, says: string])[] = [
    ['a parameter that no text uses', FILE, { params: { region: 'US' } }, 'params.region was "EU", is "US"'],
    ['a variable', FILE.replace('fast', 'slow'), {}, 'steps.price.env.MODE has changed'],
    ["a secret's reference", FILE.replace('FIRST', 'SECOND'), {}, 'steps.price.secrets.PASSWORD has changed'],
    ['a command', FILE.replace('[cat]', '[rev]'), {}, 'steps.price.run has changed'],
    ['a limit', `${FILE}tolerate: 1\n`, {}, 'tolerate.count was 0, is 1'],
    ['a delivery', DELIVERED, {}, 'deliver.to was none, is'],
  ];
  for (const [what, yaml, fields, says] of others) {
    it(`is refused for ${what}`, async () => {
      await submitKeyed();
      expect((await refusal(yaml, fields)).message).to.contain(`with other content: ${says}`);
      expect((await submitKeyed()).created).to.equal(false);
    });
  }

  it('is refused if it would deliver elsewhere: the same job file in another directory', async () => {
    await submitKeyed(DELIVERED);
    expect((await submitKeyed(DELIVERED)).created).to.equal(false);
    mkdirSync(path('b'));
    const elsewhere = { directory: path('b'), inputs: ['claims.csv'] };
    await submitKeyed(DELIVERED, { runKey: 'other', inputs: ['claims.csv'] });
    const { message } = await refusal(DELIVERED, { runKey: 'other', ...elsewhere });
    expect(message).to.contain(`deliver.to was ${path('out/{job}')}, is ${path('b/out/{job}')}`);
  });

  it('is refused for another file of the same name, size and time', async () => {
    mkdirSync(path('b'));
    const twin = (name: string, text: string) => {
      write(name, text);
      utimesSync(path(name), 1_000_000_000, 1_000_000_000);
    };
    twin('claims.csv', '1\n2\n');
    twin('b/claims.csv', '3\n4\n');
    await submitKeyed();
    const { message } = await refusal(FILE, { directory: path('b') });
    expect(message).to.contain(`input claims.csv was ${path('claims.csv')}, is ${path('b/claims.csv')}`);
    expect((await submitKeyed()).created).to.equal(false);
  });

  it('is refused for the same file in a directory that was moved', async () => {
    mkdirSync(path('november'));
    write('november/claims.csv', '1\n2\n');
    await submitKeyed(FILE, { directory: path('november') });
    renameSync(path('november'), path('december'));
    const { message } = await refusal(FILE, { directory: path('december') });
    expect(message).to.contain(`was ${path('november/claims.csv')}, is ${path('december/claims.csv')}`);
  });

  it('is refused for a file that has replaced the input, with its size and time', async () => {
    await submitKeyed();
    const { ino, atime, mtime } = statSync(path('claims.csv'));
    utimesSync(path('claims.csv'), atime, mtime);
    await submitKeyed(FILE, { runKey: 'rounded' });
    write('new.csv', '3\n4\n');
    utimesSync(path('new.csv'), atime, mtime);
    renameSync(path('new.csv'), path('claims.csv'));
    expect(statSync(path('claims.csv')).ino).not.to.equal(ino);
    expect((await refusal(FILE, { runKey: 'rounded' })).message).to.contain('input claims.csv has changed');
  });

  it('is refused for another number, or other names, of inputs', async () => {
    write('more.csv', '3\n');
    await submitKeyed(FILE, { inputs: ['claims.csv'] });
    const { message } = await refusal(FILE, { inputs: ['claims.csv', 'more.csv'] });
    expect(message).to.contain('number of inputs was 1, is 2');
    expect((await refusal(FILE, { inputs: ['more.csv'] })).message).to.contain('input was claims.csv, is more.csv');
    write('claims.csv', '1\n2\n3\n');
    expect((await refusal(FILE, { inputs: ['claims.csv'] })).message).to.contain('was 4 bytes, is 6 bytes');
  });

  it('is answered whatever its labels and its deadline, which change no data', async () => {
    const first = await submitKeyed(FILE, { labels: { team: 'a' } });
    const again = await submitKeyed(FILE, { labels: { team: 'b' }, finishBy: '2099-01-01T00:00:00.000Z' });
    expect([again.created, again.view.record.job]).to.deep.equal([false, first.view.record.job]);
  });

  it('is compared by content where inputs are uploaded, wherever they lie', async () => {
    mkdirSync(path('b'));
    write('b/claims.csv', '1\n2\n');
    const elsewhere = { directory: path('b') };
    const digest = async (fields: Partial<SubmissionRequest>) =>
      (await prepared(FILE, fields, new FileChecksums())).digest;
    const first = await digest({});
    expect(await digest(elsewhere)).to.equal(first);
    write('b/claims.csv', '1\n3\n');
    expect(await digest(elsewhere)).not.to.equal(first);
  });

  it('is answered for an object of upload whose checksum the earlier job did not record, unless it was put again', async () => {
    const { store } = place.platform;
    const put = (text: string) =>
      store.put(dataKey('a.csv'), text, { metadata: dataMetadata(`sha256:${'0'.repeat(64)}`) });
    await put('1\n');
    const stored = FILE.replace('from: claims.csv', 'from: "store:a.csv"');
    const { record } = (await submitKeyed(stored)).view;
    const inputs = record.inputs.map((input) => ({ ...input, checksum: null }));
    const former = { ...record, inputs, digest: recordDigest({ ...record, inputs }) };
    await store.put(jobKey(record.job), JSON.stringify(former));
    const claim = { format: 1, job: record.job, digest: former.digest };
    await store.put(runClaimKey('close', 0), JSON.stringify(claim));
    expect(await submitKeyed(stored)).to.deep.include({ created: false });
    await put('2\n');
    expect((await refusal(stored)).message).to.include('input store:a.csv');
  });

  it('is told by plan, with what differs', async () => {
    const plan = async (fields: Partial<SubmissionRequest>) =>
      (await planOf(place.platform, await prepared(FILE, fields), { slots: 1, load: { average: 0, cores: 1 } }))
        .existing;
    const { job } = (await submitKeyed(FILE, { period: '2026-11' })).view.record;
    expect(await plan({ period: '2026-11' })).to.deep.equal({ job, sameContent: true, differences: [] });
    const differences = [{ field: 'period', from: '2026-11', to: '2026-12' }];
    expect(await plan({ period: '2026-12' })).to.deep.equal({ job, sameContent: false, differences });
  });

  it('makes two jobs without a run key, one for each period, though the first is not yet sent', async () => {
    const unsent = new Error('killed');
    const kill = (point: string): void => {
      if (point === 'claim') throw unsent;
    };
    const plain = { runKey: null, period: '2026-11' };
    const first = submit(place.platform, await prepared(FILE, plain), { passed: kill });
    expect(await first.catch((error: unknown) => error)).to.equal(unsent);
    await failsWith('refused', submitKeyed(FILE, plain));
    expect((await submitKeyed(FILE, { ...plain, period: '2026-12' })).created).to.equal(true);
  });

  describe('whose digest 0.2 made', () => {
    /** Rewrites job.json and the claim as 0.2 wrote them. */
    async function makeFormer({ view: { record } }: SubmitResult, fields: Partial<SubmissionRequest>): Promise<void> {
      const { store } = place.platform;
      const digest = digestOf(factsOf(await prepared(DELIVERED, fields)), 1);
      const { digestFormat: _, ...former } = record;
      await store.put(jobKey(record.job), JSON.stringify({ ...former, digest }));
      await store.put(runClaimKey('close', 0), JSON.stringify({ format: 1, job: record.job, digest }));
    }

    it('is answered for the same content, verified, and refused for another period, place or file', async () => {
      const november = { period: '2026-11' };
      const first = await submitKeyed(DELIVERED, november);
      await makeFormer(first, november);
      const again = await submitKeyed(DELIVERED, november);
      expect([again.created, again.view.record.job]).to.deep.equal([false, first.view.record.job]);
      await work(place.platform);
      const view = await requireView(place.platform.store, first.view.record.job);
      expect((await verifyJob(place.platform, view, { deep: false })).problems).to.deep.equal([]);
      expect((await refusal(DELIVERED, { period: '2026-12' })).message).to.contain('period was 2026-11, is 2026-12');
      mkdirSync(path('b'));
      const { atime, mtime } = statSync(path('claims.csv'));
      write('b/claims.csv', '3\n4\n');
      utimesSync(path('b/claims.csv'), atime, mtime);
      expect((await refusal(DELIVERED, { ...november, directory: path('b') })).message).to.contain(
        'input claims.csv was',
      );
    });
  });
});
