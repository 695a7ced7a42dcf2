// Protects: a known difference of a control total is accepted by name, with a reason, for exactly its sides, and everyone sees it.
import { expect } from 'chai';
import { acceptTotal } from '../../src/jobs/change/accept.ts';
import { requireView } from '../../src/jobs/journal.ts';
import { acceptanceOf, stateOf } from '../../src/model/view.ts';
import { viewOf } from '../model/job-of.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { Workspace } from '../support/workspace.ts';

const REASON = 'a known duplicate, ticket 4711';
const UNMET = 'one.rows == 3';

describe('an accepted control total', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());

  /** Two tasks that count a row each. */
  const fail = async (...equations: readonly string[]): Promise<string> => {
    const run = 'echo "rows 1" >>"$BATCHCTL_COUNTERS"; cat';
    workspace.write('job.json', { ...rangeJob('totals', 2, { name: 'one', run }), expect: equations });
    const ran = await workspace.run(['run', 'job.json', '--json', '--profile', 'local']);
    expect(ran.code, ran.stderr).to.equal(5);
    return (JSON.parse(ran.stdout) as { readonly job: string }).job;
  };
  const accept = (job: string, total: string, ...more: readonly string[]) =>
    workspace.run(['adjust', job, '--accept', total, '--reason', REASON, ...more]);

  it('ends the job as succeeded, and stands in status, proof, evidence, history and report', async () => {
    const job = await fail('one.rows > 0', UNMET);
    const dry = await accept(job, UNMET, '--dry-run');
    expectExit(dry);
    expect(dry.stdout).to.include('would change').and.include('2 and 3');
    expect((await workspace.run(['status', job])).stdout).to.include('failed (expect)');
    const done = await accept(job, ' one.rows   == 3');
    expectExit(done);
    expect(done.stdout).to.include('the job has succeeded');
    // Repeated: said, not decided again.
    expect((await accept(job, '2')).stdout).to.include('nothing to change');
    const text = `${UNMET} does not hold: 2 and 3, a difference of -1`;
    const seen = async (...words: readonly string[]) => {
      const { code, stdout, stderr } = await workspace.run(words);
      expect(code, stderr).to.equal(0);
      return stdout;
    };
    expect(await seen('status', job)).to.match(/accepted by \S+ that one.rows == 3 does not hold: 2 and 3/);
    expect(await seen('history', job)).to.include(`accepted that ${text}: ${REASON}`);
    expect(await seen('verify', job, '-o', 'proof.ndjson')).to.match(
      /proven[\s\S]*does not hold: one.rows == 3 \(2, 3\), accepted by .*: a known duplicate, ticket 4711/,
    );
    expect(await seen('verify', '--check', 'proof.ndjson'))
      .to.include('is consistent')
      .and.include(REASON);
    expect(await seen('report', job)).to.include(`one.rows == 3 (2, 3), accepted by`);
    expect(await seen('report', job, '--format', 'html')).to.include('1 of 2 control totals accepted although not met');
    expect(await seen('fetch', job, '-o', '-')).to.equal('1\n2\n');
    const proof = JSON.parse(await seen('verify', job, '--json'));
    expect(proof).to.include({ verdict: 'proven', state: 'succeeded' });
    expect(proof.expectations[1].accepted).to.include({ reason: REASON });
    expect(proof.expectations[0]).to.not.have.property('accepted');
    expect((await seen('history', job)).match(/accepted that/g)).to.have.length(1);
  });

  it('leaves a job failed that another total fails, until that is accepted too', async () => {
    const job = await fail(UNMET, 'one.rows == 4');
    const first = await accept(job, '1');
    expectExit(first);
    expect(first.stdout).to.include('the job has failed');
    const verified = await workspace.run(['verify', job]);
    expect(verified.code).to.equal(9);
    expect(verified.stdout).to.include('problem: one.rows == 4 does not hold').and.not.include(`problem: ${UNMET}`);
    expect((await workspace.run(['fetch', job, '-o', '-'])).stderr).to.not.include(UNMET);
    expect((await accept(job, '2')).stdout).to.include('the job has succeeded');
  });

  it('is completed by the same command if its process died after the entry', async () => {
    const job = await fail(UNMET);
    const platform = await workspace.platform();
    const died = { ...platform, ledger: () => Promise.reject(new Error('died')) };
    const view = await requireView(platform.store, job);
    await acceptTotal(died, view, { total: '1', reason: REASON, dryRun: false }).catch(() => undefined);
    expect(stateOf(await requireView(platform.store, job))).to.equal('running');
    const again = await accept(job, UNMET);
    expectExit(again);
    expect(stateOf(await requireView(platform.store, job))).to.equal('succeeded');
    expect((await workspace.run(['history', job])).stdout.match(/accepted that/g)).to.have.length(1);
  });

  it('is refused without a reason, beside limits, and if there is nothing to accept', async () => {
    const job = await fail(UNMET, 'one.rows == 2', 'one.nothing == 1');
    const refused = async (code: number, text: string, ...words: readonly string[]) => {
      const answer = await workspace.run(['adjust', job, ...words]);
      expect(answer.code, answer.stderr).to.equal(code);
      expect(answer.stderr).to.include(text);
    };
    await refused(2, 'expected --reason', '--accept', '1');
    await refused(2, '--reason is for --accept', '--reason', 'x');
    await refused(2, 'limits are for an open one', '--accept', '1', '--reason', 'x', '--tolerate', '1');
    await refused(7, 'one.rows == 2 holds', '--accept', '2', '--reason', 'x');
    await refused(7, 'nothing counted one.nothing', '--accept', '3', '--reason', 'x');
    for (const total of ['0', '4', 'one.rows == 5'])
      await refused(4, `no control total "${total}"`, '--accept', total, '--reason', 'x');
    expect(stateOf(await requireView((await workspace.platform()).store, job))).to.equal('failed');
    workspace.write('bad.json', {
      ...rangeJob('bad', 1, { name: 'one', attempts: 1, run: 'exit 1' }),
      expect: [UNMET],
    });
    expect((await workspace.run(['run', 'bad.json'])).code).to.equal(5);
    const other = await workspace.run(['adjust', 'name:bad', '--accept', '1', '--reason', 'x']);
    expect([other.code, other.stderr]).to.satisfy(
      ([code, text]: [number, string]) => code === 7 && text.includes('another reason'),
    );
  });

  it('holds for exactly the sides that it was given for', () => {
    const entry = { what: 'accept', equation: UNMET, left: '2', right: '3', reason: REASON, round: 1 } as const;
    const close = { what: 'close', state: 'failed', reason: 'expect', round: 0 } as const;
    const view = viewOf([{ what: 'sent' }, close, entry]);
    expect([stateOf(view), view.round]).to.deep.equal(['running', 1]);
    const sides = { equation: UNMET, left: '2', right: '3' };
    expect(acceptanceOf(view, sides)).to.include({ reason: REASON, who: 'me@here' });
    for (const other of [{ left: '1' }, { right: '4' }, { equation: 'one.rows == 4' }, { left: null }])
      expect(acceptanceOf(view, { ...sides, ...other }), JSON.stringify(other)).to.equal(null);
  });
});
