// Protects: prune frees the space of closed jobs, keeps their proof, and touches nothing in use.
import { expect } from 'chai';
import { retry } from '../../../src/jobs/change/retry.ts';
import { chooseStep } from '../../../src/jobs/fetch/names.ts';
import { requireView } from '../../../src/jobs/journal.ts';
import { choosePrunable, prune } from '../../../src/jobs/prune/prune.ts';
import { statusOf } from '../../../src/jobs/status.ts';
import { createToken, listTokens } from '../../../src/jobs/tokens.ts';
import { rebuildAll } from '../../../src/jobs/verify/rebuild-all.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import type { EntryKind } from '../../../src/model/journal.ts';
import {
  codeKey,
  jobKey,
  jobPrefix,
  openMark,
  outKey,
  partShardKey,
  tokenKey,
  workerLogKey,
} from '../../../src/model/keys.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { addEntry } from '../../support/claims-job.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rejection } from '../../support/rejection.ts';
import { entryKinds, keysBelow } from '../../support/stored.ts';
import { agedStore, wrapStore } from '../../support/wrap-store.ts';
import { openPlace, publishSmall, putJob } from '../published-job.ts';
import { changeMeta, changeText } from '../stored-text.ts';
import { publishAll, submitJob, work } from '../submitted-job.ts';
import { DAY, finishedJob, pruneAll, readerOf } from './finished-job.ts';

