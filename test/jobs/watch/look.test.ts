// Protects: a process that dies while closing a job or opening a gather leaves what the next watcher needs to finish
// it.
import { expect } from 'chai';
import { requireView } from '../../../src/jobs/journal.ts';
import { choosePrunable, prune } from '../../../src/jobs/prune/prune.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { openedKey, openMark } from '../../../src/model/keys.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { addEntry, claimsJob } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
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
    const done: string[] = [];
    const telling = afterPuts(platform.store, (key) =>
      done.push(key.split('/').at(key.startsWith('jobs/') ? 2 : 0) ?? key),
    );
    const remove: ObjectStore['delete'] = async (keys) => {
      done.push(...keys.map((key) => `delete ${key.split('/')[0]}`));
      await platform.store.delete(keys);
    };
    const ledger: Platform['ledger'] = async () =>
      new Proxy(await platform.ledger(), {
        get: (of, name) => {
          const value: unknown = Reflect.get(of, name);
          if (typeof value !== 'function') return value;
          return (...given: readonly unknown[]) => {
            if (name === 'recordJob') done.push('ledger');
            return value.apply(of, given);
          };
        },
      });
    const notices = { notifier: { send: async () => undefined }, profile: [{ on: ['failed'], to: 'sns:a' }] } as const;
    const store = wrapStore(telling, { delete: remove });
    const { did } = await look({ ...platform, store, ledger, notices } as Platform, view);
    expect(did).to.deep.equal(['close']);
    expect(done).to.deep.equal(['due', 'news', 'journal', 'ledger', 'delete open']);
  });

  it('opens a gather in the round of a retry that came at that moment', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    const { job } = view.record;
    const queue = await platform.queue('default');
    await queue.receive({ max: 10, waitSeconds: 0 });
    for (const task of [0, 1, 2, 3]) await publishSmall({ platform, view }, 'price', task, 'x');
    const retry = { what: 'retry', round: 1, tasks: { total: '0' }, canaries: null, overrides: {} } as const;
    const store = afterPuts(platform.store, async (key) => {
      if (key === openedKey(job, 'total')) await addEntry(platform, view, retry);
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
