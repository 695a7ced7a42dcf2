// Protects: verify --repair restores lost outputs and a lost ledger, and repeats no other work.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { retry } from '../../../src/jobs/change/retry.ts';
import { skip } from '../../../src/jobs/change/skip.ts';
import { append, readEntries, requireView } from '../../../src/jobs/journal.ts';
import { readOutput } from '../../../src/jobs/output.ts';
import { repairJob } from '../../../src/jobs/verify/repair.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { failedKey, failedPrefix, OPEN_PREFIX, openedKey, outKey } from '../../../src/model/keys.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { event } from '../../contracts/ledger-events.ts';
import { claimsJob, failForGood } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { entryKinds, keysBelow } from '../../support/stored.ts';
import { wrapStore } from '../../support/wrap-store.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { openAgain, runJob, submitJob, work } from '../submitted-job.ts';

const YAML = `
name: claims
input: { split: { by: range, from: 1, to: 6 } }
steps:
  - { name: price, run: "cat; echo records 1 >> $BATCHCTL_COUNTERS" }
  - { name: convert, run: [cat] }
  - { name: totals, gather: true, run: [wc, -l] }
expect: [price.records == 6]
`;
const FAILING = `
name: claims
input: { split: { by: range, from: 1, to: 4 } }
tolerate: 1
steps:
  - { name: price, attempts: 2, run: "read n && test $n != 2 && echo records $n >> $BATCHCTL_COUNTERS" }
`;

