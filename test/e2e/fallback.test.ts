// Protects: a task that spot keeps interrupting moves to the fallback group, and loses no attempt and no output.
import { rmSync } from 'node:fs';
import { expect } from 'chai';
import { FallbackDesk } from '../support/fallback-desk.ts';
import { factsOf } from '../support/job-facts.ts';
import { until } from '../support/until.ts';

describe('a task that spot keeps interrupting goes to the fallback group', () => {
  let desk: FallbackDesk;
  beforeEach(() => {
    desk = new FallbackDesk();
  });
  afterEach(() => desk.workspace.remove());

  it('after as many interruptions as its step says, and spends no attempt', async () => {
    const job = await desk.workspace.submit();
    await desk.interrupted('default');
    expect([await desk.backlogOf('default'), await desk.backlogOf('steady'), await desk.marksOf(job)]).to.deep.equal([
      1, 0, 1,
    ]);
    await desk.interrupted('default');
    expect([await desk.backlogOf('default'), await desk.backlogOf('steady'), await desk.marksOf(job)]).to.deep.equal([
      0, 1, 2,
    ]);
    const why = await desk.workspace.run(['why', job, '--json']);
    const { causes } = JSON.parse(why.stdout) as {
      causes: readonly { readonly code: string; readonly title: string }[];
    };
    expect(causes.map(({ code, title }) => `${code} ${title}`)).to.deep.equal([
      'noWorker no worker serves group steady, and its size is 0 (manual)',
    ]);
    // Its own group has nothing left to wait for.
    const own = await desk.workspace.work({}, '--slots', '1');
    expect(own.code, own.stderr).to.equal(0);
    const third = await desk.finish('steady');
    expect(third.code, third.stderr).to.equal(0);
    expect(desk.workspace.lines('ran')).to.have.length(3);
    await desk.expectOnce(job);
    const { stdout } = await desk.workspace.run(['tasks', job, '--task', 'price/0', '--json']);
    expect(stdout)
      .to.match(/"reason":"spot"/)
      .and.match(/"reason":"fallback"/);
  });

  it('and stays there: what is interrupted in the fallback group comes back to it, and no mark is left', async () => {
    const job = await desk.workspace.submit();
    await desk.interrupted('default');
    await desk.interrupted('default');
    await desk.interrupted('steady');
    expect([await desk.backlogOf('default'), await desk.backlogOf('steady'), await desk.marksOf(job)]).to.deep.equal([
      0, 1, 2,
    ]);
    await desk.finish('steady');
    await desk.expectOnce(job);
  });

  it('but not when its worker dies without notice, as that leaves nothing to count', async () => {
    const job = await desk.workspace.submit();
    const running = desk.workspace.start(['worker', '--until-empty', '--slots', '1']);
    await until('the task runs', () => desk.workspace.lines('ran').length > 0);
    running.child.kill('SIGKILL');
    await running.ended;
    expect(await desk.marksOf(job)).to.equal(0);
    await desk.finish('default');
    await desk.expectOnce(job);
  });

  it('but begins in its own group again when it is retried', async () => {
    const job = await desk.workspace.submit();
    await desk.interrupted('default');
    await desk.interrupted('default');
    desk.workspace.write('go', '');
    await desk.workspace.run(['tasks', 'kill', job, 'price/0', '--fail']);
    await desk.finish('steady');
    rmSync(desk.workspace.path('go'));
    const retried = await desk.workspace.run(['retry', job, '--task', 'price/0']);
    expect(retried.code, retried.stderr).to.equal(0);
    expect([await desk.backlogOf('default'), await desk.backlogOf('steady')]).to.deep.equal([1, 0]);
    await desk.interrupted('default');
    expect([await desk.backlogOf('default'), await desk.backlogOf('steady')]).to.deep.equal([1, 0]);
    await desk.finish('default');
    const facts = await factsOf(await desk.workspace.platform(), job);
    expect(facts.outputs).to.deep.equal({ price: { 0: '1\n' } });
  });
});
