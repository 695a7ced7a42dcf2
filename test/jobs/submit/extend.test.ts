// Protects: a submission that extends a job may die anywhere, or meet another one, and each row is one task; what it added is proven.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { append, requireView } from '../../../src/jobs/journal.ts';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import type { SubmitPoint, SubmitResult } from '../../../src/jobs/submit/options.ts';
import { prepare } from '../../../src/jobs/submit/prepare.ts';
import { submit } from '../../../src/jobs/submit/submit.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { stateOf } from '../../../src/model/view.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { submissionRequest } from '../../support/submission-request.ts';
import { withMethods } from '../../support/with-methods.ts';
import { openPlace } from '../published-job.ts';
import { work } from '../submitted-job.ts';

const SPEC = parseJobFile(
  'name: sweep\ninput: { from: t.csv, split: { by: table } }\nsteps: [{ name: map, run: [echo, "{a}"] }]\n',
  { file: 'job.yaml' },
);

/** The store, with something that happens before a put, and after it. */
const withPut = (
  store: ObjectStore,
  before: (key: string) => Promise<void>,
  after: (key: string) => void = () => {},
): ObjectStore =>
  withMethods(store, {
    async put(key, ...rest) {
      await before(key);
      const put = await store.put(key, ...rest);
      after(key);
      return put;
    },
  });

