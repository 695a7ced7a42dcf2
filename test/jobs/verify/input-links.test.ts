// Protects: each output is bound to what it was made from; verify follows the chain, and a repair makes the whole chain agree.
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { GatherDigest } from '../../../src/jobs/gather-digest.ts';
import { append, requireView } from '../../../src/jobs/journal.ts';
import { readOutput } from '../../../src/jobs/output.ts';
import { InputLinks } from '../../../src/jobs/verify/input-links.ts';
import { storeProof } from '../../../src/jobs/verify/proof.ts';
import { repairJob } from '../../../src/jobs/verify/repair.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import type { EntryKind } from '../../../src/model/journal.ts';
import { outKey, outPrefix } from '../../../src/model/keys.ts';
import { META_KEY } from '../../../src/model/output.ts';
import type { JobView, OpenedGather } from '../../../src/model/view.ts';
import { viewOf } from '../../model/job-of.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { wrapStore } from '../../support/wrap-store.ts';
import { openPlace } from '../published-job.ts';
import { readText } from '../stored-text.ts';
import { publishAll, runJob, submitJob, work } from '../submitted-job.ts';

/** The first step prints something else each time. */
const RANDOM = `
name: claims
input: { split: { by: range, from: 1, to: 3 } }
steps:
  - { name: draw, run: "od -An -N8 -tx1 /dev/urandom" }
  - { name: copy, run: [cat] }
  - { name: again, run: [cat] }
  - { name: all, gather: true, run: [cat] }
  - { name: end, run: [cat] }
`;
/** Without a gather, which a repair sends only after two leases. */
const CHAIN = RANDOM.slice(0, RANDOM.indexOf('  - { name: all'));
const EXPLODING = `
name: claims
input: { split: { by: range, from: 1, to: 2 } }
steps:
  - { name: draw, run: "od -An -N8 -tx1 /dev/urandom" }
  - { name: cut, output: files, explode: true, run: "split -l 1 - $BATCHCTL_OUTPUT_DIR/x" }
  - { name: use, run: [cat] }
`;