describe('prune', () => {
  const place = forEachTest(openPlace);
  const cleanup = forEachTest(() => new Cleanup());

  /** The keys of a job's objects, without its prefix. */
  const keysOf = async ({ record }: JobView, pattern = /./): Promise<readonly string[]> => {
    const prefix = jobPrefix(record.job);
    return (await keysBelow(place.platform.store, prefix))
      .map((key) => key.slice(prefix.length))
      .filter((key) => pattern.test(key));
  };
  const reread = ({ record }: JobView) => requireView(place.platform.store, record.job);
  const verdict = async (view: JobView) => (await verifyJob(place.platform, view)).verdict;
  /** The platform some time later. */
  const later = (ms: number): Platform => ({ ...place.platform, clock: new FakeClock(Date.now() + ms) });
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
    // A token that just expired stays, however short the time, because people may still ask about it.
    expect((await pruneAll(later(120_000))).leftovers.tokens.objects).to.equal(0);
  });

  it('removes what a closed job wrote, except its journal, its proof and the record of its opened gather', async () => {
    const view = await finishedJob(place);
    const { job } = view.record;
    const before = await keysOf(view);
    const { jobs } = await pruneAll(place.platform);
    const journal = [0, 1, 2].map((n) => `journal/00000${n}.json`);
    const kept = ['job.json', ...journal, 'proofs/0000.json', 'pruned.json', 'steps/totals/opened.json'];
    expect(await keysOf(view)).to.deep.equal(kept);
    expect(jobs).to.have.length(1);
    const objects = before.length - (kept.length - 2);
    expect(jobs[0]).to.include({ job, state: 'succeeded', proof: true, objects });
    expect(await entryKinds(place.platform.store, job)).to.deep.equal(['sent', 'close', 'prune']);
  });

  it('leaves a status with the same counts, a valid proof, and clear messages about removed objects', async () => {
    const view = await finishedJob(place);
    const before = await statusOf(place.platform, view);
    await pruneAll(place.platform);
    const now = await reread(view);
    const after = await statusOf(place.platform, now);
    expect(after.steps).to.deep.equal(before.steps);
    expect(after).to.include({ state: 'succeeded', exact: true });
    expect(after.prunedAt).to.be.a('string');
    expect(await verdict(now)).to.equal('proven');
    const outputsGone = /was pruned on \d{4}-\d\d-\d\d by me@here: its outputs are gone/;
    expect(() => chooseStep(now, undefined)).to.throw(outputsGone);
    const { message } = await rejection(retry(place.platform, now));
    expect(message).to.include("can't retry").and.include('was pruned on');
    expect((await (await place.platform.ledger()).jobs({}))[0]).to.include({ pruned: true });
  });

  it('spares open jobs, recently closed ones, and jobs that an open job reads, and says so', async () => {
    const source = await finishedJob(place);
    const reader = await submitJob(place, readerOf(source), {});
    const spared = async (age: number) =>
      Object.fromEntries((await pruneAll(place.platform, age)).spared.map(({ job, why }) => [job, why]));
    expect(await spared(0)).to.deep.equal({ [source.record.job]: 'read', [reader.record.job]: 'open' });
    await publishAll(place.platform, reader);
    // However long ago it was submitted: its end counts.
    const longAgo = new Date(Date.now() - 40 * DAY).toISOString();
    await changeText(place.platform.store, jobKey(source.record.job), (text) =>
      JSON.stringify({ ...JSON.parse(text), createdAt: longAgo }),
    );
    expect(await spared(DAY)).to.deep.equal({ [source.record.job]: 'recent', [reader.record.job]: 'recent' });
    expect(await spared(0)).to.deep.equal({});
    expect((await reread(source)).pruned).not.to.equal(null);
  });

  it('spares outputs that are still to be delivered, until their delivery is given up', async () => {
    const put = await putJob(place.platform, [{ name: 'a' }]);
    const to = 's3://acme-reports/claims/';
    const record = { ...put.record, deliverTo: { place: to, host: null } };
    await place.platform.store.put(jobKey(record.job), JSON.stringify(record));
    let view: JobView = { ...put, record };
    const add = async (entry: EntryKind): Promise<void> => {
      view = await addEntry(place.platform, view, entry);
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
    for (let n = 0; n < 4; n += 1) ended.push((await finishedJob(place)).record.job);
    expect((await pruneAll(place.platform, 0, true)).jobs.map(({ job }) => job)).to.deep.equal(ended);
    expect((await pruneAll(place.platform)).jobs.map(({ job }) => job)).to.deep.equal(ended);
  });

  it('writes nothing in a dry run, and counts the objects that would be removed', async () => {
    const view = await finishedJob(place);
    const before = await keysBelow(place.platform.store, '');
    const dry = await pruneAll(place.platform, 0, true);
    expect(await keysBelow(place.platform.store, '')).to.deep.equal(before);
    const { total } = await pruneAll(place.platform);
    expect(dry.total).to.deep.equal(total);
    expect(total.bytes).to.be.greaterThan(0);
    expect((await reread(view)).pruned).not.to.equal(null);
  });

  it('leaves a whole job, or one whose prune the next one completes, if killed after any write', async () => {
    for (let writes = 0, ended = false; !ended; writes += 1) {
      const view = await finishedJob(place, '1\n');
      const before = await statusOf(place.platform, view);
      let left = writes;
      const { store } = place.platform;
      const countWrite = (): void => {
        left -= 1;
        if (left < 0) throw new Error('killed');
      };
      const dying = wrapStore(store, {
        put: async (...args) => {
          countWrite();
          return store.put(...args);
        },
        delete: async (keys) => {
          // One by one, because a crash may happen in the middle of a batch.
          for (const key of keys) {
            countWrite();
            await store.delete([key]);
          }
        },
      });
      ended = await pruneAll({ ...place.platform, store: dying }).then(
        () => true,
        () => false,
      );
      const now = await reread(view);
      if (now.pruned === null) expect(await verdict(now)).to.equal('proven');
      await pruneAll(place.platform);
      expect(await keysOf(view, /^(parts|steps\/price)/)).to.deep.equal([]);
      expect((await statusOf(place.platform, await reread(view))).steps).to.deep.equal(before.steps);
      expect(await verdict(await reread(view))).to.equal('proven');
    }
  });

  it('prunes a job once if several run at the same time', async () => {
    const view = await finishedJob(place);
    const [a, b] = await Promise.all([pruneAll(place.platform), pruneAll(place.platform)]);
    expect([...a.jobs, ...b.jobs].every(({ job }) => job === view.record.job)).to.equal(true);
    const entries = await entryKinds(place.platform.store, view.record.job);
    expect(entries.filter((what) => what === 'prune')).to.have.length(1);
  });

  it('spares a job that was changed since it was selected', async () => {
    const view = await finishedJob(place);
    const choice = await choosePrunable(place.platform, 0);
    await addEntry(place.platform, view, { what: 'skip', tasks: { price: '0' }, reason: 'x' });
    const { spared } = await prune(place.platform, choice, 0, {});
    expect(spared.map(({ job }) => job)).to.include(view.record.job);
    expect(await verdict(view)).not.to.equal('failed');
  });

  it('leaves a job with outputs of a later version as it is, says which, and removes the others', async () => {
    const [kept, other] = [await finishedJob(place), await finishedJob(place)];
    const { store } = place.platform;
    const [count, decided] = [(await keysOf(kept)).length, await entryKinds(store, kept.record.job)];
    await changeMeta(store, outKey(kept.record.job, 'price', 1), { format: 99 as 2 });
    // Its ledger has no exact counts, so its outputs are counted.
    const fresh = await openPlace();
    cleanup.defer(() => fresh.end());
    const lost = { ...place.platform, ledger: () => fresh.platform.ledger() };
    const { jobs, spared } = await pruneAll(lost);
    expect(jobs.map(({ job }) => job)).to.deep.equal([other.record.job]);
    expect(spared).to.deep.equal([
      {
        job: kept.record.job,
        why: 'unreadable',
        detail: `${outKey(kept.record.job, 'price', 1)} has format 99; this version reads up to 2`,
      },
    ]);
    expect(await entryKinds(store, kept.record.job)).to.deep.equal(decided);
    expect((await keysOf(kept)).length).to.equal(count);
  });

  it('keeps the code of a job that was changed since it was selected', async () => {
    const view = await finishedJob(place);
    const aged = { ...place.platform, store: agedStore(place.platform.store, 40 * DAY) };
    const code = codeKey(view.record.code ?? '');
    const isThere = async () => (await place.platform.store.head(code)) !== null;
    const choice = await choosePrunable(place.platform, 0);
    expect(choice.jobs.map(({ job }) => job)).to.deep.equal([view.record.job]);
    await addEntry(place.platform, view, { what: 'skip', tasks: { price: '0' }, reason: 'x' });
    await prune(aged, choice, 0, {});
    expect(await isThere()).to.equal(true);
  });

  it('removes an output that a late attempt published after the prune', async () => {
    const view = await finishedJob(place);
    await pruneAll(place.platform);
    await publishSmall({ platform: place.platform, view }, 'price', 1, 'late\n');
    await pruneAll(place.platform, 30 * DAY);
    expect(await keysOf(view, /\/out\//)).to.deep.equal([]);
  });

  it('makes workers drop the messages of a pruned job', async () => {
    const view = await finishedJob(place);
    await pruneAll(place.platform);
    // Messages that publishAll did not take from the queue: three of price, and one of totals.
    const queue = await place.platform.queue('default');
    expect((await queue.backlog()).visible).to.be.greaterThan(0);
    await work(place.platform);
    expect(await queue.backlog()).to.include({ visible: 0, leased: 0, delayed: 0, dead: 0 });
    expect(await keysOf(view, /\/(out|failed)\//)).to.deep.equal([]);
  });

  it('removes unused code, submissions and worker logs once they are old', async () => {
    const view = await finishedJob(place);
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

    const another = await finishedJob(place);
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
    await addEntry(place.platform, view, { what: 'close', state: 'succeeded', reason: null, round: 0 });
    const { jobs } = await choosePrunable(place.platform, 0);
    expect(jobs.map(({ job }) => job)).to.deep.equal([view.record.job]);
    expect(JSON.stringify(jobs).length).to.be.below(200);
  });

  it("doesn't read jobs that were pruned long ago", async () => {
    const view = await finishedJob(place);
    await pruneAll(place.platform);
    await publishSmall({ platform: place.platform, view }, 'price', 1, 'stray\n');
    expect((await choosePrunable(later(3 * DAY), 0)).jobs).to.deep.equal([]);
  });

  it('leaves jobs that a rebuilt ledger shows as pruned, with their counts', async () => {
    const view = await finishedJob(place);
    const before = await statusOf(place.platform, view);
    await pruneAll(place.platform);
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
