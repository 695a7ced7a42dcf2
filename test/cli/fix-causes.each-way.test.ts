// Protects: a job that failed for several reasons can be fixed cause by cause, and its proof says what was done.

import { expect } from 'chai';
import { forSuite } from '../support/fixture.ts';
import { parseJsonLines } from '../support/json-lines.ts';
import { describeEachWay } from '../support/manager/each-way.ts';
import { rangeJob } from '../support/range-job.ts';

/** Twelve numbers, some of which fail for three reasons: one needs another script, one a retry, one is given up. */
const jobFile = (timeout = '10s', name = 'claims') => ({
  ...rangeJob<object>(
    name,
    12,
    { name: 'price', attempts: 1, run: ['sh', 'price.sh'], timeout },
    { name: 'total', gather: true, run: 'wc -l' },
  ),
  files: ['price.sh'],
});
const script = (bad: string, dir: string): string => `read n
case $n in
  ${bad}) echo "row $n: bad claim" >&2; exit 65;;
  5) [ -e ${dir}/up ] || { echo "upstream is down" >&2; exit 1; };;
  11) echo "the file is empty" >&2; exit 3;;
esac
echo $n
`;

interface Cause {
  readonly cause: string;
  readonly exitCode: number;
}

describeEachWay('a job that failed for three reasons', (make) => {
  const workspace = forSuite(make);
  let job: string;
  before(async () => {
    workspace.write('job.json', jobFile());
    workspace.write('price.sh', script('3|7', workspace.dir));
    job = await workspace.submit();
    expect((await workspace.work()).code).to.equal(0);
  });

  const json = async (...words: readonly string[]) =>
    JSON.parse((await workspace.runSuccessfully(...words, '--json')).stdout);
  async function causeOf(exitCode: number): Promise<string> {
    const { stdout } = await workspace.runSuccessfully('failures', job, '--json');
    const cause = parseJsonLines<Cause>(stdout).find((each) => each.exitCode === exitCode);
    if (cause === undefined) throw new Error(`no cause with exit ${exitCode}: ${stdout}`);
    return cause.cause;
  }

  it('shows the changes of a fixed script in a dry run, which asks nothing', async () => {
    workspace.write('price.sh', script('never', workspace.dir));
    workspace.write('job.json', jobFile('20s'));
    const words = ['retry', job, '--cause', await causeOf(65), '--with', 'job.json', '--canary', '1', '--dry-run'];
    const { stdout } = await workspace.runSuccessfully(...words);
    expect(stdout).to.include('would retry 2 tasks (price/2,6), first price/2');
    expect(stdout)
      .to.match(/steps\.price\.timeout +10s +20s/)
      .and.match(/files\/price\.sh +[0-9a-f]{12} +[0-9a-f]{12}/);
    expect((await json('status', job)).round).to.equal(0);
  });

  it('is fixed by a script for one cause, a retry for one and a skip for one, and its proof records them', async () => {
    const [bad, down, empty] = [await causeOf(65), await causeOf(1), await causeOf(3)];
    const fixed = await json('retry', job, '--cause', bad, '--with', 'job.json', '--canary', '1');
    expect(fixed).to.deep.include({ round: 1, tasks: { price: '2,6' }, canaries: { price: '2' }, sent: 1 });
    expect((await workspace.work()).code).to.equal(0);
    workspace.write('up', '');
    const again = await json('retry', job, '--cause', down);
    expect(again).to.deep.include({ round: 2, tasks: { price: '4' }, count: 1, changes: [] });
    const skipped = await json('skip', job, '--cause', empty, '--reason', 'empty, agreed');
    expect(skipped).to.deep.include({ changed: true, tasks: { price: '10' }, reason: 'empty, agreed' });
    expect((await workspace.work()).code).to.equal(0);
    expect((await json('wait', job)).steps[0]).to.deep.include({ done: 11, failed: 0, skipped: 1 });
    const proof = await json('verify', job);
    expect(proof.verdict).to.equal('proven');
    expect(proof.skips).to.have.length(1);
    expect(proof.skips[0]).to.deep.include({ step: 'price', tasks: '10', reason: 'empty, agreed' });
  });

  it('rejects an unknown cause, and a job file of another job', async () => {
    expect((await workspace.run(['retry', job, '--cause', 'zzzzzz'])).code).to.equal(4);
    workspace.write('other.json', jobFile('20s', 'other'));
    const other = await workspace.run(['retry', job, '--with', 'other.json']);
    expect(other.code).to.equal(7);
    expect(other.stderr).to.include('name (was claims, is other)');
  });
});
