// Protects: stored proofs are one chain, none is overwritten, and one stands only while nothing that counts was decided since.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import {
  checkProofs,
  type Decision,
  proofChecksum,
  readDecisions,
  readProofs,
  type StoredProof,
  standingProof,
  storeProof,
} from '../../../src/jobs/verify/proof.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import type { EntryKind } from '../../../src/model/journal.ts';
import { proofKey, proofsPrefix } from '../../../src/model/keys.ts';
import { Findings } from '../../../src/model/verify/findings.ts';
import type { VerifyResult } from '../../../src/model/verify/verify-result.ts';
import type { JobView } from '../../../src/model/view.ts';
import { addEntry } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { beforeFirstPut, wrapStore } from '../../support/wrap-store.ts';
import { openPlace } from '../published-job.ts';
import { ONE_STEP, publishAll, submitJob } from '../submitted-job.ts';

describe('the proofs of a job', () => {
  const place = forEachTest(openPlace);
  let view: JobView;
  let job: string;
  let result: VerifyResult;
  beforeEach(async () => {
    view = await publishAll(place.platform, await submitJob(place, ONE_STEP, { 'a.txt': 'a\nb\n' }));
    job = view.record.job;
    result = await verifyJob(place.platform, view, { deep: false });
  });

  const store = (of = result) => storeProof(place.platform, of);
  const standing = (entry = view.next - 1) => standingProof(place.platform, job, entry);
  const decide = async (entry: EntryKind): Promise<void> => {
    view = await addEntry(place.platform, view, entry);
  };
  const decisions = () => readDecisions(place.platform.store, view);
  /** The codes of what is wrong with the stored proofs. */
  const found = async (known: readonly Decision[]): Promise<readonly string[]> => {
    const findings = new Findings();
    checkProofs(await readProofs(place.platform.store, job), known, findings);
    return findings.list().map(({ code }) => code);
  };
  const altered = (known: readonly Decision[], n: number): readonly Decision[] =>
    known.map((each, at) => (at === n ? { ...each, line: { ...each.line, checksum: 'sha256:0' } } : each));
  /** Puts a proof in place of the first one, with a checksum that fits. */
  const replace = async (edit: Partial<StoredProof>): Promise<void> => {
    const kept = (await store()) ?? expect.fail('nothing is proven');
    const proof = { ...kept.proof, ...edit };
    await place.platform.store.put(kept.key, JSON.stringify({ ...proof, checksum: proofChecksum(proof) }));
  };

  it('follow each other, also if another process stores one at the same time', async () => {
    const other = { ...result, checked: { ...result.checked, bytes: result.checked.bytes + 1 } };
    const isProof = (key: string): boolean => key.startsWith(proofsPrefix(job));
    const late = beforeFirstPut(place.platform.store, isProof, () => store(other));
    const kept = await storeProof({ ...place.platform, store: late }, result);
    expect(kept?.key).to.equal(proofKey(job, 1));
    expect((await readProofs(place.platform.store, job)).map(({ key }) => key)).to.deep.equal([
      proofKey(job, 0),
      proofKey(job, 1),
    ]);
    expect(await found(await decisions())).to.deep.equal([]);
  });

  it('are not followed by one of an older journal', async () => {
    await store();
    expect(await store({ ...result, entry: result.entry - 1 })).to.equal(null);
    expect(await readProofs(place.platform.store, job)).to.have.lengthOf(1);
  });

  it('are altered if the first one follows another', async () => {
    await replace({ previous: 'sha256:0' });
    expect(await found(await decisions())).to.deep.equal(['proofAltered']);
  });

  it('name each entry before them by its bytes, although they list only the first ones', async () => {
    const evidence = result.evidence ?? expect.fail('there is no evidence');
    await store({ ...result, evidence: { ...evidence, decisions: { ...evidence.decisions, listed: [] } } });
    expect(await found(altered(await decisions(), 0))).to.deep.equal(['journalAltered']);
    await decide({ what: 'delivered', after: result.entry, to: 'x', outputs: 2, bytes: 4 });
    expect(await found(await decisions()), 'entries that came later').to.deep.equal([]);
  });

  it('name the last entry by its bytes without evidence too, as earlier builds wrote them', async () => {
    await store({ ...result, evidence: null });
    expect(await found(altered(await decisions(), result.entry))).to.deep.equal(['journalAltered']);
  });

  it('are not taken for damaged while the store does not answer', async () => {
    await store();
    const read = () => Promise.reject(new BatchctlError('unavailable', 'no answer'));
    await failsWith('unavailable', readProofs(wrapStore(place.platform.store, { read }), job));
  });

  it('stand whatever else lies beside them', async () => {
    const kept = await store();
    await place.platform.store.put(`${proofsPrefix(job)}notes.txt`, 'mine');
    expect(await standing()).to.deep.equal(kept?.proof);
    expect((await store())?.key).to.equal(kept?.key);
  });

  const after: readonly { readonly what: string; readonly entry: EntryKind; readonly stands: boolean }[] = [
    { what: 'a delivery', entry: { what: 'delivered', after: 1, to: 'x', outputs: 2, bytes: 4 }, stands: true },
    {
      what: 'a failed delivery',
      entry: { what: 'undelivered', after: 1, to: 'x', kind: 'unavailable', message: 'no', hint: null },
      stands: true,
    },
    { what: 'a prune', entry: { what: 'prune', remains: {} }, stands: true },
    { what: 'a correction of what it tolerates', entry: { what: 'adjust', tolerate: '1' }, stands: false },
  ];
  for (const { what, entry, stands } of after) {
    it(`${stands ? 'stand' : 'stand no longer'} after ${what}`, async () => {
      const kept = await store();
      await decide(entry);
      expect(await standing()).to.deep.equal(stands ? kept?.proof : null);
    });
  }

  it('do not stand for a journal that ends before them, or has an entry that is gone', async () => {
    await store();
    expect(await standing(result.entry - 1)).to.equal(null);
    expect(await standing(view.next)).to.equal(null);
  });

  it('do not stand if the last one is altered, or proves nothing', async () => {
    await replace({ result: { ...result, verdict: 'failed' } });
    expect(await standing()).to.equal(null);
    const kept = (await readProofs(place.platform.store, job))[0];
    if (kept === undefined || 'problem' in kept) throw new Error('there is no proof');
    await place.platform.store.put(kept.key, JSON.stringify({ ...kept.proof, who: 'another' }));
    await failsWith('corrupt', standing());
  });
});
