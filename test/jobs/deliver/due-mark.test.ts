// Protects: people see whether a process is delivering a job's outputs right now.

import { expect } from 'chai';
import { readDueMark, withDueMark } from '../../../src/jobs/deliver/deliver.ts';
import { SupersededError } from '../../../src/jobs/fetch/place.ts';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { dueMark } from '../../../src/model/keys.ts';
import { THIS_MACHINE } from '../../../src/platform/open-platform.ts';
import { OTHER_MACHINES } from '../../../src/platform/other-machines.ts';
import { viewOf } from '../../model/job-of.ts';
import { HeldTime } from '../../support/held-time.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { rejection } from '../../support/rejection.ts';
import { until } from '../../support/until.ts';

describe('the mark of a due delivery', () => {
  const undelivered = viewOf([]);
  const viewTo = (place: string, host: string | null) => ({
    ...undelivered,
    record: { ...undelivered.record, deliverTo: { place, host } },
  });
  const view = viewTo('s3://acme/x/', null);
  const key = dueMark(view.record.job, 1);
  const openPlatform = () => ({
    store: new MemoryStore(),
    clock: systemClock,
    who: 'me',
    leaseSeconds: 0.02,
    workplace: THIS_MACHINE,
  });

  it('is renewed while a process delivers', async () => {
    const platform = openPlatform();
    await withDueMark(platform, view, 1, async () => {
      const first = await readDueMark(platform, key);
      expect(first?.begun).to.equal(true);
      await until('the mark is renewed', async () => (await readDueMark(platform, key))?.text !== first?.text);
    });
  });

  it('is renewed at least once a lease, so that no watcher takes the delivery over', async () => {
    const time = new HeldTime();
    try {
      const clock: Clock = { now: () => 0, monotonic: () => time.now() };
      const platform = { ...openPlatform(), clock, leaseSeconds: 15 };
      await withDueMark(platform, view, 1, async () => {
        for (let n = 0; n < 5; n += 1) {
          const before = await readDueMark(platform, key);
          await time.pass(15_000);
          const after = await readDueMark(platform, key);
          expect(after?.text).to.not.equal(before?.text);
          expect(after?.begun).to.equal(true);
        }
      });
      const last = await readDueMark(platform, key);
      await time.pass(60_000);
      expect(await readDueMark(platform, key), 'no longer').to.deep.equal(last);
    } finally {
      time.release();
    }
  });

  it('shows that no process delivers once the delivery was interrupted', async () => {
    const platform = openPlatform();
    const error = await rejection(withDueMark(platform, view, 1, () => Promise.reject(new Error('interrupted'))));
    expect(error.message).to.equal('interrupted');
    expect((await readDueMark(platform, key))?.begun).to.equal(false);
  });

  it('is left to the process that shut this one out, which delivers now', async () => {
    const platform = openPlatform();
    const error = new SupersededError('s3://acme/x/', null);
    expect(await rejection(withDueMark(platform, view, 1, () => Promise.reject(error)))).to.equal(error);
    expect((await readDueMark(platform, key))?.begun).to.equal(true);
  });

  it("is not written for a directory that workers on other machines can't reach", async () => {
    const platform = { ...openPlatform(), workplace: OTHER_MACHINES } as const;
    const work = async () => expect(await readDueMark(platform, key)).to.equal(null);
    await withDueMark(platform, viewTo('/out', 'here'), 1, work);
  });
});
