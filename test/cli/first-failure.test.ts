// Protects: people who follow a job see its first failure once, with the error that the task printed.

import { expect } from 'chai';
import { failureLine } from '../../src/cli/print-notices.ts';
import { retry } from '../../src/jobs/change/retry.ts';
import { FirstFailure } from '../../src/jobs/first-failure.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { statusOf } from '../../src/jobs/status.ts';
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
  let lines: string[];
  beforeEach(() => {
    lines = [];
  });

  async function seen(job: string, times = 1): Promise<readonly string[]> {
    const view = await requireView(place.platform.store, job);
    const first = new FirstFailure(place.platform, view, (failure) => lines.push(failureLine(failure)));
    for (let n = 0; n < times; n += 1) first.update(await statusOf(place.platform, view));
    await first.idle();
    return lines;
  }

  it('is printed once, with the error of the task', async () => {
    const { record } = await submitJob(place, FAILING, {});
    expect(await seen(record.job), 'nothing has failed').to.deep.equal([]);
    await work(place.platform);
    expect(await seen(record.job, 3)).to.deep.equal(['price/0 failed for good: exit 65, claim 1: no rate']);
  });

  it('is printed from the store if the ledger does not have it yet', async () => {
    const { record } = await submitJob(place, FAILING, {});
    await work(place.platform);
    const view = await requireView(place.platform.store, record.job);
    const ledger = Object.create(await place.platform.ledger(), { tasks: { value: async () => [] } });
    const behind = Object.create(place.platform, { ledger: { value: async () => ledger } });
    const first = new FirstFailure(behind, view, (failure) => lines.push(failureLine(failure)));
    first.update(await statusOf(place.platform, view));
    await first.idle();
    expect(lines).to.deep.equal(['price/0 failed for good: exit 65, claim 1: no rate']);
  });

  it('is not one of an earlier round', async () => {
    const { record } = await submitJob(place, FAILING, {});
    await work(place.platform);
    const view = await requireView(place.platform.store, record.job);
    await retry(place.platform, view, { tasks: NAMES, canaries: null, overrides: {}, dryRun: false });
    expect(await seen(record.job)).to.deep.equal([]);
    await work(place.platform);
    expect(await seen(record.job)).to.have.length(1);
  });

  it('says how an attempt without an exit code ended', () => {
    const line = failureLine({ step: 'shrink', task: 7, exitCode: null, reason: 'timeout', error: null });
    expect(line).to.equal('shrink/7 failed for good: timeout');
  });
});
