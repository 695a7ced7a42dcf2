// Protects: a job submitted with --at starts at its time, and only if something will start it.

import { hostname } from 'node:os';
import { expect } from 'chai';
import { tickId } from '../../src/jobs/keeper-mark.ts';
import { forEachTest } from '../support/fixture.ts';
import { movedClock } from '../support/moved-clock.ts';
import { rangeJobFile } from '../support/why-job.ts';
import { Workspace } from '../support/workspace.ts';

describe('submit --at', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  beforeEach(() => {
    workspace.write('job.json', rangeJobFile(1, 'date +%s >> "$HOME/ran"; cat'));
  });

  it('needs a keeper seen within 15 minutes, and prints a crontab line for one', async () => {
    const submit = ['submit', 'job.json', '--at', 'in 2h', '--run-key', 'k'];
    const refused = await workspace.run(submit);
    expect(refused.code).to.equal(7);
    expect(refused.stderr).to.include('--at requires a running manager or tick');
    expect(refused.stderr).to.match(
      /hint: add to a crontab: \* \* \* \* \* {2}cd \S+ && batchctl tick --quiet --profile local/,
    );
    expect((await workspace.run(['jobs'])).stdout).to.equal('');
    await workspace.runSuccessfully('tick');
    const later = await workspace.runSuccessfully(...submit);
    expect(later.stderr).to.match(/starts 20\S+ \S+ UTC \(in (2h|1h\d+m)/);
    const later20m = movedClock(new Date(Date.now() + 20 * 60_000).toISOString());
    const tooLate = await workspace.run(['submit', 'job.json', '--at', 'in 2h'], later20m);
    expect(tooLate.code, 'the keeper is gone').to.equal(7);
    expect((await workspace.run(submit, later20m)).code, 'the job of the run key exists').to.equal(0);
    const doctor = await workspace.run(['doctor', '--json'], later20m);
    expect(doctor.stdout).to.include('"code":"keeper","severity":"pass"');
  });

  it('starts no task before its time, even with run, which waits', async () => {
    const before = Date.now();
    await workspace.runSuccessfully('run', 'job.json', '--at', 'in 3s');
    expect(Number(workspace.lines('ran')[0])).to.be.at.least(Math.floor(before / 1_000) + 3);
  });

  it('can be moved, even to now', async () => {
    await workspace.runSuccessfully('tick');
    const id = await workspace.submit('--at', 'in 2h');
    const moved = await workspace.runSuccessfully('adjust', id, '--at', '2099-11-30T18:00Z', '--json');
    expect(JSON.parse(moved.stdout).changes[0]).to.include({ field: 'notBefore', to: '2099-11-30T18:00:00.000Z' });
    expect((await workspace.run(['status', id])).stdout).to.include('starts 2099-11-30 18:00 UTC');
    expect((await workspace.run(['why', id])).stdout).to.include(`batchctl adjust ${id} --at now`);
    expect((await workspace.run(['adjust', id, '--at', '2020-01-01T06:00Z'])).code).to.equal(2);
    const now = await workspace.run(['adjust', id, '--at', 'now']);
    expect(now.stdout, now.stderr).to.match(/^notBefore +2099-11-30 18:00 UTC .* +20/m);
    await workspace.work();
    expect(workspace.lines('ran')).to.have.length(1);
    const history = await workspace.run(['history', id, '--json']);
    expect(history.stdout).to.include('"notBefore":"2099-11-30T18:00:00.000Z"');
    expect((await workspace.run(['adjust', id, '--at', 'in 2h'])).code).to.equal(7);
  });

  it('is rejected for a past time, or after the deadline', async () => {
    for (const flags of [['2020-01-01T06:00Z'], ['in 2h', '--finish-by', 'in 1h']]) {
      expect((await workspace.run(['submit', 'job.json', '--at', ...flags])).code, flags.join(' ')).to.equal(2);
    }
  });

  it('makes doctor warn if nothing fires schedules', async () => {
    await workspace.run(['schedule', 'add', 'daily', 'job.json', '--cron', '0 6 * * *']);
    const { stdout } = await workspace.run(['doctor']);
    expect(stdout).to.match(
      /^warn {2}keeper +no manager or tick has run here, so nothing fires daily\n +fix: +run batchctl tick every minute/m,
    );
    await workspace.runSuccessfully('tick');
    expect((await workspace.run(['doctor'])).stdout).to.match(/^pass {2}keeper +tick-\S+ was active \S+ ago/m);
    expect(tickId()).to.match(/^tick-[a-z0-9-]+$/);
    expect(tickId(`${hostname()}.`)).to.equal(tickId());
  });
});
