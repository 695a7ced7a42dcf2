// Protects: verify exits with the right code, names the faulty task and its fix, and changes nothing unless asked.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { look } from '../../../src/jobs/watch/look.ts';
import { outKey } from '../../../src/model/keys.ts';
import type { JobView } from '../../../src/model/view.ts';
import { forEachTest } from '../../support/fixture.ts';
import { explodingJob, publishFiles, publishRest } from '../exploding-job.ts';
import { openPlace } from '../published-job.ts';
import { runHere } from '../run-here.ts';
import { ONE_STEP, publishAll, submitJob } from '../submitted-job.ts';

describe('the verify command', () => {
  const place = forEachTest(openPlace);
  let view: JobView;
  const run = (...argv: readonly string[]) => runHere(place.directory, ['verify', ...argv]);

  beforeEach(async () => {
    view = await submitJob(place, ONE_STEP, { 'a.txt': 'a\nb\nc\n' });
  });

  it('exits with 0 for a proof, prints it as a line and a table, and writes its evidence to a file', async () => {
    await publishAll(place.platform, view);
    const { code, stdout, stderr } = await run('-o', 'proof.ndjson');
    const wrote = 'wrote proof.ndjson; to check it on any machine: batchctl verify --check proof.ndjson';
    expect(stderr).to.equal(`verifying ${view.record.job}\n${wrote}\n`);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^claims-\S+: proven \(succeeded\)\n3 parts of 1 input \(6B\), 3 outputs/);
    expect(stdout).to.match(/STEP +TASKS +PUBLISHED +FAILED +SKIPPED +MISSING\nprice +3 +3 +0 +0 +0\n/);
    expect(stdout).to.match(/\nproof 0: jobs\/claims-\S+\/proofs\/0000\.json\nsha256:[0-9a-f]{64}\n$/);
    const written = readFileSync(join(place.directory, 'proof.ndjson'), 'utf8');
    const kinds = [...written.matchAll(/^\{"line":"(\w+)"/gm)].map(([, kind]) => kind);
    expect(kinds.join(' ')).to.equal(
      'evidence input shard decision decision shard part part part shard end end end shard proof seal',
    );
    expect((await run('--dry-run', '-o', 'never.ndjson')).code).to.equal(0);
    expect(readdirSync(place.directory).filter((name) => /part$|never/.test(name))).to.deep.equal([]);
    expect((await run('-o', 'no/such/place.ndjson')).code).to.equal(2);
  });

  it('exits with 6 for a job that is not closed', async () => {
    const { code, stdout, stderr } = await run('--json', '-o', 'none.ndjson', view.record.job);
    expect(code).to.equal(6);
    expect(readdirSync(place.directory).filter((name) => /part$|none/.test(name))).to.deep.equal([]);
    expect(JSON.parse(stdout)).to.include({ verdict: 'unfinished', proof: null });
    expect(JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '')).to.have.nested.property('error.kind', 'notFinished');
  });

  it('exits with 9 for a failed proof, naming the task and the command that fixes it', async () => {
    await publishAll(place.platform, view);
    await place.platform.store.delete([outKey(view.record.job, 'price', 1)]);
    const { code, stdout, stderr } = await run();
    expect(code).to.equal(9);
    expect(stdout).to.include('missing: price/1');
    expect(stderr).to.include('price/1').and.include(`hint: batchctl verify ${view.record.job} --repair`);
  });

  it('names what to do about a lost output whose files are tasks already, and refuses to repair it', async () => {
    const exploding = await explodingJob();
    try {
      await publishFiles(exploding.place, exploding.view);
      await look(exploding.place.platform, exploding.view);
      await publishRest(exploding.place, exploding.view, 5);
      const { job } = exploding.view.record;
      const key = outKey(job, 'split', 2);
      await exploding.place.platform.store.delete([key]);
      const verified = await runHere(exploding.place.directory, ['verify', job]);
      expect(verified.code).to.equal(9);
      expect(verified.stderr).to.include('hint: restore the output of split/2 from a backup').and.include('--again');
      const repaired = await runHere(exploding.place.directory, ['verify', job, '--repair']);
      expect(repaired.code).to.equal(7);
      expect(repaired.stderr).to.include(`hint: restore ${key} from a backup`).and.include('--again');
    } finally {
      await exploding.place.end();
    }
  });

  it('changes nothing without a job or with --dry-run, and repairs on request', async () => {
    await publishAll(place.platform, view);
    await place.platform.store.delete([outKey(view.record.job, 'price', 1)]);
    expect((await run('--repair')).code).to.equal(2);
    const planned = await run('--repair', '--dry-run', 'last');
    expect(planned.code).to.equal(9);
    expect(planned.stderr).to.include('would send price/1; the job would be open again, in round 1');
    const repaired = await run('--repair', '--json', 'last');
    expect(repaired.code).to.equal(6);
    expect(repaired.stderr).to.match(/^-> local: /);
    expect((JSON.parse(repaired.stdout) as { repair: object }).repair).to.deep.equal({
      recorded: 2,
      sent: 1,
      missing: { price: '1' },
      replaced: {},
      reopened: true,
      redelivered: null,
      withheld: null,
    });
  });
});
