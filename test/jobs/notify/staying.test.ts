// Protects: people are told once a day, with the price, that idle machines may not end themselves; only if they asked.

import { expect } from 'chai';
import { putStayingFleets } from '../../../src/jobs/notify/news-mark.ts';
import { NEWS_PREFIX } from '../../../src/model/keys.ts';
import type { LedgerWorker } from '../../../src/model/ledger/records.ts';
import type { EventKind } from '../../../src/model/notify.ts';
import { THIS_MACHINE } from '../../../src/platform/open-platform.ts';
import { OTHER_MACHINES } from '../../../src/platform/other-machines.ts';
import type { Ledger } from '../../../src/ports/ledger.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { worker } from '../../contracts/ledger-events.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { keysBelow } from '../../support/stored.ts';
import { openPlace } from '../published-job.ts';
import { FakeReceivers, notifyingPlatform, openSender } from './notices.ts';

const DENIED = 'autoscaling:SetDesiredCapacity on arn:aws:autoscaling:eu-west-1:1:group';
const MACHINE = { type: 'c7g.large', zone: 'eu-west-1a', lifeCycle: 'on-demand' } as const;

describe('a fleet that may not end itself', () => {
  const place = forEachTest(openPlace);
  const receivers = forEachTest(() => new FakeReceivers());
  const clock = forEachTest(() => new FakeClock());
  const idle = (name: string, more: Partial<LedgerWorker> = {}): LedgerWorker =>
    worker({
      worker: name,
      host: name,
      state: 'idle',
      startedAt: clock.now(),
      seenAt: clock.now(),
      machine: { ...MACHINE, denied: DENIED },
      ...more,
    });

  /** A platform on AWS with these workers, whose machines cost 0.5 USD an hour each. */
  async function platformWith(on: readonly EventKind[], workers: () => readonly LedgerWorker[]): Promise<Platform> {
    const own = await place.platform.ledger();
    const ledger: Ledger = Object.assign(Object.create(own), { workers: async () => workers() });
    const group = await place.platform.group('default');
    const hours = [{ type: 'c7g.large', kind: 'configured', zone: null, usd: 0.5 }] as const;
    const prices = async () =>
      ({ types: ['c7g.large'], lifeCycle: 'on-demand', hours, trouble: null, slots: 2 }) as const;
    return {
      ...notifyingPlatform(place.platform, clock, receivers, [{ on, to: 'sns:ops' }]),
      workplace: OTHER_MACHINES,
      ledger: async () => ledger,
      group: async () => Object.assign(Object.create(group), { prices }),
    };
  }

  it('is notified of once a day and group, with what it costs an hour and the way out', async () => {
    let workers = [
      idle('w-1'),
      idle('w-2'),
      idle('w-3', { group: 'gpu' }),
      idle('w-4', { group: 'else', machine: MACHINE }),
    ];
    const platform = await platformWith(['stays'], () => workers);
    const { sender } = openSender(platform, { keeper: true });
    const round = async (): Promise<void> => {
      await putStayingFleets(platform);
      await sender.round();
    };
    await round();
    await round();
    const day = new Date(clock.now()).toISOString().slice(0, 10);
    expect(receivers.received.map(({ id }) => id).sort()).to.deep.equal([`default@${day}.stays`, `gpu@${day}.stays`]);
    const [first] = receivers.received.filter(({ id }) => id.startsWith('default'));
    const body = JSON.parse(first?.body ?? '');
    expect(body).to.include({ event: 'stays', job: null, schedule: null, period: null });
    expect(body.text).to.include(`group default: 2 idle workers can't end their machines: ${DENIED} is denied`);
    expect(body.text).to.include('that costs $1.00 an hour').and.include('batchctl scale 0 --group default');

    clock.pass(86_400);
    workers = [idle('w-1'), idle('w-3', { group: 'gpu', state: 'busy' })];
    await round();
    const next = new Date(clock.now()).toISOString().slice(0, 10);
    expect(receivers.received.slice(2).map(({ id }) => id)).to.deep.equal([`default@${next}.stays`]);
    expect(await keysBelow(place.platform.store, NEWS_PREFIX)).to.deep.equal([]);
  });

  it('costs no request if the profile notifies no one of it, or runs on one machine', async () => {
    let read = 0;
    const count = (): readonly LedgerWorker[] => {
      read += 1;
      return [idle('w-1')];
    };
    const asked = await platformWith(['stays'], count);
    await putStayingFleets(await platformWith(['failed', 'late'], count));
    const local = { ...asked, workplace: THIS_MACHINE };
    await putStayingFleets(local);
    expect(read).to.equal(0);
    expect(await keysBelow(place.platform.store, NEWS_PREFIX)).to.deep.equal([]);
    await putStayingFleets(asked);
    expect(read).to.equal(1);
    expect(await keysBelow(place.platform.store, NEWS_PREFIX)).to.have.length(1);
  });
});
