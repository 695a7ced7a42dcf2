// Protects: the number of failed attempts of a job whose worker could not write them to the ledger until the job ended.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import type { Ledger } from '../../src/ports/ledger.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { runWorkerInProcess } from '../support/inside-worker.ts';
import { rangeJob } from '../support/range-job.ts';
import { keysBelow } from '../support/stored.ts';
import { withMethods } from '../support/with-methods.ts';

describe("a job's failed attempts", () => {
  const place = forEachTest(openPlace);

  it('are counted, although the ledger was unavailable until its last task had failed', async () => {
    const { platform } = place;
    const step = { name: 'price', run: 'exit 1', attempts: 2 };
    const view = await submitJob(place, JSON.stringify(rangeJob('claims', 1, step)), {});
    const { job } = view.record;
    const ledger = await platform.ledger();
    let refused = 0;
    const record: Ledger['record'] = async (events) => {
      if ((await keysBelow(platform.store, `jobs/${job}/steps/price/failed/`)).length > 0) return ledger.record(events);
      refused += 1;
      throw new BatchctlError('unavailable', 'the ledger is away');
    };
    await runWorkerInProcess({ ...platform, ledger: async () => withMethods(ledger, { record }) }, 1, {
      worker: 'w1',
      untilEmpty: true,
    });
    expect(refused, 'the first attempt could not be recorded').to.be.above(0);
    const [counts] = await ledger.counts(job);
    expect(counts).to.include({ done: 0, failed: 1, retried: 1, exact: true });
  });
});
