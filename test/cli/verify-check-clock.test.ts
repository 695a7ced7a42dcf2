// Protects: evidence of a job that a machine with a wrong clock worked on or decided about is accepted, and says so.
import { expect } from 'chai';
import { jsonOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { movedClock } from '../support/moved-clock.ts';
import { Workspace } from '../support/workspace.ts';

const JOB = {
  name: 'late',
  input: { split: { by: 'range', from: 1, to: 3 } },
  steps: [{ name: 'say', run: ['cat'] }],
};

describe('verify --check of a job with a wrong clock', () => {
  const workspace = forSuite(() => Workspace.withLongLeases());

  it('warns of decisions and a proof from before the job, and exits 0', async () => {
    workspace.write('job.json', JOB);
    const job = await workspace.submit();
    // A machine without a battery for its clock.
    const wrong = movedClock('1970-01-02T00:00:00Z');
    for (const words of [
      ['pause', job],
      ['resume', job],
    ])
      expect((await workspace.run(words, wrong)).code).to.equal(0);
    await workspace.work();
    await workspace.run(['verify', job, '-o', 'evidence.ndjson'], wrong);

    const checked = await workspace.runSuccessfully('verify', '--check', 'evidence.ndjson');
    expect(checked.stdout)
      .to.match(/^evidence\.ndjson: is consistent, \d+ lines\n/)
      .and.match(/warning: line \d+: decision \d was made at 1970-01-02T\S+, before the job existed\n/)
      .and.match(/warning: the proof was made at 1970-01-02T\S+, before the last decision that it names\n/);
    const { verdict, check } = jsonOf(await workspace.run(['verify', '--check', 'evidence.ndjson', '--json']));
    expect({ verdict, mismatches: check.mismatches }).to.deep.equal({ verdict: 'proven', mismatches: [] });
    expect(check.warnings.map(({ code }: { code: string }) => code)).to.deep.equal([
      'decisionTime',
      'decisionTime',
      'proofTime',
    ]);
  });
});
