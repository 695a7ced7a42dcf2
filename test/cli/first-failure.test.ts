// Protects: people who follow a job see its first failure once, with the error that the task printed.

import { expect } from 'chai';
import { failureLine } from '../../src/cli/print-notices.ts';
import { retry } from '../../src/jobs/change/retry.ts';
import { FirstFailure } from '../../src/jobs/first-failure.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { statusOf } from '../../src/jobs/status.ts';
import type { JobView } from '../../src/model/view.ts';
import { openPlace } from '../jobs/published-job.ts';
import { submitJob, work } from '../jobs/submitted-job.ts';
import { forEachTest } from '../support/fixture.ts';

const FAILING = `
name: claims
input: { split: { by: range, from: 1, to: 3 } }
steps:
  - { name: price, run: "echo claim $BATCHCTL_PARAM_INDEX: no rate >&2; exit 65", permanent: [65] }
`;

const NAMES = [0, 1, 2].map((task) => ({ step: 0, name: 'price', task }));

describe('the first failure of a followed job', () => {
  const place = forEachTest(openPlace);
  let view: JobView;
  beforeEach(async () => {
    view = await submitJob(place, FAILING, {});
  });

  /** The lines printed to someone who begins to follow the job now. */
  async function printedLines(updates = 1, platform = place.platform): Promise<readonly string[]> {
    const lines: string[] = [];
    const current = await requireView(place.platform.store, view.record.job);
    const first = new FirstFailure(platform, current, (failure) => lines.push(failureLine(failure)));
    for (let n = 0; n < updates; n += 1) first.update(await statusOf(place.platform, current));
    await first.idle();
    return lines;
  }

  it('is printed once, with the error of the task', async () => {
    expect(await printedLines(), 'nothing has failed').to.deep.equal([]);
    await work(place.platform);
    expect(await printedLines(3)).to.deep.equal(['price/0 failed for good: exit 65, claim 1: no rate']);
  });

  it('is printed from the store if the ledger does not have it yet', async () => {
    await work(place.platform);
    const ledger = Object.create(await place.platform.ledger(), { tasks: { value: async () => [] } });
    const behind = Object.create(place.platform, { ledger: { value: async () => ledger } });
    expect(await printedLines(1, behind)).to.deep.equal(['price/0 failed for good: exit 65, claim 1: no rate']);
  });

  it('is not one of an earlier round', async () => {
    await work(place.platform);
    const current = await requireView(place.platform.store, view.record.job);
    await retry(place.platform, current, { tasks: NAMES, canaries: null, overrides: {}, dryRun: false });
    expect(await printedLines()).to.deep.equal([]);
    await work(place.platform);
    expect(await printedLines()).to.have.length(1);
  });

  it('says how an attempt without an exit code ended', () => {
    const line = failureLine({ step: 'shrink', task: 7, exitCode: null, reason: 'timeout', error: null });
    expect(line).to.equal('shrink/7 failed for good: timeout');
  });
});