describe('what outputs were made from', () => {
  const place = forEachTest(openPlace);

  const verify = (view: JobView) => verifyJob(place.platform, view);
  const textOf = (view: JobView, step: string, n: number) =>
    readText(place.platform.store, outKey(view.record.job, step, n));
  const metaOf = async ({ record }: JobView, step: string, n: number) =>
    (await readOutput(place.platform.store, record.job, step, n))?.meta;
  const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;
  const read = (view: JobView) => requireView(place.platform.store, view.record.job);
  const remove = ({ record }: JobView, step: string, n: number) =>
    place.platform.store.delete([outKey(record.job, step, n)]);
  const repair = async (view: JobView) => {
    const repaired = await repairJob(place.platform, await read(view));
    await work(place.platform);
    return repaired;
  };

  /** Changes fields in the metadata of an output. */
  async function changeMeta(view: JobView, step: string, n: number, change: (meta: object) => object): Promise<void> {
    const key = outKey(view.record.job, step, n);
    const { store } = place.platform;
    const info = await store.head(key);
    const meta = JSON.parse(info?.metadata[META_KEY] ?? '{}') as object;
    await store.put(key, await readText(store, key), { metadata: { [META_KEY]: JSON.stringify(change(meta)) } });
  }

  it('is in their metadata: the output before, or a digest over all that a gather read; nothing in the first step', async () => {
    const view = await runJob(place, RANDOM);
    expect((await metaOf(view, 'draw', 1))?.inputChecksum).to.equal(undefined);
    expect((await metaOf(view, 'copy', 1))?.inputChecksum).to.equal((await metaOf(view, 'draw', 1))?.checksum);
    const sums = await Promise.all([0, 1, 2].map(async (n) => `${(await metaOf(view, 'again', n))?.checksum}\n`));
    expect((await metaOf(view, 'all', 0))?.inputChecksum).to.equal(sha256(sums.join('')));
    expect((await metaOf(view, 'end', 0))?.inputChecksum).to.equal((await metaOf(view, 'all', 0))?.checksum);
    expect((await verify(view)).problems).to.deep.equal([]);
  });

  for (const input of ['dir', 'list'] as const)
    it(`is the same digest for a gather with input: ${input}`, async () => {
      const run = input === 'dir' ? 'ls $BATCHCTL_INPUT' : '[cat]';
      const view = await runJob(
        place,
        `name: claims\ninput: { split: { by: range, from: 1, to: 3 } }
steps: [{ name: draw, run: [cat] }, { name: all, gather: true, input: ${input}, run: ${run} }]`,
      );
      const sums = await Promise.all([0, 1, 2].map(async (n) => `${(await metaOf(view, 'draw', n))?.checksum}\n`));
      expect((await metaOf(view, 'all', 0))?.inputChecksum).to.equal(sha256(sums.join('')));
      expect((await verify(view)).verdict).to.equal('proven');
    });

  it('differs after an interim output was lost and made again; a repair makes everything after it again', async () => {
    const view = await runJob(place, CHAIN);
    await storeProof(place.platform, await verify(view));
    const untouched = await metaOf(view, 'again', 0);
    await remove(view, 'draw', 1);
    await repair(view);
    const found = await verify(view);
    expect(found.problems.map(({ code }) => code)).to.deep.equal(['otherInput']);
    const [old, now] = [(await metaOf(view, 'copy', 1))?.inputChecksum, (await metaOf(view, 'draw', 1))?.checksum];
    expect(old).not.to.equal(now);
    expect(found.problems[0]?.message).to.include(`copy/1 was made from an input with ${old}`);
    expect(found.problems[0]?.message).to.include(
      `draw/1, which it reads, has ${now?.slice(0, 'sha256:'.length + 13)}`,
    );

    expect((await repair(view)).replaced).to.deep.equal({ copy: '1', again: '1' });
    const after = await verify(view);
    expect([after.verdict, after.problems]).to.deep.equal(['proven', []]);
    for (const step of ['copy', 'again']) expect(await textOf(view, step, 1)).to.equal(await textOf(view, 'draw', 1));
    expect((await metaOf(view, 'again', 0))?.attempt).to.equal(untouched?.attempt);
  });

  it('differs up to the last step: a planned repair names all outputs that it would remove, and removes none', async () => {
    const view = await runJob(place, RANDOM);
    await remove(view, 'draw', 1);
    await repair(view);
    const planned = await repairJob(place.platform, await read(view), { dryRun: true });
    expect(planned.replaced).to.deep.equal({ copy: '1', again: '1', all: '0', end: '0' });
    expect([planned.reopened, (await verify(view)).missing]).to.deep.equal([true, []]);
  });

  it('is found by a gather alone if the last output before it was made again', async () => {
    const view = await runJob(place, RANDOM);
    await remove(view, 'again', 2);
    await changeMeta(view, 'all', 0, (meta) => ({ ...meta, inputChecksum: sha256('x') }));
    await repair(view);
    const { problems } = await verify(view);
    expect(problems.map(({ code }) => code)).to.deep.equal(['otherInput']);
    expect(problems[0]?.message).to.include('all/0 was made from').and.include('the outputs of again, which it reads');
    expect((await repair(view)).replaced).to.deep.equal({ all: '0', end: '0' });
    expect((await verify(view)).problems).to.deep.equal([]);
  });

  it('is not compared for outputs of earlier builds, which do not say', async () => {
    const view = await runJob(place, RANDOM);
    for (const n of [0, 1, 2])
      await changeMeta(view, 'copy', n, ({ ...meta }: { inputChecksum?: string }) => {
        delete meta.inputChecksum;
        return meta;
      });
    await remove(view, 'draw', 1);
    await repair(view);
    expect((await verify(view)).problems).to.deep.equal([]);
  });

  it('is not what it says: no checksum', async () => {
    const view = await runJob(place, RANDOM);
    await changeMeta(view, 'copy', 1, (meta) => ({ ...meta, inputChecksum: 'sha256:x' }));
    expect((await verify(view)).altered).to.deep.equal(['copy/1']);
  });

  it('is repaired once if two processes repair at the same time', async () => {
    const view = await runJob(place, CHAIN);
    await remove(view, 'draw', 1);
    await repair(view);
    const seen = await read(view);
    const both = await Promise.all([repairJob(place.platform, seen), repairJob(place.platform, seen)]);
    await work(place.platform);
    expect(both.map(({ sent }) => sent).sort()).to.deep.equal([0, 1]);
    expect((await verify(view)).problems).to.deep.equal([]);
  });

  it('is not repaired while the job is open, and not if something was decided about it meanwhile', async () => {
    const { platform } = place;
    const view = await runJob(place, CHAIN);
    await remove(view, 'draw', 1);
    await repair(view);
    const before = await textOf(view, 'copy', 1);
    const store = wrapStore(platform.store, {
      keys: async function* (prefix, options) {
        if (prefix === outPrefix(view.record.job, 'again'))
          await append(platform, await read(view), () => ({ what: 'adjust', maxRunning: 5 }));
        yield* platform.store.keys(prefix, options);
      },
    });
    expect((await repairJob({ ...platform, store }, await read(view))).replaced).to.deep.equal({});
    await append(platform, await read(view), () => ({ what: 'pause', now: false, reason: 'person' }));
    expect((await repairJob(platform, await read(view))).replaced).to.deep.equal({});
    expect(await textOf(view, 'copy', 1)).to.equal(before);
  });

  const JOURNALS: readonly (readonly [what: string, entry: EntryKind])[] = [
    ['cancelled', { what: 'cancel' }],
    ['stopped', { what: 'stop', cause: 'x' }],
    ['open', { what: 'retry', round: 1, tasks: { draw: '0' }, canaries: null, overrides: {} }],
  ];
  for (const [what, entry] of JOURNALS)
    it(`is not replaced in a job that is ${what}: workers may be reading it`, async () => {
      const view = await runJob(place, CHAIN);
      await changeMeta(view, 'copy', 1, (meta) => ({ ...meta, inputChecksum: sha256('x') }));
      await append(place.platform, view, () => entry);
      for (const dryRun of [true, false])
        expect((await repairJob(place.platform, await read(view), { dryRun })).replaced).to.deep.equal({});
      expect(await metaOf(view, 'copy', 1)).not.to.equal(undefined);
    });

  it('is removed from the last step on, so that a crash in between leaves outputs that show it', async () => {
    const { platform } = place;
    const view = await runJob(place, RANDOM);
    await changeMeta(view, 'copy', 1, (meta) => ({ ...meta, inputChecksum: sha256('x') }));
    const removed: string[] = [];
    const remove: typeof platform.store.delete = (keys) => {
      removed.push(...keys);
      return platform.store.delete(keys);
    };
    await repairJob({ ...platform, store: wrapStore(platform.store, { delete: remove }) }, view);
    const { job } = view.record;
    expect(removed.filter((key) => key.includes('/out/'))).to.deep.equal([
      ...[outKey(job, 'end', 0), outKey(job, 'all', 0), outKey(job, 'again', 1), outKey(job, 'copy', 1)],
    ]);
  });

  it('is removed and made again also if there are more than fit in one request', async () => {
    const view = await submitJob(place, CHAIN.replace('to: 3', 'to: 501'), {});
    const closed = await publishAll(place.platform, view);
    for (let n = 0; n < 501; n += 1)
      await changeMeta(closed, 'copy', n, (meta) => ({ ...meta, inputChecksum: sha256('x') }));
    const { missing, replaced } = await repairJob(place.platform, closed);
    expect([replaced, missing]).to.deep.equal([{ copy: '0-500', again: '0-500' }, { copy: '0-500' }]);
  });

  it('of an exploded file is the file; if its task can not be replaced, a repair refuses and says what to type', async () => {
    const view = await runJob(place, EXPLODING);
    const files = (await readOutput(place.platform.store, view.record.job, 'cut', 1))?.files;
    expect((await metaOf(view, 'use', 1))?.inputChecksum).to.equal(files?.[0]?.checksum);
    expect((await verify(view)).problems).to.deep.equal([]);
    await changeMeta(view, 'use', 1, (meta) => ({ ...meta, inputChecksum: sha256('x') }));
    const { problems } = await verify(view);
    expect(problems.map(({ code }) => code)).to.deep.equal(['otherFile']);
    expect(problems[0]?.message).to.include(
      `use/1 was made from an input with ${sha256('x').slice(0, 'sha256:'.length + 13)}, but xaa of cut/1`,
    );
    await remove(view, 'draw', 0);
    await repair(view);
    const error = await failsWith('refused', repair(view));
    expect(error.hint).to.include('submit JOBFILE --again');
    expect((await metaOf(view, 'cut', 0))?.attempt).to.be.a('string');
  });
});

