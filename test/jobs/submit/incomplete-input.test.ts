// Protects: a step with tolerated failures or skips is read by another job only if that is wanted, and the proof names it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { requireView } from '../../../src/jobs/journal.ts';
import { checkFile } from '../../../src/jobs/verify/check/check-file.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { forSuite } from '../../support/fixture.ts';
import { provenJob } from '../proven-job.ts';
import { openPlace } from '../published-job.ts';
import { runHere } from '../run-here.ts';
import { work } from '../submitted-job.ts';

describe('an input job:JOB/STEP of which tasks have no output', () => {
  const place = forSuite(openPlace);
  let source: string;
  before(async () => {
    source = (await provenJob(place)).record.job;
  });

  const run = (...argv: readonly string[]) => runHere(place.directory, argv);
  function writeReader(step: string): void {
    const yaml = `name: reader\ninput: { from: "job:${source}/${step}", split: { by: file } }\nsteps: [{ name: copy, run: [cat] }]\n`;
    writeFileSync(join(place.directory, 'reader.yaml'), yaml);
  }
  const incomplete = (step: string): string =>
    `the input job:${source}/${step} is incomplete: 2 of its 6 tasks failed or were skipped`;

  for (const verb of ['plan', 'submit', 'run'])
    it(`is refused by ${verb}, which says how many are missing, and what to type`, async () => {
      writeReader('convert');
      const { code, stderr } = await run(verb, 'reader.yaml');
      expect([code, stderr.includes(incomplete('convert'))]).to.deep.equal([7, true]);
      expect(stderr).to.include('--allow-incomplete');
    });

  it('is accepted with --allow-incomplete; submit warns, the proof and its evidence name it', async () => {
    writeReader('price');
    const planned = await run('plan', 'reader.yaml', '--allow-incomplete');
    expect([planned.code, planned.stderr.includes(incomplete('price'))], planned.stderr).to.deep.equal([0, true]);
    const { code, stderr, stdout } = await run('submit', 'reader.yaml', '--allow-incomplete', '--json');
    expect([code, stderr.includes(incomplete('price'))], stderr).to.deep.equal([0, true]);
    const { job } = JSON.parse(stdout) as { job: string };
    await work(place.platform);
    const view = await requireView(place.platform.store, job);
    expect(view.record.incomplete).to.deep.equal([{ name: `job:${source}/price`, tasks: 6, missing: 2 }]);
    const { verdict, warnings } = await verifyJob(place.platform, view);
    expect([verdict, warnings]).to.deep.equal(['proven', [{ code: 'inputIncomplete', message: incomplete('price') }]]);
    expect((await run('verify', job, '-o', 'e.ndjson')).code).to.equal(0);
    const path = join(place.directory, 'e.ndjson');
    expect(readFileSync(path, 'utf8').split('\n')[0]).to.include(`"incomplete":[{"name":"job:${source}/price"`);
    expect((await checkFile(path)).mismatches).to.deep.equal([]);
  });

  it('is complete, and needs no flag, if every task has an output: the gather behind the failures', async () => {
    writeReader('totals');
    const { code, stdout } = await run('submit', 'reader.yaml', '--json');
    expect(code).to.equal(0);
    const { record } = await requireView(place.platform.store, (JSON.parse(stdout) as { job: string }).job);
    expect(record).not.to.have.property('incomplete');
  });

  it('is kept allowed by a schedule', async () => {
    writeReader('price');
    const add = ['schedule', 'add', 'nightly', 'reader.yaml', '--cron', '0 6 * * *'];
    expect((await run(...add, '--allow-incomplete', '--json')).code).to.equal(0);
    const [next = ''] = (await run('schedule', 'next', 'nightly', '--json')).stdout.split('\n');
    const { period } = JSON.parse(next) as { period: string };
    const { code, stderr } = await run('schedule', 'run', 'nightly', '--period', period, '--json');
    expect(code, stderr).to.equal(0);
  });
});
