// Protects: a task that spot keeps interrupting moves to the fallback group, and loses no attempt and no output.
import { rmSync } from 'node:fs';
import { expect } from 'chai';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { factsOf } from '../support/job-facts.ts';
import { until } from '../support/until.ts';
import { FallbackJob } from './fallback-job.ts';

describe('a task that spot keeps interrupting', () => {
  let fallback: FallbackJob;
  beforeEach(() => {
    fallback = new FallbackJob();
  });
  afterEach(() => fallback.workspace.remove());

  /** Messages of the job in each group's queue. */
  const backlogs = async () => ({
    default: await fallback.backlogOf('default'),
    steady: await fallback.backlogOf('steady'),
  });
  const expectPlaces = async (
    job: string,
    { marks, ...queued }: { readonly default: number; readonly steady: number; readonly marks: number },
  ): Promise<void> => {
    expect(await backlogs()).to.deep.equal(queued);
    expect(await fallback.marksOf(job), 'counted interruptions').to.equal(marks);
  };

  it('moves to the fallback group after the number of interruptions that its step sets, and spends no attempt', async () => {
    const job = await fallback.workspace.submit();
    await fallback.interrupted('default');
    await expectPlaces(job, { default: 1, steady: 0, marks: 1 });
    await fallback.interrupted('default');
    await expectPlaces(job, { default: 0, steady: 1, marks: 2 });
    const { causes } = jsonOf(await fallback.workspace.run(['why', job, '--json']), 11);
    expect(causes).to.have.length(1);
    expect(causes[0]).to.include({
      code: 'noWorker',
      message: 'no worker serves group steady, and its size is 0 (manual)',
    });
    // Its own group has nothing left to wait for.
    expectExit(await fallback.workspace.work({}, '--slots', '1'));
    expectExit(await fallback.finish('steady'));
    expect(fallback.workspace.lines('ran')).to.have.length(3);
    await fallback.expectOnce(job);
    const { stdout } = await fallback.workspace.run(['tasks', job, '--task', 'price/0', '--json']);
    expect(stdout)
      .to.match(/"reason":"spot"/)
      .and.match(/"reason":"fallback"/);
  });

  it('stays in the fallback group when interrupted there, and leaves no mark', async () => {
    const job = await fallback.workspace.submit();
    await fallback.interrupted('default');
    await fallback.interrupted('default');
    await fallback.interrupted('steady');
    await expectPlaces(job, { default: 0, steady: 1, marks: 2 });
    await fallback.finish('steady');
    await fallback.expectOnce(job);
  });

  it('does not move if its worker dies without notice, as nothing counts that', async () => {
    const job = await fallback.workspace.submit();
    const running = fallback.workspace.start(['worker', '--until-empty', '--slots', '1']);
    await until('the task runs', () => fallback.workspace.lines('ran').length > 0);
    running.child.kill('SIGKILL');
    await running.ended;
    expect(await fallback.marksOf(job)).to.equal(0);
    await fallback.finish('default');
    await fallback.expectOnce(job);
  });

  it('starts in its own group again when it is retried', async () => {
    const job = await fallback.workspace.submit();
    await fallback.interrupted('default');
    await fallback.interrupted('default');
    fallback.workspace.write('go', '');
    await fallback.workspace.run(['kill', job, 'price/0', '--fail']);
    await fallback.finish('steady');
    rmSync(fallback.workspace.path('go'));
    expectExit(await fallback.workspace.run(['retry', job, '--task', 'price/0']));
    expect(await backlogs()).to.deep.equal({ default: 1, steady: 0 });
    await fallback.interrupted('default');
    expect(await backlogs()).to.deep.equal({ default: 1, steady: 0 });
    await fallback.finish('default');
    const facts = await factsOf(await fallback.workspace.platform(), job);
    expect(facts.outputs).to.deep.equal({ price: { 0: '1\n' } });
  });
});
