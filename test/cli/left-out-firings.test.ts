// Protects: what a scheduled firing's inputs leave out is told by tick, and stands in the job's record and evidence.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { expect } from 'chai';
import { createFsStore } from '../../src/adapters/local/fs-store.ts';
import type { JobRecord } from '../../src/model/job.ts';
import { jobKey } from '../../src/model/keys.ts';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { movedClock } from '../support/moved-clock.ts';
import { readText } from '../support/read-text.ts';
import { Workspace } from '../support/workspace.ts';

describe('what the inputs of a firing leave out', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  const HIDDEN = 'the input in/*.csv leaves out 1 whose names begin with a dot (in/.b.csv); name them: .*';
  beforeEach(() => {
    mkdirSync(workspace.path('in'));
    for (const name of ['in/a.csv', 'in/.b.csv']) workspace.write(name, '1\n');
    workspace.write('job.json', { name: 'c', input: { split: { by: 'file' } }, steps: [{ name: 's', run: ['cat'] }] });
  });

  const clock = movedClock('2026-11-27T12:00:00Z');
  async function addDaily(input: string): Promise<void> {
    const add = ['schedule', 'add', 'daily', 'job.json', '--cron', '0 6 * * *', '--tz', 'UTC', '--input', input];
    expectExit(await workspace.run(add, clock));
  }
  const tick = (...flags: readonly string[]) =>
    workspace.run(['tick', '--json', ...flags], movedClock('2026-11-28T06:00:20Z'));
  async function recordOf(job: string, root = '.batchctl'): Promise<JobRecord> {
    const store = await createFsStore({ root: workspace.path(root), durability: 'process' });
    return JSON.parse((await readText(store, jobKey(job))) ?? '');
  }

  it('is a warning of tick, also with --quiet, and is kept in the record, whose change verify finds', async () => {
    await addDaily('in/*.csv');
    const ticked = await tick('--quiet');
    const { fired } = jsonOf(ticked);
    expect(ticked.stderr).to.equal(`warning: daily, 2026-11-28T06:00: ${HIDDEN}\n`);
    const [{ job }] = fired;
    expect((await recordOf(job)).leftOut).to.deep.equal([HIDDEN]);
    expectExit(await workspace.run(['worker', '--until-empty']));
    expectExit(await workspace.run(['verify', job, '-o', 'evidence.ndjson']));
    const [first = ''] = readFileSync(workspace.path('evidence.ndjson'), 'utf8').split('\n');
    expect(JSON.parse(first).record.leftOut).to.deep.equal([HIDDEN]);
    expectExit(await workspace.run(['verify', '--check', 'evidence.ndjson']));
    const store = await createFsStore({ root: workspace.path('.batchctl'), durability: 'process' });
    const { leftOut: _, ...without } = await recordOf(job);
    await store.put(jobKey(job), JSON.stringify(without));
    expectExit(await workspace.run(['verify', job]), 9);
  });

  it('is not said again by tick, whose output cron mails, until it changes', async () => {
    await addDaily('in/*.csv');
    const said = async (day: string): Promise<string> => {
      const ticked = await workspace.run(['tick', '--quiet'], movedClock(`2026-${day}T06:00:20Z`));
      expect(ticked.code).to.equal(0);
      return `${ticked.stdout}${ticked.stderr}`;
    };
    expect(await said('11-28')).to.equal(`warning: daily, 2026-11-28T06:00: ${HIDDEN}\n`);
    expect(await said('11-29')).to.equal('');
    workspace.write('in/.c.csv', '1\n');
    expect(await said('11-30'), 'one more').to.include('daily, 2026-11-30T06:00: the input in/*.csv leaves out 2');
    for (const name of ['in/.b.csv', 'in/.c.csv']) rmSync(workspace.path(name));
    expect(await said('12-01'), 'none').to.equal('');
    workspace.write('in/.b.csv', '1\n');
    expect(await said('12-02'), 'again').to.include(HIDDEN);
  });

  it('is the same on another day although its path has the period', async () => {
    for (const day of ['28', '29']) {
      mkdirSync(workspace.path(`in/2026-11-${day}T06:00`));
      for (const name of ['a.csv', '.b.csv']) workspace.write(`in/2026-11-${day}T06:00/${name}`, '1\n');
    }
    await addDaily('in/{period}/*.csv');
    const warnings: string[] = [];
    for (const day of ['28', '29'])
      warnings.push((await workspace.run(['tick', '--quiet'], movedClock(`2026-11-${day}T06:00:20Z`))).stderr);
    expect(warnings.map((text) => text.includes('leaves out 1'))).to.deep.equal([true, false]);
  });

  it('is a warning of schedule run, and of submit, whose record keeps it, too', async () => {
    await addDaily('in/*.csv');
    const ran = await workspace.run(['schedule', 'run', 'daily', '--period', '2026-11-28T06:00', '--json'], clock);
    expect([ran.stderr.includes(`warning: ${HIDDEN}\n`), (await recordOf(jsonOf(ran).job)).leftOut]).to.deep.equal([
      true,
      [HIDDEN],
    ]);
    const submitted = await workspace.run(['submit', 'job.json', '--input', 'in/*.csv', '--json']);
    expect((await recordOf(jsonOf(submitted).job)).leftOut).to.deep.equal([HIDDEN]);
    const whole = await workspace.run(['submit', 'job.json', '--input', 'in/a.csv', '--json']);
    expect(await recordOf(jsonOf(whole).job)).not.to.have.property('leftOut');
  });

  it('is the store, also one with another name than the usual', async () => {
    workspace.write('batchctl.config.json', { profiles: { local: { backend: 'local', root: 'state' } } });
    await addDaily('.');
    const ticked = await tick();
    const [{ job }] = jsonOf(ticked).fired;
    const { inputs, leftOut = [] } = await recordOf(job, 'state');
    expect(inputs.map(({ name }) => name)).to.deep.equal(['in/.b.csv', 'in/a.csv', 'job.json']);
    expect(leftOut.join()).to.include("the input . leaves out 2 that are batchctl's own");
  });
});
