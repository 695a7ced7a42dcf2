// Protects: prune frees the space of closed jobs, keeps their proof, and touches nothing in use.
import { expect } from 'chai';
import { retry } from '../../../src/jobs/change/retry.ts';
import { chooseStep } from '../../../src/jobs/fetch/names.ts';
import { append, requireView } from '../../../src/jobs/journal.ts';
import { choosePrunable, type PruneResult, prune } from '../../../src/jobs/prune/prune.ts';
import { statusOf } from '../../../src/jobs/status.ts';
import { createToken, listTokens } from '../../../src/jobs/tokens.ts';
import { storeProof } from '../../../src/jobs/verify/proof.ts';
import { rebuildAll } from '../../../src/jobs/verify/rebuild-all.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import type { EntryKind } from '../../../src/model/journal.ts';
import { codeKey, jobKey, jobPrefix, openMark, partShardKey, tokenKey, workerLogKey } from '../../../src/model/keys.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { entriesOf, keysBelow } from '../../support/stored.ts';
import { agedStore, wrapStore } from '../../support/wrap-store.ts';
import { openPlace, publishSmall, putJob } from '../published-job.ts';
import { LINES, publishAll, submitJob, work } from '../submitted-job.ts';

const DAY = 24 * 3_600_000;
describe('prune', () => {
  const place = forEachTest(openPlace);

  async function finished(lines = '1\n2\n3\n'): Promise<JobView> {
    const view = await publishAll(place.platform, await submitJob(place, LINES, { 'a.csv': lines }));
    await storeProof(place.platform, await verifyJob(place.platform, view));
    return view;
  }
  async function pruneAll(platform: Platform = place.platform, olderThan = 0, dryRun = false): Promise<PruneResult> {
    return prune(platform, await choosePrunable(platform, olderThan), olderThan, { dryRun });
  }
  const keys = async (prefix: string): Promise<readonly string[]> =>
    (await keysBelow(place.platform.store, prefix)).map((key) => key.slice(prefix.length));
  const reread = ({ record }: JobView) => requireView(place.platform.store, record.job);
  /** The platform some time later. */
  const later = (ms: number): Platform => ({ ...place.platform, clock: new FakeClock(Date.now() + ms) });
  const KEPT = ['job.json', 'journal/000000.json', 'journal/000001.json', 'journal/000002.json', 'proofs/0000.json'];

  it('removes tokens that expired before that time, but neither those in use nor unreadable ones', async () => {
    const { store } = place.platform;
    const longAgo = { ...place.platform, clock: new FakeClock(Date.now() - 60 * DAY) };
    await createToken(longAgo, { name: 'old', scope: 'read', expiresIn: 60 });
    await createToken(longAgo, { name: 'forever', scope: 'read', expiresIn: null });
    await createToken(place.platform, { name: 'new', scope: 'read', expiresIn: 60 });
    await store.put(tokenKey('f'.repeat(64)), 'rubbish');
    const names = async () => (await listTokens(store, () => {})).map(({ token }) => token?.name);
    expect((await pruneAll(place.platform, 30 * DAY, true)).leftovers.tokens.objects).to.equal(1);
    expect(await names()).to.have.members(['old', 'forever', 'new', undefined]);
    expect((await pruneAll(place.platform, 30 * DAY)).leftovers.tokens.objects).to.equal(1);
    expect(await names()).to.have.members(['forever', 'new', undefined]);
    // However short the time: a token that just expired may still be asked about.
    expect((await pruneAll(later(120_000))).leftovers.tokens.objects).to.equal(0);
  });

  it('removes everything that a closed job wrote except its journal, its proof and what its gather opened with', async () => {
    const view = await finished();
    const before = await keys(jobPrefix(view.record.job));
    const pruned = await pruneAll();
    const kept = [...KEPT, 'pruned.json', 'steps/totals/opened.json'];
    expect(await keys(jobPrefix(view.record.job))).to.deep.equal(kept);
    expect(pruned.jobs).to.have.length(1);
    expect(pruned.jobs[0]).to.include({ job: view.record.job, state: 'succeeded', proof: true });
    expect(pruned.jobs[0]?.objects).to.equal(before.length - (kept.length - 2));
    expect(await entriesOf(place.platform.store, view.record.job)).to.deep.equal(['sent', 'close', 'prune']);
  });

  it('leaves a status with the same counts, a valid proof, and clear messages about removed objects', async () => {
    const view = await finished();
    const before = await statusOf(place.platform, view);
    await pruneAll();
    const now = await reread(view);
    const after = await statusOf(place.platform, now);
    expect(after.steps).to.deep.equal(before.steps);
    expect(after).to.include({ state: 'succeeded', exact: true });
    expect(after.prunedAt).to.be.a('string');
    expect((await verifyJob(place.platform, now)).verdict).to.equal('proven');
    expect(() => chooseStep(now, undefined))
      .to.throw()
      .with.property('message')
      .that.matches(/was pruned on \d{4}-\d\d-\d\d by me@here: its outputs are gone/);
    const again = retry(place.platform, now);
    expect((await rejection(again)).message)
      .to.include("can't retry")
      .and.include('was pruned on');
    expect((await (await place.platform.ledger()).jobs({}))[0]).to.include({ pruned: true });
  });

  it('spares open jobs, recently closed ones, and what an open job reads, and says so', async () => {
    const source = await finished();
    const reader = await submitJob(place, LINES.replace('a.csv, split', `"job:${source.record.job}/price", split`), {});
    const spared = async (age: number) =>
      Object.fromEntries((await pruneAll(place.platform, age)).spared.map(({ job, why }) => [job, why]));
    expect(await spared(0)).to.deep.equal({ [source.record.job]: 'read', [reader.record.job]: 'open' });
    await publishAll(place.platform, reader);
    expect(await spared(DAY)).to.deep.equal({ [source.record.job]: 'recent', [reader.record.job]: 'recent' });
    expect(await spared(0)).to.deep.equal({});
    expect((await reread(source)).pruned).not.to.equal(null);
  });

  it('spares what is still to be delivered, until its delivery is given up', async () => {
    const put = await putJob(place.platform, [{ name: 'a' }]);
    const to = 's3://acme-reports/claims/';
    const record = { ...put.record, deliverTo: { place: to, host: null } };
    await place.platform.store.put(jobKey(record.job), JSON.stringify(record));
    let view: JobView = { ...put, record };
    const add = async (entry: EntryKind): Promise<void> => {
      view = (await append(place.platform, view, () => entry)).view;
    };
    const spared = async (): Promise<unknown> => (await choosePrunable(place.platform, 0)).spared;
    await add({ what: 'close', state: 'succeeded', reason: null, round: 0 });
    const undelivered = [{ job: record.job, why: 'undelivered', detail: to }];
    expect(await spared()).to.deep.equal(undelivered);
    const failed = { what: 'undelivered', after: 0, to, kind: 'credentials', message: 'denied', hint: null } as const;
    for (let n = 0; n < 7; n += 1) await add(failed);
    expect(await spared()).to.deep.equal(undelivered);
    await add(failed);
    expect(await spared()).to.deep.equal([]);
  });

  it('removes the oldest jobs first, whatever their names', async () => {
    const ended: string[] = [];
    for (let n = 0; n < 4; n += 1) ended.push((await finished()).record.job);
    expect((await pruneAll(place.platform, 0, true)).jobs.map(({ job }) => job)).to.deep.equal(ended);
    expect((await pruneAll()).jobs.map(({ job }) => job)).to.deep.equal(ended);
  });

  it('writes nothing in a dry run, and counts what would be removed', async () => {
    const view = await finished();
    const before = await keys('');
    const dry = await pruneAll(place.platform, 0, true);
    expect(await keys('')).to.deep.equal(before);
    const { total } = await pruneAll();
    expect(dry.total).to.deep.equal(total);
    expect(total.bytes).to.be.greaterThan(0);
    expect((await reread(view)).pruned).not.to.equal(null);
  });

  it('may be killed after any write: the job is whole, or is marked as pruned and the next prune completes it', async () => {
    for (let writes = 0, ended = false; !ended; writes += 1) {
      const view = await finished('1\n');
      const before = await statusOf(place.platform, view);
      let left = writes;
      const { store } = place.platform;
      const spend = (): void => {
        left -= 1;
        if (left < 0) throw new Error('dead');
      };
      const dying = wrapStore(store, {
        put: async (...put) => {
          spend();
          return store.put(...put);
        },
        delete: async (gone) => {
          // One by one, because a crash may happen in the middle of a batch.
          for (const key of gone) {
            spend();
            await store.delete([key]);
          }
        },
      });
      ended = await pruneAll({ ...place.platform, store: dying }).then(
        () => true,
        () => false,
      );
      const now = await reread(view);
      if (now.pruned === null) expect((await verifyJob(place.platform, now)).verdict).to.equal('proven');
      await pruneAll();
      expect((await keys(jobPrefix(view.record.job))).filter((key) => /^(parts|steps\/price)/.test(key))).to.deep.equal(
        [],
      );
      expect((await statusOf(place.platform, await reread(view))).steps).to.deep.equal(before.steps);
      expect((await verifyJob(place.platform, await reread(view))).verdict).to.equal('proven');
    }
  });

  it('removes the same things once if several run at the same time, and a retry in between wins or is refused', async () => {
    const view = await finished();
    const [a, b] = await Promise.all([pruneAll(), pruneAll()]);
    expect([...a.jobs, ...b.jobs].every(({ job }) => job === view.record.job)).to.equal(true);
    const whats = await entriesOf(place.platform.store, view.record.job);
    expect(whats.filter((what) => what === 'prune')).to.have.length(1);

    const other = await finished();
    const choice = await choosePrunable(place.platform, 0);
    const skip = { what: 'skip', tasks: { price: '0' }, reason: 'x' } as const;
    await append(place.platform, other, () => skip);
    const { spared } = await prune(place.platform, choice, 0, {});
    expect(spared.map(({ job }) => job)).to.include(other.record.job);
    expect((await verifyJob(place.platform, other)).verdict).not.to.equal('failed');
  });

  it('removes what a late attempt published after the prune', async () => {
    const view = await finished();
    await pruneAll();
    await publishSmall({ platform: place.platform, view }, 'price', 1, 'late\n');
    await pruneAll(place.platform, 30 * DAY);
    expect((await keys(jobPrefix(view.record.job))).filter((key) => key.includes('/out/'))).to.deep.equal([]);
  });

  it('makes workers drop the messages of a pruned job', async () => {
    const view = await finished();
    await pruneAll();
    // Messages that publishAll did not take from the queue: three of price, and one of totals.
    const queue = await place.platform.queue('default');
    expect((await queue.backlog()).visible).to.be.greaterThan(0);
    await work(place.platform);
    expect(await queue.backlog()).to.include({ visible: 0, leased: 0, delayed: 0, dead: 0 });
    expect((await keys(jobPrefix(view.record.job))).filter((key) => key.includes('/out/'))).to.deep.equal([]);
    expect((await keys(jobPrefix(view.record.job))).filter((key) => key.includes('/failed/'))).to.deep.equal([]);
  });

  it('removes code, submissions and worker logs that nothing needs, once they are old', async () => {
    const view = await finished();
    const { store } = place.platform;
    const [used, unused] = [codeKey(view.record.code ?? ''), codeKey('0'.repeat(64))];
    await store.put(unused, 'x');
    await store.put(workerLogKey('w-gone'), 'x');
    await store.put(partShardKey('lost-20261130-0600-abcde', 0), 'x');
    await store.put(openMark('lost-20261130-0600-abcde', 0), '{}');
    const whole = { ...view.record, runKey: 'k', runNumber: 0, job: 'loser-20261130-0600-abcde' };
    await store.put(jobKey(whole.job), JSON.stringify(whole));
    const isThere = async (key: string) => (await store.head(key)) !== null;
    await pruneAll(place.platform, 0, false);
    expect(await isThere(unused), 'too new').to.equal(true);
    expect(await isThere(partShardKey('lost-20261130-0600-abcde', 0))).to.equal(true);

    const another = await finished();
    const { leftovers } = await pruneAll({ ...place.platform, store: agedStore(store, 40 * DAY) }, 30 * DAY);
    expect(leftovers).to.deep.include({ code: { objects: 1, bytes: 1 }, workers: { objects: 1, bytes: 1 } });
    expect(leftovers.submissions.objects).to.equal(3);
    expect(await isThere(used), 'a whole job names it').to.equal(true);
    expect(await isThere(partShardKey(another.record.job, 0))).to.equal(true);
    for (const key of [unused, jobKey(whole.job), openMark('lost-20261130-0600-abcde', 0)]) {
      expect(await isThere(key), key).to.equal(false);
    }
  });

  it('keeps only a short line for each selected job, however many inputs it has', async () => {
    const inputs = Array.from({ length: 500 }, (_, n) => ({ name: `part-${n}.csv` }));
    const view = await putJob(place.platform, inputs, {});
    const close = { what: 'close', state: 'succeeded', reason: null, round: 0 } as const;
    await append(place.platform, view, () => close);
    const { jobs } = await choosePrunable(place.platform, 0);
    expect(jobs.map(({ job }) => job)).to.deep.equal([view.record.job]);
    expect(JSON.stringify(jobs).length).to.be.below(200);
  });

  it("doesn't read jobs that were pruned long ago", async () => {
    const view = await finished();
    await pruneAll();
    await publishSmall({ platform: place.platform, view }, 'price', 1, 'stray\n');
    expect((await choosePrunable(later(3 * DAY), 0)).jobs).to.deep.equal([]);
  });

  it('leaves jobs that a rebuilt ledger shows as pruned, with their counts', async () => {
    const view = await finished();
    const before = await statusOf(place.platform, view);
    await pruneAll();
    const fresh = await openPlace();
    try {
      const lost = { ...place.platform, ledger: () => fresh.platform.ledger() };
      const rebuilt = await rebuildAll(lost, { since: null, dryRun: false });
      expect(rebuilt).to.deep.include({ jobs: 1, exact: 1, unreadable: [] });
      const after = await statusOf(lost, await reread(view));
      expect(after.steps).to.deep.equal(before.steps);
      expect((await (await lost.ledger()).jobs({}))[0]).to.include({ pruned: true, state: 'succeeded' });
    } finally {
      await fresh.end();
    }
  });
});
