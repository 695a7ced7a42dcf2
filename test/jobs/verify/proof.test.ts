// Protects: the proof of a job names everything that decided it, stays the same, and shows later tampering.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { requireView } from '../../../src/jobs/journal.ts';
import { checkFile } from '../../../src/jobs/verify/check/check-file.ts';
import { EvidenceFile } from '../../../src/jobs/verify/evidence-log.ts';
import {
  checkProofs,
  proofChecksum,
  proofLine,
  proofNumber,
  readDecisions,
  readProofs,
  type StoredProof,
  standingProof,
  storeProof,
} from '../../../src/jobs/verify/proof.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import type { EntryKind } from '../../../src/model/journal.ts';
import { journalKey, outKey, proofKey } from '../../../src/model/keys.ts';
import type { Evidence } from '../../../src/model/verify/evidence.ts';
import { Findings } from '../../../src/model/verify/findings.ts';
import type { VerifyResult } from '../../../src/model/verify/verify-result.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { retryOf } from '../../model/job-of.ts';
import { addEntry } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { provenJob } from '../proven-job.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { changeMeta, changeText, readText } from '../stored-text.ts';
import { ONE_STEP, publishAll, submitJob, work } from '../submitted-job.ts';

describe('a proof with its evidence', () => {
  const place = forEachTest(openPlace);

  const verify = (view: JobView, deep = false) => verifyJob(place.platform, view, { deep });
  const textOf = (key: string) => readText(place.platform.store, key);
  const change = (key: string, edit: (text: string) => string) => changeText(place.platform.store, key, edit);
  const published = async () => publishAll(place.platform, await submitJob(place, ONE_STEP, { 'a.txt': 'a\nb\n' }));
  const codesOf = async (view: JobView): Promise<readonly string[]> =>
    (await verify(view)).problems.map(({ code }) => code);

  async function evidenceOf(view: JobView, deep = false): Promise<Evidence> {
    const { evidence, problems } = await verify(view, deep);
    return evidence ?? expect.fail(`no evidence: ${JSON.stringify(problems)}`);
  }

  async function writeEvidence(
    platform: Platform,
    view: JobView,
    store: (result: VerifyResult) => ReturnType<typeof storeProof>,
  ): Promise<string> {
    const path = join(place.directory, 'evidence.ndjson');
    const evidence = await EvidenceFile.create(path);
    const result = await verifyJob(platform, view, { evidence });
    evidence.line(await proofLine(platform, result, await store(result)));
    evidence.finish();
    return path;
  }

  it('names inputs, control totals, tolerated and skipped tasks, and who decided what', async () => {
    const view = await provenJob(place);
    const result = await verify(view);
    expect([result.verdict, result.problems]).to.deep.equal(['proven', []]);
    expect(result.skips).to.have.length(1);
    expect(result.skips[0]).to.include({ step: 'price', tasks: '4', who: 'ann@desk', reason: 'a test claim' });
    const { inputs, steps, tolerance, decisions, gathers, submitted } = await evidenceOf(view);
    expect(inputs).to.include({ count: 1, bytes: 12, records: 6 });
    expect(inputs.listed[0]).to.include({ name: 'a.txt', size: 12, checksum: null, checksumFrom: null });
    expect(inputs.listed[0]?.source).to.have.nested.property('pin.mtimeNs');
    expect(
      steps.map(({ name, ends, outputs, failed, skipped }) => [name, ends, outputs, failed, skipped]),
    ).to.deep.equal([
      ['price', 6, 4, '2', '4'],
      ['convert', 4, 4, '', ''],
      ['totals', 1, 1, '', ''],
    ]);
    expect(steps[0]).to.deep.include({ counters: { amount: '4.4' }, bytesIn: 8, bytesOut: 8 });
    expect(steps[0]?.made).to.deep.equal([{ round: 0, code: null, outputs: 4 }]);
    expect(gathers).to.deep.equal([{ step: 'totals', took: 4, leftOut: '2,4' }]);
    expect(tolerance).to.deep.equal({ value: '1', who: submitted.who, when: submitted.when, entry: null });
    expect(decisions.count).to.equal(view.next);
    expect(decisions.listed.map(({ what }) => what).join(' ')).to.equal('sent close skip open close');
    for (const { n, checksum } of decisions.listed)
      expect(bytesChecksum(Buffer.from(await textOf(journalKey(view.record.job, n))))).to.equal(checksum);
  });

  it('stays valid after a delivery, and until something new is decided', async () => {
    let view = await published();
    const stored = await storeProof(place.platform, await verify(view));
    const add = async (entry: EntryKind): Promise<void> => {
      view = await addEntry(place.platform, view, entry);
    };
    const standing = () => standingProof(place.platform, view.record.job, view.next - 1);
    await add({ what: 'delivered', after: view.next - 1, to: 'x', outputs: 2, bytes: 4 });
    expect(await standing()).to.deep.equal(stored?.proof);
    await add(retryOf(1, { price: '0' }));
    await add({ what: 'close', state: 'succeeded', reason: null, round: 1 });
    expect(await standing()).to.equal(null);
  });

  it('lists the rounds, the changes in them, and how many outputs each program made', async () => {
    const yaml = ONE_STEP.replace('[cat]', '"read n; test $n != 2 || test \\"$BATCHCTL_ROUND\\" = 1"').replace(
      'run:',
      'attempts: 1, run:',
    );
    const view = await submitJob(place, yaml, { 'a.txt': '1\n2\n3\n' });
    await work(place.platform);
    const { store } = place.platform;
    const now = () => requireView(store, view.record.job);
    const retry = retryOf(1, { price: '1' }, { overrides: { timeout: 60 } });
    await addEntry({ ...place.platform, who: 'ann@desk' }, await now(), retry);
    await publishSmall({ platform: place.platform, view: await now() }, 'price', 1, '');
    await changeMeta(store, outKey(view.record.job, 'price', 1), { code: 'c0de' });
    await look(place.platform, await now());
    const { rounds, steps } = await evidenceOf(await now());
    expect(rounds).to.have.length(1);
    expect(rounds[0]).to.deep.include({ round: 1, who: 'ann@desk', tasks: { price: '1' }, changed: { timeout: 60 } });
    expect(steps[0]?.made).to.deep.equal([
      { round: 0, code: null, outputs: 2 },
      { round: 1, code: 'c0de', outputs: 1 },
    ]);
  });

  it("computes the inputs' checksums with --deep if they are unchanged", async () => {
    const view = await published();
    const path = join(place.directory, 'a.txt');
    const deep = (await evidenceOf(view, true)).inputs.listed[0];
    expect(deep).to.include({ checksum: bytesChecksum(readFileSync(path)), checksumFrom: 'verify' });
    writeFileSync(path, 'c\nd\n');
    expect((await evidenceOf(view, true)).inputs.listed[0]).to.include({ checksum: null, checksumFrom: null });
  });

  it('is the same each time for the same store, and has another root if one output differs', async () => {
    const view = await published();
    const first = await evidenceOf(view);
    expect(await evidenceOf(view)).to.deep.equal(first);
    await changeMeta(place.platform.store, outKey(view.record.job, 'price', 1), { attempt: 'b'.repeat(16) });
    const second = await evidenceOf(view);
    expect(second.steps[0]?.root).not.to.equal(first.steps[0]?.root);
    expect({ ...second, steps: [] }).to.deep.equal({ ...first, steps: [] });
  });

  it('finds an earlier proof that was altered or is gone, and a journal entry that was rewritten', async () => {
    const { platform } = place;
    const { store } = platform;
    const view = await published();
    const [first, second] = [proofKey(view.record.job, 0), proofKey(view.record.job, 1)];
    await storeProof(platform, await verify(view));
    await storeProof(platform, await verify(view, true));
    expect(await codesOf(view)).to.deep.equal([]);
    const text = await textOf(first);
    await change(first, () => text.replace('"outputs":2', '"outputs":3'));
    expect(await codesOf(view)).to.deep.equal(['proofAltered', 'proofAltered']);
    await change(first, () => 'nonsense');
    expect(await codesOf(view)).to.deep.equal(['proofAltered']);
    await store.delete([first]);
    expect(await codesOf(view)).to.deep.equal(['proofMissing']);
    await store.put(first, text);
    await change(journalKey(view.record.job, 0), (entry) => entry.replace('me@here', 'eve@here'));
    expect(await codesOf(view)).to.deep.equal(['journalAltered', 'journalAltered']);
    expect((await verify(view)).problems[0]?.message).to.include(`entry 0 has changed since ${first}`);
    expect(await textOf(second)).to.have.length.above(0);
  });

  it('keeps the order of proofs beyond number 9,999, whose keys are listed among the others', async () => {
    const { platform } = place;
    const { store } = platform;
    const view = await published();
    const { job } = view.record;
    const result = await verify(view);
    const stored = await storeProof(platform, result);
    if (stored === null) expect.fail('nothing was proven');
    const put = async (number: number, previous: string | null): Promise<string> => {
      const proof = { ...stored.proof, previous };
      const text = JSON.stringify({ ...proof, checksum: proofChecksum(proof) });
      await store.put(proofKey(job, number), text);
      return bytesChecksum(new TextEncoder().encode(text));
    };
    // The chain from 9,998 on; the proofs before them are not needed for the order.
    let previous = await put(9_998, null);
    for (const number of [9_999, 10_000]) previous = await put(number, previous);
    expect((await storeProof(platform, result))?.number, 'says the same as the last').to.equal(10_000);
    expect((await storeProof(platform, { ...result, deep: true }))?.number).to.equal(10_001);
    const numbers = (await readProofs(store, job)).map(({ key }) => proofNumber(key));
    expect(numbers).to.deep.equal([0, 9_998, 9_999, 10_000, 10_001]);
    const findings = new Findings();
    checkProofs(await readProofs(store, job), await readDecisions(store, view), findings);
    expect(findings.list().map(({ message }) => message)).to.deep.equal([
      `the proof before ${proofKey(job, 9_998)} is gone`,
    ]);
  });

  it('names a proof as altered if its checksum was removed, also with its evidence', async () => {
    const view = await published();
    const key = proofKey(view.record.job, 0);
    await storeProof(place.platform, await verify(view));
    const { checksum: _, ...proof } = JSON.parse(await textOf(key)) as StoredProof;
    await change(key, () => JSON.stringify(proof));
    expect(await codesOf(view)).to.deep.equal(['proofAltered']);
    const { evidence: __, ...result } = proof.result;
    await change(key, () => JSON.stringify({ ...proof, result }));
    expect(await codesOf(view)).to.deep.equal(['proofAltered']);
  });

  it('writes the evidence of a failed proof as well, which a check reports as not proven', async () => {
    const { platform } = place;
    const view = await published();
    await platform.store.delete([outKey(view.record.job, 'price', 1)]);
    const path = await writeEvidence(platform, view, async () => null);
    const { mismatches, proof, key } = await checkFile(path);
    expect([proof?.result.verdict, key]).to.deep.equal(['failed', null]);
    expect(mismatches.map(({ code }) => code)).to.deep.equal(['missing', 'notProven']);
  });

  it('stays small however many tasks there are', async () => {
    const yaml =
      'name: claims\ninput: { split: { by: range, from: 1, to: 10001 } }\nsteps: [{ name: price, run: [cat] }]\n';
    const platform = { ...place.platform, store: new MemoryStore() };
    const view = await publishAll(platform, await submitJob({ ...place, platform }, yaml, {}));
    const path = await writeEvidence(platform, view, (result) => storeProof(platform, result));
    expect((await platform.store.read(proofKey(view.record.job, 0)))?.length).to.be.below(10_000);
    const { lines, mismatches } = await checkFile(path);
    // A header; two decisions and their shard; the parts and the ends in two shards each; proof and seal.
    expect([lines, mismatches]).to.deep.equal([1 + 3 + 2 * (10_001 + 2) + 2, []]);
    // As an auditor would compute it from docs/proof.md.
    const roots = rootsOf(readFileSync(path, 'utf8'));
    const { decisions, parts, steps } = (await verifyJob(platform, view)).evidence ?? {};
    expect(roots).to.deep.equal([
      { lines: [decisions?.count], root: decisions?.root },
      { lines: [10_000, 1], root: parts?.root },
      { lines: [10_000, 1], root: steps?.[0]?.root },
    ]);
  });

  /** The roots of a file, in its order, over the digests of the lines before each digest: not by batchctl's own code. */
  function rootsOf(text: string): readonly { readonly lines: readonly number[]; readonly root: string }[] {
    const found = new Map<string, { readonly lines: number[]; readonly digests: string[] }>();
    let [hash, count] = [createHash('sha256'), 0];
    for (const line of text.trimEnd().split('\n')) {
      const { line: kind, of } = JSON.parse(line) as { readonly line: string; readonly of?: string };
      if (['evidence', 'proof', 'seal'].includes(kind)) continue;
      if (kind !== 'shard') {
        hash.update(`${line}\n`);
        count += 1;
        continue;
      }
      const shards = found.get(String(of)) ?? { lines: [], digests: [] };
      found.set(String(of), shards);
      shards.lines.push(count);
      shards.digests.push(hash.digest('hex'));
      [hash, count] = [createHash('sha256'), 0];
    }
    return [...found.values()].map(({ lines, digests }) => {
      const root = createHash('sha256').update(digests.map((hex) => `${hex}\n`).join(''));
      return { lines, root: `sha256:${root.digest('hex')}` };
    });
  }
});