describe('links between outputs', () => {
  const STEPS = viewOf([], RANDOM).record.spec.steps;
  const sum = (digit: string): string => `sha256:${digit.repeat(64)}`;
  const gather = (leftOut: string, count: number): OpenedGather => ({ format: 1, id: 'a', count, leftOut });

  it('compare nothing with the output of an earlier step if the one between is gone', () => {
    const links = new InputLinks(STEPS, [], [3, 3, 3, 1, 1]);
    expect(links.add(0, 0, { checksum: sum('a') })).to.equal(null);
    expect(links.add(2, 0, { checksum: sum('c'), inputChecksum: sum('b') })).to.equal(null);
    expect(links.add(4, 0, { checksum: sum('e'), inputChecksum: sum('c') })).to.equal(null);
    expect(links.stale()?.map(({ count }) => count)).to.deep.equal([0, 0, 0, 0, 0]);
  });

  it('leave late outputs out of what a gather read, and count the others', () => {
    for (const [leftOut, count, of, isOther] of [
      ['1', 1, ['a'], false],
      ['1', 1, ['a', 'b'], true],
      ['', 2, ['a', 'b'], false],
      ['', 2, ['a'], true],
      // One is gone, which is a finding of its own.
      ['', 3, ['a'], false],
    ] as const) {
      const links = new InputLinks(STEPS, [null, null, null, gather(leftOut, count)], [2, 2, 2, 1, 1]);
      for (const step of [0, 1, 2])
        for (const [task, digit] of ['a', 'b'].entries()) links.add(step, task, { checksum: sum(digit) });
      const digest = new GatherDigest();
      for (const digit of of) digest.add(sum(digit));
      const found = links.add(3, 0, { checksum: sum('f'), inputChecksum: digest.finish() });
      expect(found !== null, `${leftOut} ${of}`).to.equal(isOther);
      expect(links.stale()?.map((tasks) => [...tasks])).to.deep.equal([
        [],
        [],
        [],
        isOther ? [0] : [],
        isOther ? [0] : [],
      ]);
    }
  });

  it('make an output stale that was made from another file', () => {
    const steps = viewOf([], EXPLODING).record.spec.steps;
    const links = new InputLinks(steps, [null, null, gather('', 2)], [2, 2, 2]);
    for (const task of [0, 1]) links.add(2, task, { checksum: sum('a'), inputChecksum: sum(`${task}`) });
    expect(links.addFile(2, 0, { checksum: sum('0'), input: 'x' })).to.equal(null);
    expect(links.addFile(2, 1, { checksum: sum('0'), input: 'y' })).to.include({
      task: 1,
      input: 'y',
      found: sum('0'),
    });
    expect(links.stale()?.map((tasks) => [...tasks])).to.deep.equal([[], [], [1]]);
  });
});