describe('repairing a job', () => {
  const place = forEachTest(openPlace);

  const repair = (view: JobView) => repairJob(place.platform, view);
  const verify = (view: JobView) => verifyJob(place.platform, view);
  const read = ({ record }: JobView) => requireView(place.platform.store, record.job);
  const remove = ({ record }: JobView, ...tasks: readonly (readonly [string, number])[]) =>
    place.platform.store.delete(tasks.map(([step, task]) => outKey(record.job, step, task)));

  const openMarks = () => keysBelow(place.platform.store, OPEN_PREFIX);

  it('reopens a closed job for an output that was deleted, and proves it once a worker has made it again', async () => {
    const view = await runJob(place, YAML);
    expect((await verify(view)).verdict).to.equal('proven');
    await remove(view, ['convert', 3]);
    const repaired = await repair(view);
    expect(repaired).to.include({ sent: 1, reopened: true, withheld: null });
    expect(repaired.missing).to.deep.equal({ convert: '3' });
    expect(await openMarks()).to.deep.equal([`${OPEN_PREFIX}${view.record.job}.1`]);
    expect((await verify(view)).verdict).to.equal('unfinished');
    await work(place.platform);
    const after = await verify(view);
    expect([after.verdict, after.round, after.problems]).to.deep.equal(['proven', 1, []]);
    expect(await openMarks()).to.deep.equal([]);
  });

  it('runs a chain again from the step whose output is gone, and keeps the later outputs', async () => {
    const view = await runJob(place, YAML);
    const kept = await place.platform.store.head(outKey(view.record.job, 'convert', 2));
    await remove(view, ['price', 2], ['price', 4], ['convert', 4]);
    const repaired = await repair(view);
    expect(repaired.missing).to.deep.equal({ price: '2,4' });
    await work(place.platform);
    expect((await verify(view)).problems).to.deep.equal([]);
    expect((await place.platform.store.head(outKey(view.record.job, 'convert', 2)))?.etag).to.equal(kept?.etag);
  });

  it('writes a lost opened.json again', async () => {
    const view = await runJob(place, YAML);
    await place.platform.store.delete([openedKey(view.record.job, 'totals')]);
    expect((await verify(view)).problems.map(({ code }) => code)).to.deep.equal(['notOpened']);
    expect(await repair(view)).to.include({ sent: 0, reopened: false });
    expect((await verify(view)).verdict).to.equal('proven');
  });

  it('sends the missing messages of an open job at once', async () => {
    const view = await submitJob(place, YAML, {});
    await (await place.platform.queue('default')).purge({});
    const repaired = await repair(view);
    expect(repaired).to.include({ sent: 6, reopened: false });
    expect((await readEntries(place.platform.store, view.record.job)).at(-1)?.what).to.equal('resend');
    await work(place.platform);
    expect((await verify(view)).verdict).to.equal('proven');
  });

  it('sends them once if two processes repair at the same time', async () => {
    const view = await submitJob(place, YAML, {});
    const queue = await place.platform.queue('default');
    await queue.purge({});
    const both = await Promise.all([repair(view), repair(view)]);
    expect(both.map(({ sent }) => sent).sort()).to.deep.equal([0, 6]);
    expect((await queue.backlog()).visible).to.equal(6);
  });

  it('shows a reopened job as running, and sends no gather before what it reads', async () => {
    const view = await runJob(place, YAML);
    const ledger = await place.platform.ledger();
    expect((await ledger.job(view.record.job))?.state).to.equal('succeeded');
    await remove(view, ['price', 2], ['convert', 2], ['totals', 0]);
    const { missing, sent } = await repair(view);
    expect([missing, sent]).to.deep.equal([{ price: '2', totals: '0' }, 1]);
    expect((await ledger.job(view.record.job))?.state).to.equal('running');
  });

  it('refuses a pruned job, also with dryRun', async () => {
    const { platform } = place;
    const view = await runJob(place, YAML);
    await append(platform, view, () => ({ what: 'prune' }));
    for (const dryRun of [true, false]) await failsWith('notFound', repairJob(platform, await read(view), { dryRun }));
  });

  it('withholds nothing of a cancelled job that lacks nothing', async () => {
    const view = await runJob(place, YAML);
    await append(place.platform, view, () => ({ what: 'cancel' }));
    expect(await repair(await read(view))).to.include({ sent: 0, withheld: null });
  });

  it('happens only once if two processes repair at the same time', async () => {
    const view = await runJob(place, YAML);
    await remove(view, ['convert', 1]);
    const both = await Promise.all([repair(view), repair(view)]);
    expect(both.map(({ sent }) => sent).sort()).to.deep.equal([0, 1]);
    const entries = await entryKinds(place.platform.store, view.record.job);
    expect(entries.filter((what) => what === 'retry')).to.have.length(1);
    await work(place.platform);
    expect((await verify(view)).verdict).to.equal('proven');
  });

  it('sends nothing for a job that a person cancelled or paused', async () => {
    const { platform } = place;
    const view = await submitJob(place, YAML, {});
    await append(platform, view, () => ({ what: 'pause', now: false, reason: 'person' }));
    expect(await repair(view)).to.include({ sent: 0, withheld: 'paused' });
    await append(platform, view, () => ({ what: 'cancel' }));
    await look(platform, view);
    expect(await repair(view)).to.include({ sent: 0, reopened: false, withheld: 'cancelled' });
  });

  it('with dryRun returns the planned changes, and writes nothing', async () => {
    const view = await runJob(place, YAML);
    await remove(view, ['convert', 3]);
    const before = (await read(view)).next;
    const planned = await repairJob(place.platform, view, { dryRun: true });
    expect(planned).to.include({ sent: 0, reopened: true });
    expect(planned.missing).to.deep.equal({ convert: '3' });
    expect([(await read(view)).next, await openMarks()]).to.deep.equal([before, []]);
  });

  it('takes no exact counts of a step that never opened: its tasks may still run in this round', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    const { job } = view.record;
    for (const n of [0, 1, 2]) await publishSmall({ platform, view }, 'price', n, 'x');
    await failForGood(platform, job, 'price', 3);
    await look(platform, view);
    await repair(await read(view));
    const ledger = await platform.ledger();
    await ledger.record([event('done', 0, { job, step: 'total' })]);
    const counts = await ledger.counts(job);
    expect(counts.map(({ step, done, failed }) => [step, done, failed])).to.deep.equal([
      ['price', 3, 1],
      ['total', 1, 0],
    ]);
  });

  it('does not record counts that it read before the job was retried', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    const { job } = view.record;
    for (const n of [0, 1]) await publishSmall({ platform, view }, 'price', n, 'x');
    for (const n of [2, 3]) await failForGood(platform, job, 'price', n);
    const { view: closed } = await look(platform, view);
    const store = wrapStore(platform.store, {
      keys: async function* (prefix, options) {
        yield* platform.store.keys(prefix, options);
        // The last listing of the rebuild.
        if (prefix !== failedPrefix(job, 'total') || (await read(view)).round > 0) return;
        await retry(platform, closed, { canaries: 1 });
        await skip(platform, await read(view), { tasks: [{ step: 0, name: 'price', task: 2 }], reason: 'x' });
      },
    });
    await repairJob({ ...platform, store }, closed);
    const { closed: again, round } = await read(view);
    expect([again?.state, round]).to.deep.equal(['failed', 1]);
    expect((await facts(platform, job)).counts[0]).to.include({ step: 'price', done: 2, failed: 1, exact: true });
  });

  it('records a failure that can not be read, although one of an earlier round is known', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    const { job } = view.record;
    await failForGood(platform, job, 'price', 3);
    await repair(view);
    await platform.store.put(failedKey(job, 'price', 3, 1), 'no JSON');
    await repair(await read(view));
    const attempts = await (await platform.ledger()).attempts(job, 'price', 3);
    expect(attempts.map(({ round, attempt }) => [round, attempt])).to.have.deep.members([
      [0, 'a'],
      [1, 'none'],
    ]);
  });

  it('writes to a lost ledger in which round, and when, each attempt ran', async () => {
    const { platform, directory } = place;
    const view = await runJob(place, YAML);
    await remove(view, ['convert', 3]);
    await repair(view);
    await work(platform);
    const { job } = view.record;
    const meta = (await readOutput(platform.store, job, 'convert', 3))?.meta;
    const key = failedKey(job, 'price', 5, 12).replace('/failed/', '/tries/');
    const failure = { format: 1, reason: 'exit', exitCode: 3, attempt: 'b', number: 1, worker: 'w' };
    await platform.store.put(`${key}.b`, JSON.stringify(failure));
    for (const end of ['', '-wal', '-shm']) rmSync(join(directory, '.batchctl', `ledger.db${end}`), { force: true });
    const again = await openAgain(directory);
    try {
      await repairJob(again, await read(view));
      const ledger = await again.ledger();
      const [attempt] = await ledger.attempts(job, 'convert', 3);
      expect(attempt).to.deep.include({
        round: 1,
        startedAt: Date.parse(meta?.startedAt ?? ''),
        endedAt: Date.parse(meta?.endedAt ?? ''),
      });
      const tries = await ledger.attempts(job, 'price', 5);
      expect(tries.map(({ round, outcome }) => [round, outcome])).to.deep.include([12, 'failedAttempt']);
    } finally {
      await again.close();
    }
  });

  it('rebuilds a lost ledger with the same counts, totals and tasks from the store alone', async () => {
    const view = await runJob(place, FAILING);
    const { job } = view.record;
    const before = await facts(place.platform, job);
    expect(before.counts[0]).to.include({ done: 3, failed: 1, retried: 1, exact: true });
    for (const end of ['', '-wal', '-shm'])
      rmSync(join(place.directory, '.batchctl', `ledger.db${end}`), { force: true });
    const again = await openAgain(place.directory);
    try {
      expect(await (await again.ledger()).job(job)).to.equal(null);
      await repairJob(again, view);
      const after = await facts(again, job);
      await repairJob(again, view);
      expect(await facts(again, job)).to.deep.equal(after);
      expect(after).to.deep.equal(before);
    } finally {
      await again.close();
    }
  });

  async function facts(platform: Platform, job: string) {
    const ledger = await platform.ledger();
    const counts = (await ledger.counts(job)).map(({ step, done, failed, retried, counters, bytesOut, exact }) => {
      return { step, done, failed, retried, counters, bytesOut, exact };
    });
    const tasks = (await ledger.tasks(job, { limit: 100 })).map(({ step, task, state, attempts, exitCode }) => {
      return { step, task, state, attempts, exitCode };
    });
    const attempts = (await ledger.attempts(job, 'price', 1)).map(({ attempt, outcome }) => `${attempt} ${outcome}`);
    return { state: (await ledger.job(job))?.state, counts, tasks, attempts: attempts.sort() };
  }
});
