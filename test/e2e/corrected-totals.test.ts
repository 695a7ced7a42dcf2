// Protects: a wrong control total is corrected by a corrected job file; journal, proof and evidence say what was changed, and by whom.
import { expect } from 'chai';
import { requireView } from '../../src/jobs/journal.ts';
import { stateOf } from '../../src/model/view.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { Workspace } from '../support/workspace.ts';

const UNMET = 'one.rows == 3';
const MET = 'one.rows == 2';
const COUNT = 'echo "rows 1" >>"$BATCHCTL_COUNTERS"; cat';

describe('a corrected control total', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());

  const write = (equations: readonly string[], run = COUNT): void =>
    workspace.write('job.json', { ...rangeJob('totals', 2, { name: 'one', attempts: 1, run }), expect: equations });
  /** Runs two tasks that count a row each; the job fails. */
  const fail = async (...equations: readonly string[]): Promise<string> => {
    write(equations);
    const ran = await workspace.run(['run', 'job.json', '--json', '--profile', 'local']);
    expect(ran.code, ran.stderr).to.equal(5);
    return (JSON.parse(ran.stdout) as { readonly job: string }).job;
  };
  const seen = async (...words: readonly string[]): Promise<string> =>
    (await workspace.runSuccessfully(...words)).stdout;
  const stateNow = async (job: string): Promise<string> =>
    stateOf(await requireView((await workspace.platform()).store, job));
  const correct = (job: string, ...more: readonly string[]) =>
    workspace.run(['retry', job, '--with', 'job.json', ...more]);
  const refused = async (job: string, ...more: readonly string[]): Promise<string> => {
    const { code, stderr } = await correct(job, ...more);
    expect(code, stderr).to.equal(7);
    return stderr;
  };

  it('judges the same outputs again, and stands in journal, proof, evidence and history', async () => {
    const job = await fail(UNMET);
    write([MET, 'one.rows > 0']);
    const dry = await correct(job, '--dry-run');
    expectExit(dry);
    expect(dry.stdout).to.include('would be judged again').and.include(MET);
    expect(await stateNow(job)).to.equal('failed');
    const done = await correct(job);
    expectExit(done);
    expect(done.stdout).to.include('round 1: judged again').and.include('the job has succeeded');
    const proof = JSON.parse(await seen('verify', job, '--json', '-o', 'proof.ndjson'));
    expect(proof).to.include({ verdict: 'proven', round: 1 });
    expect(
      proof.expectations.map(({ equation, ok }: { equation: string; ok: boolean }) => [equation, ok]),
    ).to.deep.equal([
      [MET, true],
      ['one.rows > 0', true],
    ]);
    expect(proof.evidence.rounds[0].changed.expect).to.deep.equal([MET, 'one.rows > 0']);
    expect(proof.evidence.rounds[0].who).to.match(/@/);
    expect(await seen('verify', '--check', 'proof.ndjson')).to.include('is consistent');
    expect(await seen('verify', job)).to.match(
      /^round 1: judged again with corrected control totals \(one\.rows == 2; one\.rows > 0\), by \S+ .*UTC$/m,
    );
    expect(await seen('history', job)).to.match(
      /retry, round 1: no task, with expect \["one.rows == 3"\] → \["one.rows == 2"/,
    );
    expect(await seen('report', job))
      .to.include(MET)
      .and.not.include('does not hold');
    expect(await seen('fetch', job, '-o', '-')).to.equal('1\n2\n');
    // Applied once: the tasks did not run again, and the same command changes nothing more.
    expect((await correct(job)).stdout).to.include('nothing to retry');
    expect((await seen('history', job)).match(/retry, round/g)).to.have.length(1);
  });

  it('that does not hold either leaves the job failed by it, also for adjust --accept', async () => {
    const job = await fail(UNMET);
    write(['one.rows == 4']);
    const done = await correct(job);
    expect(done.stdout).to.include('the job has failed');
    const { stdout } = await workspace.run(['why', job]);
    expect(stdout).to.include('one.rows == 4 does not hold: 2 and 4').and.not.include('== 3');
    expect((await workspace.run(['adjust', job, '--accept', UNMET, '--reason', 'x'])).code).to.equal(4);
    await workspace.runSuccessfully('adjust', job, '--accept', '1', '--reason', 'a known one');
    expect(JSON.parse(await seen('verify', job, '--json')).verdict).to.equal('proven');
  });

  it('replaces one that cannot be evaluated, as the refusal to accept that says', async () => {
    const job = await fail('one.nothing == 1', 'one.rows == 2');
    const refused = await workspace.run(['adjust', job, '--accept', '1', '--reason', 'x']);
    expect([refused.code, refused.stderr.includes(`batchctl retry ${job} --with JOBFILE`)]).to.deep.equal([7, true]);
    write(['one.rows == 2']);
    expectExit(await correct(job));
    expect(await stateNow(job)).to.equal('succeeded');
  });

  it('applies with a corrected program to tasks that failed, and at a resume', async () => {
    write([UNMET], `read n; [ $n = 1 ] || exit 1; ${COUNT}`);
    const ran = await workspace.run(['run', 'job.json', '--json', '--profile', 'local']);
    const { job } = JSON.parse(ran.stdout) as { job: string };
    write([MET]);
    expectExit(await correct(job));
    await workspace.work();
    expect(await stateNow(job)).to.equal('succeeded');
    const two = JSON.parse(await seen('submit', 'job.json', '--json', '--profile', 'local')).job;
    await seen('pause', two);
    write(['one.rows == 5']);
    await seen('resume', two, '--with', 'job.json');
    await workspace.work();
    expect(await stateNow(two)).to.equal('failed');
    // A retry without the file keeps it.
    write([MET]);
    await workspace.run(['retry', two, '--timeout', '5m']);
    expect((await workspace.run(['why', two])).stdout).to.include('one.rows == 5');
  });

  it('is not applied to a job that succeeded, nor by a dry run, nor by a retry of one task', async () => {
    write([MET]);
    const { stdout } = await workspace.run(['run', 'job.json', '--json', '--profile', 'local']);
    const { job } = JSON.parse(stdout) as { job: string };
    write([UNMET]);
    expect(await refused(job)).to.include(`no task of job ${job} that failed for good is left`);
    expect(await stateNow(job)).to.equal('succeeded');
    const failed = await fail(UNMET);
    write([MET]);
    expect((await correct(failed, '--task', 'one/0')).code).to.equal(7);
    expect(await refused(failed, '--step', 'one')).to.include('nothing would run with the change of expect\n');
    expect(await stateNow(failed)).to.equal('failed');
  });

  it('is refused if it needs records that were not counted', async () => {
    const job = await fail(UNMET);
    write(['one.rows == input.records']);
    const { code, stderr } = await correct(job);
    expect([code, stderr.includes('were not counted')]).to.deep.equal([7, true]);
    expect((await requireView((await workspace.platform()).store, job)).round).to.equal(0);
  });

  it('makes the job that its run key names the same as the corrected file', async () => {
    write([UNMET]);
    const first = await workspace.run(['run', 'job.json', '--run-key', 'k', '--json', '--profile', 'local']);
    const { job } = JSON.parse(first.stdout) as { job: string };
    write([MET]);
    expectExit(await correct(job));
    const again = JSON.parse(await seen('run', 'job.json', '--run-key', 'k', '--json'));
    expect([again.job, again.created]).to.deep.equal([job, false]);
    write(['one.rows == 7']);
    expect((await workspace.run(['run', 'job.json', '--run-key', 'k'])).code).to.equal(7);
  });
});
