// Protects: a schedule that hangs is noticed, and the manager restarts instead of staying stuck.
import { expect } from 'chai';
import { Troubles } from '../../src/jobs/keeper-mark.ts';
import type { FireRoundResult } from '../../src/jobs/tick.ts';
import { createToken } from '../../src/jobs/tokens.ts';
import { Firings, type FiringsOptions } from '../../src/manager/duties.ts';
import type { LogLine } from '../../src/manager/log.ts';
import { openPlace } from '../jobs/published-job.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { forEachTest } from '../support/fixture.ts';
import { HeldTime } from '../support/held-time.ts';
import { rejection } from '../support/rejection.ts';
import { until } from '../support/until.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { addTestSchedule, inThePast, MINUTELY, startTestManager } from './rounds-lab.ts';

/** Seconds. */
const HOUR = 3_600;

describe('a firing that hangs', () => {
  const place = forEachTest(openPlace);
  let leave: AbortController;
  beforeEach(() => {
    leave = new AbortController();
  });
  afterEach(() => {
    leave.abort();
  });

  it('is reported after three hours without activity; with activity it may take a day', async () => {
    const clock = new FakeClock();
    const reportActivity = new Map<string, () => void>();
    const ends: (() => void)[] = [];
    const keeping: FiringsOptions['keeping'] = {
      fire: ([schedule], _, options) =>
        new Promise<FireRoundResult>((resolve) => {
          reportActivity.set(schedule?.name ?? '', options?.onSign ?? (() => undefined));
          ends.push(() => resolve({ fired: [], raised: [] }));
        }),
    };
    const firings = new Firings({
      keeping,
      now: () => clock.monotonic(),
      onFired: () => undefined,
      troublesOf: () => new Troubles({}, clock.now(), () => undefined),
    });
    const names = ['one', 'two'];
    firings.begin(await Promise.all(names.map((name) => addTestSchedule(place.platform, name))));
    await until('both are being fired', () => reportActivity.size === 2);
    for (let hour = 0; hour < 24; hour += 1) {
      clock.pass(HOUR);
      for (const name of names) reportActivity.get(name)?.();
      expect(firings.hungFiring()).to.equal(null);
    }
    clock.pass(3 * HOUR);
    expect(firings.hungFiring()).to.equal(null);
    reportActivity.get('one')?.();
    clock.pass(1);
    expect(firings.hungFiring()).to.include({ kind: 'unavailable' });
    expect(firings.hungFiring()?.message).to.equal('the firing of two showed no activity for 3 h');
    for (const end of ends) end();
    await firings.idle();
    expect(firings.hungFiring()).to.equal(null);
  });

  it('is reported although it waited for its turn before', async () => {
    const time = new HeldTime();
    try {
      const clock = new FakeClock();
      const firings = new Firings({
        keeping: { fire: () => new Promise(() => undefined) },
        now: () => clock.monotonic(),
        onFired: () => undefined,
        troublesOf: () => new Troubles({}, clock.now(), () => undefined),
      });
      firings.begin([await addTestSchedule(place.platform, 'one')]);
      clock.pass(3 * HOUR + 1);
      // While it waits for its turn, it counts as active each minute.
      await time.pass(61_000);
      expect(firings.hungFiring()).to.include({ kind: 'unavailable' });
    } finally {
      time.release();
    }
  });

  it('ends the manager with an error that names it, so that the manager is restarted', async () => {
    let ahead = 0;
    let isHanging = false;
    const { store } = place.platform;
    const hangingStore = wrapStore(store, {
      put: async (key, ...rest) => {
        if (!/^(jobs|runs|open)\//.test(key)) return store.put(key, ...rest);
        isHanging = true;
        return new Promise(() => undefined);
      },
    });
    await addTestSchedule(inThePast(place.platform, 120_000), 'minutely', MINUTELY);
    const lines: LogLine[] = [];
    const clock = { now: () => Date.now() + ahead, monotonic: () => performance.now() + ahead };
    const platform = { ...place.platform, store: hangingStore, clock };
    const log = (line: LogLine): void => void lines.push(line);
    const manager = await startTestManager(platform, { signal: leave.signal, log });
    const ended = rejection(manager.ended);
    await until('the firing hangs', () => isHanging);
    ahead = 3 * HOUR * 1_000 + 1_000;
    // Schedules are read once a minute, and soon after a change.
    const { text } = await createToken(place.platform, { name: 'ann', scope: 'operate', expiresIn: null });
    const headers = { authorization: `Bearer ${text}`, 'content-type': 'application/json' };
    const answer = await fetch(`${manager.address}/api/v1/prunings`, { method: 'POST', headers, body: '{}' });
    expect(answer.status, await answer.text()).to.equal(200);
    const error = await ended;
    expect(error).to.include({ kind: 'unavailable' });
    expect(error.message).to.equal('the firing of minutely showed no activity for 3 h');
    expect(lines.some(({ event }) => event === 'leaving')).to.equal(true);
  });
});
