// Protects: a token that may only submit can't take the place of a schedule's period.
import { expect } from 'chai';
import { forSuite } from '../../support/fixture.ts';
import { ApiServer } from '../../support/manager/api-server.ts';
import { rangeJob } from '../../support/range-job.ts';

describe('submissions through a manager', () => {
  const server = forSuite(() => ApiServer.open());

  it("refuse the run key of a schedule's period to callers who may only submit", async () => {
    const spec = rangeJob('payroll', 1, { name: 'pay', run: 'cat' });
    await server.call('POST', '/schedules', { name: 'payroll', spec, cron: '0 6 1 * *' });
    const submit = (runKey: string, more: object = {}, scope: 'submit' | 'operate' = 'submit') =>
      server.call('POST', '/jobs', { spec, runKey, ...more }, { scope });
    for (const [runKey, more] of [
      ['payroll@2099-12', {}],
      ['payroll@2099-12', { dryRun: true }],
      ['payroll@{period}', { period: '2099-12' }],
      ['payroll@', {}],
    ] as const) {
      const { status, error } = await submit(runKey, more);
      expect([status, error.kind], runKey).to.deep.equal([409, 'refused']);
      expect(error.message).to.include('belongs to the schedule payroll');
      expect(error.hint).to.include('batchctl schedule run payroll');
    }
    expect((await server.call('GET', `/jobs/${encodeURIComponent('key:payroll@2099-12')}`)).status).to.equal(404);
    for (const free of ['payrol@2099-12', 'payroll-2099-12', '2099@payroll'])
      expect((await submit(free)).status, free).to.equal(200);
    expect((await submit('payroll@2099-12', {}, 'operate')).status).to.equal(200);
    await server.call('DELETE', '/schedules/payroll');
    expect((await submit('payroll@2098-12')).status).to.equal(200);
  });
});
