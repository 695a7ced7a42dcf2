// Protects: groups are sized by the tasks of running jobs in them, measured by this run or the one before.
import { expect } from 'chai';
import { pause } from '../../src/jobs/change/lifecycle.ts';
import { loadsOf, loadsOfGroup, otherJobsInGroups } from '../../src/jobs/demand.ts';
import type { JobView } from '../../src/model/view.ts';
import { forEachTest } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { countsOf } from '../support/step-counts.ts';
import { withMethods } from '../support/with-methods.ts';
import { openPlace } from './published-job.ts';
import { submitJob } from './submitted-job.ts';

describe('the demand of running jobs', () => {
  const place = forEachTest(openPlace);
  const submit = (name: string, group = 'default', notBefore: string | null = null): Promise<JobView> => {
    const steps = [
      { name: 'one', run: ['cat'], group },
      { name: 'two', run: ['cat'], group: 'second' },
    ];
    return submitJob(place, JSON.stringify(rangeJob(name, 4, ...steps)), {}, notBefore);
  };

  it('includes other jobs with a step in the groups, unless they are paused, begin later, or are known', async () => {
    const known = await submit('known');
    const other = await submit('other');
    const second = await submit('gpu', 'gpu');
    const paused = await submit('paused');
    await pause(place.platform, paused, { now: false });
    await submit('later', 'default', new Date(Date.now() + 3_600_000).toISOString());
    const found = async (...groups: readonly string[]) =>
      (await otherJobsInGroups(place.platform, new Set(groups), new Set([known.record.job]))).map(
        ({ record }) => record.job,
      );
    expect(await found('default')).to.deep.equal([other.record.job]);
    expect(await found('second')).to.have.members([other.record.job, second.record.job]);
    expect(await found('none')).to.deep.equal([]);
  });

  it("takes a step's duration from this run, and of an earlier run only for steps that have none", async () => {
    const view = await submit('claims');
    const ledger = await place.platform.ledger();
    const counts = async () => [countsOf('one', { done: 2, seconds: 8 }), countsOf('two', { failed: 1 })];
    let jobs = 0;
    const read: typeof ledger.jobs = (filter) => {
      jobs += 1;
      return ledger.jobs(filter);
    };
    const platform = { ...place.platform, ledger: async () => withMethods(ledger, { counts, jobs: read }) };
    const loads = await loadsOf(platform, [view]);
    expect(loads.map(({ seconds }) => seconds)).to.deep.equal([4, null]);
    expect(jobs, 'the earlier run is looked for').to.be.greaterThan(0);
    const whole = async () => [countsOf('one', { done: 2, seconds: 8 }), countsOf('two', { done: 1, seconds: 3 })];
    jobs = 0;
    const measured = { ...platform, ledger: async () => withMethods(ledger, { counts: whole, jobs: read }) };
    expect((await loadsOf(measured, [view])).map(({ seconds }) => seconds)).to.deep.equal([4, 3]);
    expect(jobs, 'nothing is missing').to.equal(0);
  });

  it("is a group's own, fitted to its queue", async () => {
    const loads = await loadsOf(place.platform, [await submit('claims')]);
    const of = (group: string, visible: number) =>
      loadsOfGroup(group, loads, { visible, leased: 1, delayed: 1 }, false).map(({ tasks }) => tasks);
    expect(of('default', 0)).to.deep.equal([2]);
    expect(of('default', 9)).to.deep.equal([4]);
    expect(loadsOfGroup('default', loads, null, false).map(({ tasks }) => tasks)).to.deep.equal([4]);
    expect(loadsOfGroup('other', loads, null, true)).to.deep.equal([]);
  });
});