describe('extending a job', () => {
  const place = forEachTest(openPlace);
  let job: string;
  beforeEach(async () => {
    job = (await extend(['1', '2'])).view.record.job;
    await work(place.platform);
  });

  /** Submits a table with these rows. */
  async function extend(
    rows: readonly string[],
    options: {
      readonly passed?: (point: SubmitPoint) => void;
      readonly platform?: typeof place.platform;
      readonly file?: string;
    } = {},
  ): Promise<SubmitResult> {
    const { passed, platform = place.platform, file = 't.csv' } = options;
    writeFileSync(join(place.directory, file), `a\n${rows.map((row) => `${row}\n`).join('')}`);
    const request = submissionRequest(SPEC, place.directory, { runKey: 'k', inputs: [file] });
    const prepared = await prepare(request, platform.store);
    return submit(platform, prepared, { mode: 'extend', ...(passed && { passed }) });
  }
  const verify = async () => verifyJob(place.platform, await requireView(place.platform.store, job), { deep: true });
  const codes = async () => (await verify()).problems.map(({ code }) => code);
  const partKeys = async (): Promise<readonly string[]> => {
    const keys: string[] = [];
    for await (const key of place.platform.store.keys(`jobs/${job}/extents/`)) keys.push(key);
    return keys;
  };

  for (const point of ['inputs', 'parts', 'claim', 'sent'] as const) {
    it(`killed after ${point}, is completed by the same command`, async () => {
      const died = new Error('killed');
      const dying = extend(['1', '2', '3', '4'], {
        passed: (at) => {
          if (at === point) throw died;
        },
      });
      expect(await dying.catch((error: unknown) => error)).to.equal(died);
      const { view, added } = await extend(['1', '2', '3', '4']);
      expect(added).to.equal(point === 'inputs' || point === 'parts' ? 2 : 0);
      expect(view.record.parts).to.equal(4);
      await work(place.platform);
      const { verdict, checked } = await verify();
      expect([verdict, checked.parts, checked.outputs]).to.deep.equal(['proven', 4, 4]);
    });
  }

  it('killed before its messages, is completed by a worker that waits for them', async () => {
    const dying = extend(['1', '2', '3'], {
      passed: (at) => {
        if (at === 'claim') throw new Error('killed');
      },
    });
    await dying.catch(() => undefined);
    expect(stateOf(await requireView(place.platform.store, job))).to.equal('running');
    await extend(['1', '2', '3']);
    await work(place.platform);
    expect((await verify()).verdict).to.equal('proven');
  });

  it("that comes second, leaves the other's tasks and no parts of its own", async () => {
    const { platform } = place;
    let other: SubmitResult | null = null;
    const store = withPut(platform.store, async (key) => {
      if (key.startsWith('open/') && other === null) other = await extend(['1', '2', '3', '4'], { file: 'other.csv' });
    });
    const refusal = await failsWith('refused', extend(['1', '2', '3'], { platform: { ...platform, store } }));
    expect(refusal.message).to.include('was extended by another process at this time');
    expect((await partKeys()).length, 'of the first').to.equal(1);
    expect((await extend(['1', '2', '3', '4', '5'])).added).to.equal(1);
    await work(platform);
    expect(await codes()).to.deep.equal([]);
  });

  it('keeps its parts if the answer to its decision is lost', async () => {
    const { platform } = place;
    const store = withPut(
      platform.store,
      async () => {},
      (key) => {
        if (key.includes('/journal/')) throw new BatchctlError('unavailable', 'the answer was lost');
      },
    );
    await failsWith('unavailable', extend(['1', '2', '3'], { platform: { ...platform, store } }));
    const { view, added } = await extend(['1', '2', '3']);
    expect([added, view.record.parts, (await partKeys()).length]).to.deep.equal([0, 3, 1]);
    await work(platform);
    expect(await codes()).to.deep.equal([]);
  });

  it('goes on after an entry of another kind that comes first', async () => {
    const { platform } = place;
    let paused = false;
    const store = withPut(platform.store, async (key) => {
      if (!key.startsWith('open/') || paused) return;
      paused = true;
      await append(platform, await requireView(platform.store, job), () => ({ what: 'adjust', maxRunning: 3 }));
    });
    const { view, added } = await extend(['1', '2', '3'], { platform: { ...platform, store } });
    expect([added, view.maxRunning, view.round]).to.deep.equal([1, 3, 1]);
    await work(platform);
    expect(await codes()).to.deep.equal([]);
  });

  it('is proven by the parts that its decision names, and no others', async () => {
    await extend(['1', '2', '3', '4']);
    await work(place.platform);
    expect(await codes()).to.deep.equal([]);
    const [key = ''] = await partKeys();
    const { store } = place.platform;
    const text = Buffer.from((await store.read(key)) ?? '').toString();
    await store.put(key, text.replace('"a":"3"', '"a":"9"'));
    expect(await codes()).to.include('partAltered');
    await store.delete([key]);
    expect(await codes()).to.include('shardMissing');
    await store.put(key, text);
    await store.put(key.replace(/00000/, '00001'), text);
    expect(await codes()).to.deep.equal(['foreign']);
  });

  it('ignores the parts of one that was given up', async () => {
    await extend(['1', '2', '3']);
    await place.platform.store.put(`jobs/${job}/extents/gone/parts/00000.ndjson`, '{}\n');
    await work(place.platform);
    expect(await codes()).to.deep.equal([]);
  });

  it('compares earlier proofs with what the job had then', async () => {
    const { storeProof } = await import('../../../src/jobs/verify/proof.ts');
    await storeProof(place.platform, await verify());
    await extend(['1', '2', '3']);
    await work(place.platform);
    expect(await codes()).to.deep.equal([]);
    const key = `jobs/${job}/parts/00000.ndjson`;
    const { store } = place.platform;
    const text = Buffer.from((await store.read(key)) ?? '').toString();
    await store.put(key, text.replace('"a":"1"', '"a":"7"'));
    expect(await codes(), 'a part of the time before').to.include('proofContradicted');
  });

  it('takes all that a table brings only once, in several files', async () => {
    writeFileSync(join(place.directory, 'more.csv'), 'a\n2\n5\n');
    const request = submissionRequest(SPEC, place.directory, { runKey: 'k', inputs: ['more.csv', 't.csv'] });
    const { added, view } = await submit(place.platform, await prepare(request, place.platform.store), {
      mode: 'extend',
    });
    expect([added, view.record.parts]).to.deep.equal([2, 4]);
    await work(place.platform);
    expect(await codes()).to.deep.equal([]);
    expect(readFileSync(join(place.directory, 't.csv'), 'utf8')).to.equal('a\n1\n2\n');
  });
});
