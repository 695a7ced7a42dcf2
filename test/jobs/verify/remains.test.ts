// Protects: the remains of a pruned job are trusted only if their checksums match.
import { expect } from 'chai';
import { append, requireView } from '../../../src/jobs/journal.ts';
import { proofChecksum, type StoredProof } from '../../../src/jobs/verify/proof.ts';
import { rebuildAll } from '../../../src/jobs/verify/rebuild-all.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import { jobKey, journalKey, openedKey, proofKey, prunedKey } from '../../../src/model/keys.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { finishedJob, pruneAll } from '../prune/finished-job.ts';
import { openPlace } from '../published-job.ts';
import { runHere } from '../run-here.ts';

describe('the remains of a pruned job', () => {
  const place = forEachTest(openPlace);
  let job: string;
  const textOf = async (key: string) =>
    Buffer.from((await place.platform.store.read(key)) ?? expect.fail(`there is no ${key}`)).toString();
  async function change(key: string, from: string, to: string): Promise<void> {
    const text = await textOf(key);
    expect(text).to.include(from);
    await place.platform.store.put(key, text.replace(from, to));
  }
  const run = (...argv: readonly string[]) => runHere(place.directory, argv);
  const verify = async () => verifyJob(place.platform, await requireView(place.platform.store, job));
  const rebuild = () => rebuildAll(place.platform, { since: null, dryRun: false });
  beforeEach(async () => {
    ({ job } = (await finishedJob(place)).record);
    await pruneAll(place.platform);
  });

  it('are all that verify compares, and it says that the outputs are gone', async () => {
    for (const flags of [[], ['--deep']]) {
      const { code, stderr, stdout } = await run('verify', job, ...flags);
      expect(code).to.equal(0);
      // --deep could read nothing any more.
      expect(stdout).to.include('4 outputs, without reading their bytes\n');
      const { prunedAt } = JSON.parse((await run('verify', job, ...flags, '--json')).stdout);
      expect(Date.parse(prunedAt)).to.be.closeTo(place.platform.clock.now(), 86_400_000);
      expect(stderr).to.match(new RegExp(`job ${job} was pruned on .*: its outputs are gone, this is its last proof`));
    }
  });

  const edits: readonly (readonly [string, (job: string) => string, string, string])[] = [
    ['a total in its proof', (name) => proofKey(name, 0), '"outputs":3', '"outputs":3000000'],
    ['its job.json', jobKey, '"createdBy":"me@here"', '"createdBy":"eve@here"'],
    ['an entry of its journal', (name) => journalKey(name, 1), 'me@here', 'eve@here'],
    ['its prune entry', (name) => journalKey(name, 2), 'me@here', 'eve@here'],
    ['the record of its opened gather', (name) => openedKey(name, 'totals'), '"count":3', '"count":2'],
    ['the mark of its prune', prunedKey, '"done":3', '"done":3000000'],
  ];
  for (const [what, keyOf, from, to] of edits) {
    it(`are not trusted if this was altered: ${what}`, async () => {
      expect(await run('verify', job)).to.include({ code: 0 });
      expect(await run('status', job)).to.include({ code: 0, stderr: '' });
      await change(keyOf(job), from, to);
      const named = what === 'an entry of its journal' ? 'journal entry 1 has changed since' : keyOf(job);
      const verified = await run('verify', job);
      expect(verified).to.include({ code: 9, stdout: '' });
      expect(verified.stderr).to.include(named).and.include('hint: restore');
      for (const verb of ['status', 'history']) {
        const shown = await run(verb, job, '--quiet');
        expect(shown.code, verb).to.equal(0);
        expect(shown.stderr, verb).to.include(`warning: job ${job} was pruned`).and.include(named);
      }
      const report = await run('report', job);
      expect(report.stderr).to.include(`warning: job ${job} was pruned`);
      expect(report.code).to.equal(what === 'a total in its proof' ? 9 : 0);
    });
  }

  it('are not trusted if an entry was altered that no proof names: a delivery between the last one and the prune', async () => {
    const view = await finishedJob(place);
    ({ job } = view.record);
    const delivered = { what: 'delivered', after: view.next - 1, to: 's3://reports/', outputs: 3, bytes: 6 } as const;
    await append(place.platform, view, () => delivered);
    await pruneAll(place.platform);
    expect((await verify()).verdict).to.equal('proven');
    await change(journalKey(job, view.next), 's3://reports/', 's3://strange/');
    const { message } = await failsWith('corrupt', verify());
    expect(message).to.include('an entry below').and.include('has changed since the prune');
  });

  it('are not trusted if one of them is gone', async () => {
    const { store } = place.platform;
    for (const key of [proofKey(job, 0), openedKey(job, 'totals')]) {
      const text = await textOf(key);
      await store.delete([key]);
      expect((await failsWith('corrupt', verify())).message).to.include(`${key} is gone`);
      await store.put(key, text);
    }
    expect((await verify()).verdict).to.equal('proven');
  });

  it("aren't written to a rebuilt ledger if their mark was altered", async () => {
    await change(prunedKey(job), '"done":3', '"done":3000000');
    expect((await rebuild()).unreadable.map(({ why }) => why)).to.deep.equal([
      `${prunedKey(job)} is not what prune wrote: it was altered`,
    ]);
  });

  it('are altered if a checksum of them was removed: from the entry, or from the mark', async () => {
    const without = async (key: string, name: string): Promise<void> => {
      const { [name]: _, ...rest } = JSON.parse(await textOf(key)) as Record<string, unknown>;
      const text = await textOf(key);
      await place.platform.store.put(key, JSON.stringify(rest));
      await failsWith('corrupt', verify());
      await place.platform.store.put(key, text);
    };
    await without(journalKey(job, 2), 'remains');
    await without(prunedKey(job), 'entry');
    await without(prunedKey(job), 'checksum');
    expect((await verify()).verdict).to.equal('proven');
  });

  it('may include a proof that a verification stored during the prune', async () => {
    const { store } = place.platform;
    const first = await textOf(proofKey(job, 0));
    const { checksum: _, ...rest } = JSON.parse(first) as StoredProof;
    const proof = { ...rest, previous: bytesChecksum(new TextEncoder().encode(first)) };
    await store.put(proofKey(job, 1), JSON.stringify({ ...proof, checksum: proofChecksum(proof) }));
    expect((await verify()).verdict).to.equal('proven');
  });
});
