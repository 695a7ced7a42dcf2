// Protects: batchctl reads, verifies and fetches the jobs in a store of 0.1.0, and runs them to their end.
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { fetchOutputs } from '../../src/jobs/fetch/fetch.ts';
import { parseTarget } from '../../src/jobs/fetch/target.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { readOutput } from '../../src/jobs/output.ts';
import { checkFile } from '../../src/jobs/verify/check/check-file.ts';
import { repairJob } from '../../src/jobs/verify/repair.ts';
import { verifyJob } from '../../src/jobs/verify/verify-job.ts';
import { type JobView, stateOf } from '../../src/model/view.ts';
import { forEachTest } from '../support/fixture.ts';
import { openPlace } from './published-job.ts';
import { work } from './submitted-job.ts';

/** Four jobs that 0.1.0 (commit 0faee98) ran, one of them until its worker was killed, and the evidence of `boxes`. */
const FORMER = join(import.meta.dirname, '../fixtures/store-0.1.0');

describe('a store of batchctl 0.1.0', () => {
  const place = forEachTest(openPlace);
  let jobs: readonly string[];
  beforeEach(() => {
    cpSync(join(FORMER, 'store'), join(place.directory, '.batchctl/store'), { recursive: true });
    jobs = readdirSync(join(FORMER, 'store/jobs'));
  });

  const viewOf = (name: string): Promise<JobView> =>
    requireView(place.platform.store, jobs.find((job) => job.startsWith(`${name}-`)) ?? name);
  const verify = (view: JobView) => verifyJob(place.platform, view, { deep: true });

  async function fetchText(view: JobView, step: string): Promise<string> {
    const chunks: Uint8Array[] = [];
    const write = async (chunk: Uint8Array): Promise<void> => void chunks.push(Uint8Array.from(chunk));
    const target = parseTarget('-', { cwd: place.directory, write });
    await fetchOutputs(place.platform, view, { target, header: null, step });
    return Buffer.concat(chunks).toString();
  }

  const finished: readonly (readonly [what: string, name: string, outputs: Readonly<Record<string, string>>])[] = [
    ['a map', 'squares', { square: '1\n4\n9\n' }],
    [
      'a chain and a gather',
      'claims',
      { price: '1;1\n2;2\n3;3\n4;4\n5;5\n6;6\n', totals: '1:1\n2:2\n3:3\n4:4\n5:5\n6:6\n' },
    ],
    ['an explode', 'boxes', { open: '1a\n1b\n2a\n2b\n', count: '3\n3\n3\n3\n', total: '3\n3\n3\n3\n' }],
  ];
  for (const [what, name, outputs] of finished) {
    it(`can be verified and fetched, reading every byte: ${what}`, async () => {
      const view = await viewOf(name);
      const { verdict, problems } = await verify(view);
      expect([verdict, problems]).to.deep.equal(['proven', []]);
      for (const [step, text] of Object.entries(outputs)) expect(await fetchText(view, step)).to.equal(text);
    });
  }

  it('has a half-done job that runs to its end with outputs of both formats, and is proven', async () => {
    const { platform } = place;
    const view = await viewOf('late');
    expect(stateOf(view)).to.equal('running');
    await repairJob(platform, view);
    await work(platform);
    const after = await viewOf('late');
    expect(stateOf(after)).to.equal('succeeded');
    const formats = await Promise.all(
      [0, 1, 2, 3].map(async (n) => (await readOutput(platform.store, view.record.job, 'price', n))?.meta.format),
    );
    expect(formats).to.deep.equal([1, 1, 2, 2]);
    const { verdict, problems } = await verify(after);
    expect([verdict, problems]).to.deep.equal(['proven', []]);
    expect(await fetchText(after, 'totals')).to.equal('number 1\nnumber 2\nnumber 3\nnumber 4\n');
  });

  it('lets verify name both tasks if an output was copied over another', async () => {
    const view = await viewOf('squares');
    const out = join(place.directory, `.batchctl/store/jobs/${view.record.job}/steps/square/out/000000+`);
    copyFileSync(join(out, '000@'), join(out, '001@'));
    const { verdict, altered, problems } = await verify(view);
    expect([verdict, altered]).to.deep.equal(['failed', ['square/1']]);
    expect(problems[0]?.message).to.include('also made the output of square/0, so one of them is a copy');
  });

  it('has valid evidence, unless one attempt made two outputs, or a file differs from the staged one', async () => {
    const text = readFileSync(join(FORMER, 'evidence.ndjson'), 'utf8');
    const codesOf = async (change: (body: string) => string): Promise<readonly string[]> => {
      const body = change(text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1));
      const sha256 = createHash('sha256').update(body).digest('hex');
      const seal = JSON.stringify({ line: 'seal', lines: body.split('\n').length - 1, sha256 });
      writeFileSync(join(place.directory, 'evidence.ndjson'), `${body}${seal}\n`);
      return (await checkFile(join(place.directory, 'evidence.ndjson'))).mismatches.map(({ code }) => code);
    };
    expect(await codesOf((body) => body)).to.deep.equal([]);
    const [first = '', second = ''] = [...text.matchAll(/"attempt":"(\w+)"/g)].map(([, attempt]) => attempt);
    expect(await codesOf((body) => body.replace(`"attempt":"${second}"`, `"attempt":"${first}"`))).to.include(
      'attemptTwice',
    );
    expect(
      await codesOf((body) => body.replace(/("key":"jobs\/boxes-[^"]*open\/files\/)000000000/, '$1000000001')),
    ).to.include('files');
  });
});
