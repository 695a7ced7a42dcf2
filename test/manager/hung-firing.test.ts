// Protects: a schedule that hangs is noticed, and the manager restarts instead of staying stuck.
import { expect } from 'chai';
import { addSchedule } from '../../src/jobs/schedules/schedules.ts';
import { createToken } from '../../src/jobs/tokens.ts';
import { Troubles } from '../../src/jobs/watch/keeper-mark.ts';
import type { FireRoundResult } from '../../src/jobs/watch/tick.ts';
import { Firings, type FiringsOptions } from '../../src/manager/duties.ts';
import type { LogLine } from '../../src/manager/log.ts';
import { runManager } from '../../src/manager/manager.ts';
import { openPlace } from '../jobs/published-job.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { forEachTest } from '../support/fixture.ts';
import { describedVerbs } from '../support/manager/described-verbs.ts';
import { rejection } from '../support/rejection.ts';
import { scheduleSpec } from '../support/schedules.ts';
import { until } from '../support/until.ts';
import { wrapStore } from '../support/wrap-store.ts';

const HOURS = 3_600;
const MINUTELY = { cadence: { kind: 'cron', pattern: '* * * * *' }, catchUp: HOURS } as const;

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
    const signs = new Map<string, () => void>();
    const ends: (() => void)[] = [];
    const keeping: FiringsOptions['keeping'] = {
      fire: ([schedule], _, options) =>
        new Promise<FireRoundResult>((resolve) => {
          signs.set(schedule?.name ?? '', options?.onSign ?? (() => undefined));
          ends.push(() => resolve({ fired: [], raised: [] }));
        }),
    };
    const firings = new Firings({
      ...{ keeping, now: () => clock.monotonic(), onFired: () => undefined },
      troublesOf: () => new Troubles({}, clock.now(), () => undefined),
    });
    const names = ['one', 'two'];
    const schedules = await Promise.all(
      names.map((name) => addSchedule(place.platform, name, { spec: scheduleSpec(), code: null, replace: false })),
    );
    firings.begin(schedules.map(({ schedule }) => schedule));
    await until('both are being fired', () => signs.size === 2);
    for (let hour = 0; hour < 24; hour += 1) {
      clock.pass(HOURS);
      for (const name of names) signs.get(name)?.();
      expect(firings.hungFiring()).to.equal(null);
    }
    clock.pass(3 * HOURS);
    expect(firings.hungFiring()).to.equal(null);
    signs.get('one')?.();
    clock.pass(1);
    expect(firings.hungFiring()).to.include({ kind: 'unavailable' });
    expect(firings.hungFiring()?.message).to.equal('the firing of two showed no activity for 3 h');
    for (const end of ends) end();
    await firings.idle();
    expect(firings.hungFiring()).to.equal(null);
  });

  it('ends the manager with an error that names it, so that the manager is restarted', async () => {
    let ahead = 0;
    let isHanging = false;
    const { store } = place.platform;
    const hangs = wrapStore(store, {
      put: async (key, ...rest) => {
        if (!/^(jobs|runs|open)\//.test(key)) return store.put(key, ...rest);
        isHanging = true;
        return new Promise(() => undefined);
      },
    });
    const past = { ...place.platform, clock: { now: () => Date.now() - 120_000, monotonic: () => 0 } };
    await addSchedule(past, 'minutely', { spec: scheduleSpec(MINUTELY), code: null, replace: false });
    const lines: LogLine[] = [];
    const verbs = await describedVerbs();
    const clock = { now: () => Date.now() + ahead, monotonic: () => performance.now() + ahead };
    let address = '';
    const ended = rejection(
      runManager({
        signIn: null,
        platform: { ...place.platform, store: hangs, clock },
        verbs: { ...verbs, call: async () => ({ answer: {}, exitCode: 0, error: null }) },
        ...{ listen: { host: '127.0.0.1', port: 0 }, certificate: null, loopMs: 300_000 },
        ...{ signal: leave.signal, log: (line) => lines.push(line) },
        onListening: async (at) => {
          address = at;
        },
      }),
    );
    await until('it hangs', () => isHanging);
    ahead = 3 * HOURS * 1_000 + 1_000;
    // Schedules are read once a minute, and soon after a change.
    const { text } = await createToken(place.platform, { name: 'ann', scope: 'operate', expiresIn: null });
    const headers = { authorization: `Bearer ${text}`, 'content-type': 'application/json' };
    const changed = await fetch(`${address}/api/v1/prunings`, { method: 'POST', headers, body: '{}' });
    expect(changed.status, await changed.text()).to.equal(200);
    const error = await ended;
    expect(error).to.include({ kind: 'unavailable' });
    expect(error.message).to.equal('the firing of minutely showed no activity for 3 h');
    expect(lines.some(({ event }) => event === 'leaving')).to.equal(true);
  });
});
