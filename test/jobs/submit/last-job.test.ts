// Protects: the last job is the one that was submitted last, also after the machine's clock was set back.
import { expect } from 'chai';
import { forEachTest } from '../../support/fixture.ts';
import { parseJsonLines } from '../../support/json-lines.ts';
import { movedClock } from '../../support/moved-clock.ts';
import { rangeJobFile } from '../../support/why-job.ts';
import { Workspace } from '../../support/workspace.ts';

const NOON = '2026-11-27T12:00:00Z';
const HOUR_BEFORE = '2026-11-27T11:00:00Z';
const MONTHS_BEFORE = '2026-06-01T00:00:00Z';

describe('the last job', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  beforeEach(() => workspace.write('job.json', rangeJobFile(2, 'cat')));

  const submitAt = async (at: string, ...flags: readonly string[]) => {
    const { code, stdout, stderr } = await workspace.run(['submit', 'job.json', '--json', ...flags], movedClock(at));
    expect(code, stderr).to.equal(0);
    return { job: (JSON.parse(stdout) as { readonly job: string }).job, stderr };
  };
  const jobNamed = async (word: string): Promise<string> => {
    const { stdout } = await workspace.runSuccessfully('status', word, '--json');
    return (JSON.parse(stdout) as { readonly job: string }).job;
  };
  const listed = async () =>
    parseJsonLines<{ readonly job: string }>((await workspace.runSuccessfully('jobs', '--json')).stdout).map(
      ({ job }) => job,
    );

  it('is the one submitted last, after the clock was set back once, and further', async () => {
    const jobs: string[] = [];
    for (const at of [NOON, HOUR_BEFORE, MONTHS_BEFORE, HOUR_BEFORE]) {
      jobs.unshift((await submitAt(at)).job);
      for (const word of ['last', 'name:claims']) expect(await jobNamed(word)).to.equal(jobs[0]);
      expect(await listed()).to.deep.equal(jobs);
    }
    await workspace.runSuccessfully('ledger', 'rebuild');
    expect(await listed()).to.deep.equal(jobs);
  });

  it('of a run key is its last claim', async () => {
    await submitAt(NOON, '--run-key', 'k');
    const { job } = await submitAt(HOUR_BEFORE, '--run-key', 'k', '--again');
    expect(await jobNamed('key:k')).to.equal(job);
  });

  it('keeps the time that the clock showed, and says that it counts as newer', async () => {
    const first = await submitAt(NOON);
    expect(first.stderr).not.to.contain('clock');
    const { job, stderr } = await submitAt(HOUR_BEFORE);
    expect(stderr).to.match(
      /warning: this machine's clock shows 2026-11-27T11:00:\S+Z, before the newest job was accepted/,
    );
    const { stdout } = await workspace.runSuccessfully('status', job, '--json');
    expect(JSON.parse(stdout).createdAt).to.match(/^2026-11-27T11:00:/);
    expect(job).to.contain('-20261127-1100-');
    const next = await submitAt('2026-11-27T12:10:00Z');
    expect(next.stderr).not.to.contain('clock');
    expect(await jobNamed('last')).to.equal(next.job);
  });
});
