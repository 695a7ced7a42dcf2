// Protects: the next watcher can finish what a process that died began: closing a job, or opening a gather.
import { expect } from 'chai';
import { requireView } from '../../../src/jobs/journal.ts';
import { choosePrunable, prune } from '../../../src/jobs/prune/prune.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { openedKey, openMark } from '../../../src/model/keys.ts';
import { retryOf } from '../../model/job-of.ts';
import { addEntry, claimsJob } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { withMethods } from '../../support/with-methods.ts';
import { afterPuts, wrapStore } from '../../support/wrap-store.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { publishAll, submitJob } from '../submitted-job.ts';

const YAML = `
name: claims
input: { split: { by: range, from: 1, to: 2 } }
deliver: { to: "{job}" }
steps:
  - { name: price, run: [cat] }
`;

describe('a look', () => {
  const place = forEachTest(openPlace);

  it('closes a job in order (marks, entry, ledger), and deletes the open mark last', async () => {
    const { platform } = place;
    const view = await submitJob(place, YAML, {});
    for (const task of [0, 1]) await publishSmall({ platform, view }, 'price', task, 'x');
    const writes: string[] = [];
    const observed = afterPuts(platform.store, (key) =>
      writes.push(key.split('/').at(key.startsWith('jobs/') ? 2 : 0) ?? key),
    );
    const store = wrapStore(observed, {
      delete: async (keys) => {
        writes.push(...keys.map((key) => `delete ${key.split('/')[0]}`));
        await platform.store.delete(keys);
      },
    });
    const ledger = await platform.ledger();
    const recording = withMethods(ledger, {
      recordJob: async (job) => {
        writes.push('ledger');
        await ledger.recordJob(job);
      },
    });
    const notices = { notifier: { send: async () => undefined }, profile: [{ on: ['failed'], to: 'sns:a' }] } as const;
    const { did } = await look({ ...platform, store, ledger: async () => recording, notices }, view);
    expect(did).to.deep.equal(['close']);
    expect(writes).to.deep.equal(['due', 'news', 'journal', 'ledger', 'delete open']);
  });

  it('opens a gather in the round of a retry that came at that moment', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    const { job } = view.record;
    const queue = await platform.queue('default');
    await queue.receive({ max: 10, waitSeconds: 0 });
    for (const task of [0, 1, 2, 3]) await publishSmall({ platform, view }, 'price', task, 'x');
    const store = afterPuts(platform.store, async (key) => {
      if (key === openedKey(job, 'total')) await addEntry(platform, view, retryOf(1, { total: '0' }));
    });
    await look({ ...platform, store }, view);
    const sent = await queue.receive({ max: 10, waitSeconds: 0 });
    expect(sent.map(({ body }) => JSON.parse(body).round)).to.deep.equal([1]);
  });

  it('decides and records nothing about a job that is being pruned, whose objects disappear', async () => {
    const { platform } = place;
    const { job } = (await publishAll(platform, await submitJob(place, claimsJob(0), {}))).record;
    await prune(platform, await choosePrunable(platform, 0), 0, {});
    await platform.store.put(openMark(job, 0), '{"format":1}');
    const fresh = await openPlace();
    try {
      const lost = { ...platform, ledger: () => fresh.platform.ledger() };
      expect((await look(lost, await requireView(platform.store, job))).did).to.deep.equal([]);
      expect(await (await lost.ledger()).counts(job)).to.deep.equal([]);
    } finally {
      await fresh.end();
    }
  });
});
