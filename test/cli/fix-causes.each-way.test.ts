// Protects: a job that failed for several reasons can be fixed cause by cause, and its proof says what was done.

import { expect } from 'chai';
import { forSuite } from '../support/fixture.ts';
import { eachWay } from '../support/manager/each-way.ts';
import type { Ended } from '../support/workspace.ts';

/** Twelve numbers, some of which fail for three reasons: one needs another script, one a retry, one is given up. */
const JOB = {
  name: 'claims',
  files: ['price.sh'],
  input: { split: { by: 'range', from: 1, to: 12 } },
  steps: [
    { name: 'price', attempts: 1, run: ['sh', 'price.sh'], timeout: '10s' },
    { name: 'total', gather: true, run: 'wc -l' },
  ],
};
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

eachWay('a job that failed for three reasons', (make) => {
  const workspace = forSuite(make);
  let job: string;
  before(async () => {
    workspace.write('job.json', JOB);
    workspace.write('price.sh', script('3|7', workspace.dir));
    job = await workspace.submit();
    expect((await workspace.work()).code).to.equal(0);
  });

  const parsed = <T>({ code, stdout, stderr }: Ended): T => {
    expect(code, stderr).to.equal(0);
    return JSON.parse(stdout) as T;
  };
  async function causeOf(exitCode: number): Promise<string> {
    const { stdout, stderr } = await workspace.run(['failures', job, '--json']);
    const causes = stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Cause);
    const found = causes.find((cause) => cause.exitCode === exitCode);
    if (found === undefined) throw new Error(`no cause with exit ${exitCode}: ${stdout}${stderr}`);
    return found.cause;
  }

  it('shows in a dry run what a fixed script would change, without asking', async () => {
    workspace.write('price.sh', script('never', workspace.dir));
    workspace.write('job.json', { ...JOB, steps: [{ ...JOB.steps[0], timeout: '20s' }, JOB.steps[1]] });
    const words = ['retry', job, '--cause', await causeOf(65), '--with', 'job.json', '--canary', '1', '--dry-run'];
    const { code, stdout } = await workspace.run(words);
    expect(code).to.equal(0);
    expect(stdout).to.include('would retry 2 tasks (price/2,6), first price/2');
    expect(stdout)
      .to.match(/steps\.price\.timeout +10s +20s/)
      .and.match(/files\/price\.sh +[0-9a-f]{12} +[0-9a-f]{12}/);
    expect(parsed<{ round: number }>(await workspace.run(['status', job, '--json'])).round).to.equal(0);
  });

  it('is repaired by a script for one cause, a retry for one and a skip for one, and the proof says so', async () => {
    const [bad, down, empty] = [await causeOf(65), await causeOf(1), await causeOf(3)];
    const mended = await workspace.run(['retry', job, '--cause', bad, '--with', 'job.json', '--canary', '1', '--json']);
    expect(parsed(mended)).to.deep.include({ round: 1, tasks: { price: '2,6' }, canaries: { price: '2' }, sent: 1 });
    expect((await workspace.work()).code).to.equal(0);
    workspace.write('up', '');
    const again = await workspace.run(['retry', job, '--cause', down, '--json']);
    expect(parsed(again)).to.deep.include({ round: 2, tasks: { price: '4' }, count: 1, changes: [] });
    const skipped = await workspace.run(['skip', job, '--cause', empty, '--reason', 'empty, agreed', '--json']);
    expect(parsed(skipped)).to.deep.include({ changed: true, tasks: { price: '10' }, reason: 'empty, agreed' });
    expect((await workspace.work()).code).to.equal(0);
    const waited = await workspace.run(['wait', job, '--json']);
    const [price] = parsed<{ steps: readonly object[] }>(waited).steps;
    expect(price).to.deep.include({ done: 11, failed: 0, skipped: 1 });
    const proof = parsed<{ verdict: string; skips: readonly object[] }>(await workspace.run(['verify', job, '--json']));
    expect(proof.verdict).to.equal('proven');
    expect(proof.skips).to.have.length(1);
    expect(proof.skips[0]).to.deep.include({ step: 'price', tasks: '10', reason: 'empty, agreed' });
  });

  it('rejects an unknown cause, and a job file of another job', async () => {
    const unknown = await workspace.run(['retry', job, '--cause', 'zzzzzz']);
    expect(unknown.code).to.equal(4);
    workspace.write('other.json', { ...JOB, name: 'other' });
    const other = await workspace.run(['retry', job, '--with', 'other.json']);
    expect(other.code).to.equal(7);
    expect(other.stderr).to.include('name (was claims, is other)');
  });
});
