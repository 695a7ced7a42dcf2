// Protects: a run with --quiet that fails or is paused says why, and what to type, on stderr; a success says nothing.
import { expect } from 'chai';
import { forEachTest } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { Workspace } from '../support/workspace.ts';

describe('run --quiet', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  const run = async (job: object, ...flags: readonly string[]) => {
    workspace.write('job.json', job);
    const { code, stderr } = await workspace.run(['run', 'job.json', '--quiet', ...flags]);
    const { stdout } = await workspace.run(['jobs', '--json']);
    return { code, stderr, job: JSON.parse(stdout.trim().split('\n')[0] ?? '{}').job as string };
  };
  const failing = { name: 'price', attempts: 1, run: ['sh', '-c', 'echo no rate for UK >&2; exit 65'] };

  it('names the first cause and the command that lists all of them', async () => {
    const { code, stderr, job } = await run(rangeJob('claims', 2, failing));
    expect(code).to.equal(5);
    expect(stderr).to.match(
      new RegExp(
        `^error: job ${job} has failed: price/[01] failed for good: exit 65, no rate for UK\nhint: batchctl failures ${job}\n$`,
      ),
    );
  });

  it('is the error object with --json', async () => {
    const { stderr, job } = await run(rangeJob('claims', 1, failing), '--json');
    const { kind, message, hint } = JSON.parse(stderr).error;
    expect({ kind, hint }).to.deep.equal({ kind: 'jobFailed', hint: `batchctl failures ${job}` });
    expect(message).to.include('price/0 failed for good: exit 65, no rate for UK');
  });

  it('says why a safeguard has paused the job', async () => {
    const { code, stderr, job } = await run({ ...rangeJob('claims', 40, failing), halt: '5%' });
    expect(code, stderr).to.equal(7);
    expect(stderr).to.match(
      new RegExp(`^error: job ${job} is paused: price/\\d+ failed for good: exit 65, no rate for UK`),
    );
    expect(stderr).to.match(new RegExp(`\nhint: batchctl \\w+ ${job}\n$`));
  });

  it('names the control totals that failed the job, with both sides, as its status does', async () => {
    const counting = { name: 'price', run: ['sh', '-c', 'cat; echo rows 1 >"$BATCHCTL_COUNTERS"'] };
    const expected = ['price.rows == 2', 'price.rows == 3', 'price.rows < 2'];
    const { code, stderr, job } = await run({ ...rangeJob('claims', 2, counting), expect: expected });
    const why =
      'price.rows == 3 does not hold: 2 and 3, a difference of -1; price.rows < 2 does not hold: 2 and 2, a difference of 0';
    expect({ code, stderr }).to.deep.equal({
      code: 5,
      stderr: `error: job ${job} has failed: ${why}\nhint: batchctl verify ${job}\n`,
    });
    expect((await workspace.runSuccessfully('status', job)).stdout.split('\n')[1]).to.equal(why);
    workspace.write('job.json', rangeJob('claims', 2, counting));
    await workspace.runSuccessfully('retry', job, '--with', 'job.json');
    expect(JSON.parse((await workspace.runSuccessfully('status', job, '--json')).stdout).detail).to.equal(null);
  });

  it('says nothing about a success', async () => {
    const { code, stderr } = await run(rangeJob('claims', 2, { name: 'price', run: ['cat'] }));
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
  });
});
