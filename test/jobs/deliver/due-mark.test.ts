// Protects: people can see whether a process is delivering a job's outputs right now.
import { expect } from 'chai';
import { readDueMark, withDueMark } from '../../../src/jobs/deliver/deliver.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { dueMark } from '../../../src/model/keys.ts';
import { viewOf } from '../../model/job-of.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { rejection } from '../../support/rejection.ts';
import { until } from '../../support/until.ts';

describe('the mark of a due delivery', () => {
  const view = { ...viewOf([]), record: { ...viewOf([]).record, deliverTo: { place: 's3://acme/x/', host: null } } };
  const key = dueMark(view.record.job, 1);
  const platform = () => ({ store: new MemoryStore(), clock: systemClock, who: 'me', leaseSeconds: 0.02 });

  it('is renewed while a process delivers', async () => {
    const here = platform();
    await withDueMark(here, view, 1, async () => {
      const first = await readDueMark(here, key);
      expect(first?.begun).to.equal(true);
      await until('another touch', async () => (await readDueMark(here, key))?.text !== first?.text);
    });
  });

  it('shows that no process delivers once the delivery was interrupted', async () => {
    const here = platform();
    const error = await rejection(withDueMark(here, view, 1, () => Promise.reject(new Error('told to leave'))));
    expect(error.message).to.equal('told to leave');
    expect((await readDueMark(here, key))?.begun).to.equal(false);
  });

  it("is not written for a directory that workers on other machines can't reach", async () => {
    const here = { ...platform(), remote: true } as const;
    const there = { ...view, record: { ...view.record, deliverTo: { place: '/out', host: 'here' } } };
    await withDueMark(here, there, 1, async () => expect(await readDueMark(here, key)).to.equal(null));
  });
});
