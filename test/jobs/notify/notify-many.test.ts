// Protects: people are notified once of each job that ends, even when many end together.
import { expect } from 'chai';
import { BatchctlError } from '../../../src/errors.ts';
import type { NoticeSender } from '../../../src/jobs/notify/notice-sender.ts';
import { Gate } from '../../../src/lib/wait.ts';
import { NEWS_PREFIX } from '../../../src/model/keys.ts';
import type { Notice, Notifier, Receiver } from '../../../src/ports/notifier.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { addEntry } from '../../support/claims-job.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { keysBelow } from '../../support/stored.ts';
import { until } from '../../support/until.ts';
import { openPlace, putJob } from '../published-job.ts';
import { FAILED, failedJob, notifyingPlatform, observe, openSender } from './notices.ts';

/** Accepts notices once it is released, and counts how many wait at once. */
class SlowReceiver implements Notifier {
  readonly received: string[] = [];
  /** The maximum of notices that were sent at once. */
  most = 0;
  isUnreachable = false;
  attempts = 0;
  waiting = 0;
  readonly #gate = new Gate();
  #released = false;

  async send(_: Receiver, { id }: Notice): Promise<void> {
    this.attempts += 1;
    this.waiting += 1;
    this.most = Math.max(this.most, this.waiting);
    if (!this.#released) await this.#gate.next();
    this.waiting -= 1;
    if (this.isUnreachable) throw new BatchctlError('unavailable', 'no answer');
    this.received.push(id);
  }

  release(): void {
    this.#released = true;
    this.#gate.open();
  }
}

describe('notifying people of many ends', () => {
  const place = forEachTest(openPlace);
  const clock = new FakeClock();
  let receiver: SlowReceiver;
  let platform: Platform;
  let sender: NoticeSender;
  beforeEach(() => {
    receiver = new SlowReceiver();
    const profile = [{ on: ['failed', 'paused'], to: 'https://hooks.example.com/' }] as const;
    platform = notifyingPlatform(place.platform, clock, receiver, profile);
    ({ sender } = openSender(platform));
  });

  const jobId = (n: number) => `claims-20261130-06${String(n).padStart(2, '0')}-abcde`;

  it('sends eight at a time, and each only once', async () => {
    const views = await Promise.all(Array.from({ length: 40 }, (_, n) => failedJob(platform, jobId(n))));
    for (const view of views) sender.observe(view);
    await until('eight wait', () => receiver.waiting >= 8);
    receiver.release();
    await sender.idle();
    expect(receiver.most).to.equal(8);
    expect(new Set(receiver.received).size).to.equal(40);
    expect(receiver.received).to.have.length(40);
    expect(await keysBelow(place.platform.store, NEWS_PREFIX)).to.deep.equal([]);
  });

  it('sends the end of a job after an earlier event of the job that is still being sent', async () => {
    const pause = { what: 'pause', reason: 'halt', now: false } as const;
    const paused = await addEntry(platform, await putJob(platform, [{ name: 'a' }]), pause);
    sender.observe(paused);
    await until('it is being sent', () => receiver.waiting === 1);
    sender.observe(await addEntry(platform, paused, FAILED));
    receiver.release();
    await sender.idle();
    expect(receiver.received.map((id) => id.split('.').at(-1))).to.deep.equal(['paused', 'failed']);
  });

  it('retries an unreachable receiver after a minute, not only in a manager', async () => {
    receiver.isUnreachable = true;
    receiver.release();
    await observe(sender, await failedJob(platform, jobId(0)));
    receiver.isUnreachable = false;
    const next = await failedJob(platform, jobId(1));
    await observe(sender, next);
    expect(receiver.attempts, 'it may hang, so it is not tried again yet').to.equal(1);
    clock.pass(61);
    await observe(sender, next);
    expect(receiver.received.map((id) => id.split('.')[0])).to.deep.equal([next.record.job]);
  });
});
