// Protects: people are notified once of every job that ends, even when many end together.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import { putNewsMark } from '../../../src/jobs/notify/news-mark.ts';
import { NoticeSender } from '../../../src/jobs/notify/notice-sender.ts';
import { NEWS_PREFIX } from '../../../src/model/keys.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { Notice, Receiver } from '../../../src/ports/notifier.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { addEntry } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { keysBelow } from '../../support/stored.ts';
import { until } from '../../support/until.ts';
import { openPlace, putJob } from '../published-job.ts';

/** Accepts notifications once it is released, and counts how many wait for that at once. */
class SlowReceiver {
  readonly got: string[] = [];
  most = 0;
  away = false;
  tries = 0;
  #open = 0;
  #waiting: (() => void)[] = [];
  held = true;

  async send(_: Receiver, { id }: Notice): Promise<void> {
    this.tries += 1;
    this.#open += 1;
    this.most = Math.max(this.most, this.#open);
    if (this.held) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#open -= 1;
    if (this.away) throw new BatchctlError('unavailable', 'no answer');
    this.got.push(id);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  letGo(): void {
    this.held = false;
    for (const go of this.#waiting.splice(0)) go();
  }
}

describe('notifying people of many ends', () => {
  const place = forEachTest(openPlace);
  let receiver: SlowReceiver;
  let ahead: number;
  beforeEach(() => {
    receiver = new SlowReceiver();
    ahead = 0;
  });

  const platformOf = (): Platform => ({
    ...place.platform,
    clock: { now: () => Date.now() + ahead, monotonic: () => performance.now() + ahead },
    notices: {
      notifier: receiver,
      profile: [{ on: ['succeeded', 'failed', 'paused', 'late'], to: 'https://hooks.example.com/' }],
    },
  });
  const ended = async (platform: Platform, n: number): Promise<JobView> => {
    const view = await putJob(platform, [{ name: 'a' }], {
      job: `claims-20261130-06${String(n).padStart(2, '0')}-abcde`,
    });
    await putNewsMark(platform, view, view.next);
    return addEntry(platform, view, { what: 'close', state: 'failed', reason: 'failures', round: 0 });
  };
  const marks = async (): Promise<number> => (await keysBelow(place.platform.store, NEWS_PREFIX)).length;

  it('sends eight at a time, and each only once', async () => {
    const platform = platformOf();
    const views = await Promise.all(Array.from({ length: 40 }, (_, n) => ended(platform, n)));
    const sender = new NoticeSender(platform, { checksCounters: false, onTrouble: () => undefined });
    for (const view of views) sender.observe(view);
    await until('eight wait', () => receiver.waiting >= 8);
    receiver.letGo();
    await sender.idle();
    expect(receiver.most).to.equal(8);
    expect(new Set(receiver.got).size).to.equal(40);
    expect(receiver.got).to.have.length(40);
    expect(await marks()).to.equal(0);
  });

  it('sends an end that comes while another event of its job is being sent, but only after that event', async () => {
    const platform = platformOf();
    const before = await putJob(platform, [{ name: 'a' }], {});
    const paused = await addEntry(platform, before, { what: 'pause', reason: 'halt', now: false });
    const sender = new NoticeSender(platform, { checksCounters: false, onTrouble: () => undefined });
    sender.observe(paused);
    await until('it is being sent', () => receiver.waiting === 1);
    sender.observe(await addEntry(platform, paused, { what: 'close', state: 'failed', reason: 'failures', round: 0 }));
    receiver.letGo();
    await sender.idle();
    expect(receiver.got.map((id) => id.split('.').at(-1))).to.deep.equal(['paused', 'failed']);
  });

  it('retries an unreachable receiver after a minute, not only in a manager', async () => {
    const platform = platformOf();
    receiver.away = true;
    receiver.letGo();
    const sender = new NoticeSender(platform, { checksCounters: false, onTrouble: () => undefined });
    sender.observe(await ended(platform, 0));
    await sender.idle();
    receiver.away = false;
    const next = await ended(platform, 1);
    sender.observe(next);
    await sender.idle();
    expect(receiver.tries, 'it may hang, so it is not tried again yet').to.equal(1);
    ahead = 61_000;
    sender.observe(next);
    await sender.idle();
    expect(receiver.got.map((id) => id.split('.')[0])).to.deep.equal([next.record.job]);
  });
});
