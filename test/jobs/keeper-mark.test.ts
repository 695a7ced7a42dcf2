// Protects: a manager or tick continues what the one before saw, and reports a lasting problem once an hour.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import {
  freshKeeper,
  fromStoredSightings,
  KeeperWatch,
  latestKeeper,
  managerId,
  putKeeperMark,
  readKeeperMark,
  Troubles,
  tickId,
  toStoredSightings,
} from '../../src/jobs/keeper-mark.ts';
import { tick } from '../../src/jobs/tick.ts';
import { keeperKey } from '../../src/model/keys.ts';
import type { ObjectEntry } from '../../src/ports/object-store.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { forEachTest } from '../support/fixture.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { openPlace } from './published-job.ts';

const MINUTE = 60_000;

describe('the mark of a manager or tick', () => {
  const place = forEachTest(openPlace);
  const clock = forEachTest(() => new FakeClock());
  const mark = { kind: 'tick', at: '2026-12-01T06:00:00.000Z', stood: {}, due: {}, told: {} } as const;

  it('is the newest by the time of its put, and counts for fifteen minutes', async () => {
    const ages: Readonly<Record<string, number>> = { 'tick-a': 5, 'manager-b-80': 2, 'tick-c': 9 };
    for (const id of Object.keys(ages)) await putKeeperMark(place.platform, { id, ...mark });
    const { store } = place.platform;
    const aged = wrapStore(store, {
      list: async function* (prefix): AsyncGenerator<ObjectEntry> {
        for await (const entry of store.list(prefix)) {
          const [id = ''] = Object.keys(ages).filter((each) => entry.key === keeperKey(each));
          yield { ...entry, modified: clock.now() - (ages[id] ?? 0) * MINUTE };
        }
      },
    });
    const latest = await latestKeeper({ store: aged });
    expect(latest).to.deep.equal({ id: 'manager-b-80', at: clock.now() - 2 * MINUTE });
    for (const [age, id] of [
      [15 * MINUTE - 1, 'tick-a'],
      [15 * MINUTE, undefined],
    ] as const)
      expect(freshKeeper({ id: 'tick-a', at: clock.now() - age }, clock.now())?.id).to.equal(id);
    expect(await latestKeeper({ store: new MemoryStore() })).to.equal(null);
  });

  it('is looked for once a minute, and a store that refuses fails no status', async () => {
    let listings = 0;
    let refuses = false;
    const { store } = place.platform;
    const counted = wrapStore(store, {
      list: (prefix) => {
        listings += 1;
        if (refuses) throw new BatchctlError('credentials', 'denied');
        return store.list(prefix);
      },
    });
    await putKeeperMark(place.platform, { id: 'tick-a', ...mark });
    const now = new FakeClock(Date.now());
    const watch = new KeeperWatch({ ...place.platform, store: counted, clock: now });
    expect([await watch.id(), listings]).to.deep.equal(['tick-a', 1]);
    now.pass(59.9);
    expect([await watch.id(), listings]).to.deep.equal(['tick-a', 1]);
    now.pass(0.1);
    expect([await watch.id(), listings]).to.deep.equal(['tick-a', 2]);
    refuses = true;
    now.pass(60);
    expect([await watch.id(), listings]).to.deep.equal([null, 3]);
  });

  it('keeps since when something was seen, over a restart, and never as older by a clock that was set back', () => {
    const seen = new Map([['job', { is: '3/4', since: clock.monotonic() - 90_000 }]]);
    const stored = toStoredSightings(clock, seen);
    expect(stored).to.deep.equal({ job: { is: '3/4', since: new Date(clock.now() - 90_000).toISOString() } });
    const ageBy = (later: number): number => {
      const restarted = new FakeClock(clock.now() + later);
      const since = fromStoredSightings(restarted, stored).get('job')?.since ?? Number.NaN;
      return restarted.monotonic() - since;
    };
    expect([ageBy(0), ageBy(30_000), ageBy(-3_600_000)]).to.deep.equal([90_000, 120_000, 0]);
  });

  it('is written by a whole round, and not by one that was told to stop', async () => {
    const { platform } = place;
    const keeper = tickId();
    await tick(platform, { dryRun: false, signal: AbortSignal.abort() });
    expect(await readKeeperMark(platform.store, keeper)).to.equal(null);
    await tick(platform, { dryRun: false });
    expect(await readKeeperMark(platform.store, keeper)).to.include({ id: keeper, kind: 'tick' });
  });

  it('has an id that is a key, whatever the name of the machine', async () => {
    expect(tickId('Büro 7.local')).to.equal('tick-b-ro-7-local');
    expect(managerId(8080, '-Host-')).to.equal('manager-host-8080');
    expect(tickId('---')).to.equal('tick-host');
    expect(tickId('x'.repeat(99))).to.have.length('tick-'.length + 60);
    await place.platform.store.put(keeperKey('tick-bad'), '{"format":99}');
    expect(await readKeeperMark(place.platform.store, 'tick-bad')).to.equal(null);
  });
});

describe('the problems of a round', () => {
  it('are news once an hour, each by its own text', () => {
    const began = Date.parse('2026-12-01T06:00:00Z');
    const told: boolean[] = [];
    const round = (before: Troubles | null, minutes: number, ...texts: readonly string[]): Troubles => {
      const next = new Troubles(before?.told ?? {}, began + minutes * MINUTE, ({ news }) => told.push(news));
      for (const text of texts) next.add('job a', new Error(text));
      return next;
    };
    const first = round(null, 0, 'denied');
    const second = round(first, 30, 'denied', 'gone');
    const third = round(second, 59.9, 'denied', 'gone');
    const fourth = round(third, 60, 'denied', 'gone');
    round(fourth, 90, 'denied', 'gone');
    expect(told).to.deep.equal([true, false, true, false, false, true, false, false, true]);
    // One that went away in between is news again.
    told.length = 0;
    round(round(first, 10), 20, 'denied');
    expect(told).to.deep.equal([true]);
  });

  it('are remembered by at most 500 characters', () => {
    const troubles = new Troubles({}, 0);
    troubles.add('job a', new Error('x'.repeat(9_000)));
    expect(Object.keys(troubles.told)[0]).to.have.length(500);
  });
});
