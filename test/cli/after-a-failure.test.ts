// Protects: after a job fails, each command says what failed and which command to run next.

import { expect } from 'chai';
import { continueCommand } from '../../src/verbs/run.ts';
import { forSuite } from '../support/fixture.ts';
import { rangeJob } from '../support/range-job.ts';
import { Workspace } from '../support/workspace.ts';

const PRICE = 'read n; [ "$n" != "$BATCHCTL_PARAM_BAD" ] || { echo "bad $n" >&2; exit 65; }; echo "$n"';
const JOB = { ...rangeJob('claims', 3, { name: 'price', attempts: 1, run: PRICE }), params: { bad: '2' } };

describe('the command that continues a run', () => {
  it('fetches outputs as the first command would have', () => {
    const run = { output: 'all rows.csv', header: null, join: null } as const;
    expect(continueCommand('j-1', run)).to.equal("batchctl run j-1 -o 'all rows.csv'");
    expect(continueCommand('j-1', { ...run, header: 'once', join: 'bytes' })).to.equal(
      "batchctl run j-1 -o 'all rows.csv' --header once --join bytes",
    );
    expect(continueCommand('j-1', { ...run, output: null, join: 'lines' })).to.equal('batchctl run j-1');
    expect(continueCommand('j-1', { ...run, allowUnproven: true })).to.equal(
      "batchctl run j-1 -o 'all rows.csv' --allow-unproven",
    );
  });
});

describe('after a job failed', () => {
  const workspace = forSuite(() => Workspace.withLongLeases());
  before(() => {
    workspace.write('job.json', JOB);
  });

  it('run ends with the command that shows why', async () => {
    const { code, stderr } = await workspace.run(['run', 'job.json', '-o', '-', '--profile', 'local']);
    expect(code).to.equal(5);
    expect(stderr).to.match(/next: batchctl failures (claims-\S+)\n$/);
  });

  it('tasks, history and failures use the latest job by default, and name it', async () => {
    for (const words of [['tasks', '--state', 'failed'], ['history'], ['failures']]) {
      const { stdout, stderr } = await workspace.runSuccessfully(...words);
      expect(stderr).to.match(/^job claims-/);
      expect(stdout).to.match(/price\/1|failed/);
    }
  });

  it('verify writes an evidence file that passes its check and says that the job is not proven', async () => {
    const written = await workspace.run(['verify', 'last', '-o', 'proof.ndjson']);
    expect(written.code).to.equal(9);
    expect(written.stdout).to.include(': not proven (failed)');
    for (const words of [
      ['verify', '--check', 'proof.ndjson'],
      ['verify', 'last', '--check', 'proof.ndjson'],
    ]) {
      const { code, stdout, stderr } = await workspace.run(words);
      expect(code).to.equal(9);
      expect(stdout).to.include('is consistent').and.not.include('mismatch');
      expect(stderr).to.include('is intact, but says that its job was not proven');
    }
    const json = await workspace.run(['verify', '--check', 'proof.ndjson', '--json']);
    expect(JSON.parse(json.stdout)).to.deep.include({ verdict: 'failed' });
  });

  it('status says what a retry requested, and that no worker runs it; run continues it by name', async () => {
    await workspace.runSuccessfully('retry', 'last', '--set', 'bad=none');
    const { stdout } = await workspace.run(['status']);
    expect(stdout).to.match(/no worker takes its tasks: batchctl why (claims-\S+)\ncontinue it: batchctl run \1$/m);
    expect(stdout).to.include('round 1 retries 1 task');
    expect(JSON.parse((await workspace.run(['status', '--json'])).stdout)).to.include({ round: 1, asked: 1 });
    const ended = await workspace.run(['run', 'name:claims', '-o', '-']);
    expect([ended.code, ended.stdout]).to.deep.equal([0, '1\n2\n3\n']);
    expect(ended.stderr).to.not.include('next:');
    expect((await workspace.run(['status'])).stdout).to.not.include('asks for');
  });

  it('retry refuses a change that no task would run with, and accepts the one of the round before', async () => {
    for (const [flag, value, field] of [
      ['--set', 'bad=3', 'params.bad'],
      ['--timeout', '5m', 'steps.price.timeout'],
    ] as const) {
      for (const more of [[], ['--dry-run']]) {
        const { code, stderr } = await workspace.run(['retry', 'last', flag, value, ...more]);
        expect(code, stderr).to.equal(7);
        const [, error, hint] = stderr.trimEnd().split('\n').slice(-3);
        expect(error).to.match(/^error: no task of job claims-\S+ that failed for good is left, so nothing would run/);
        expect(error).to.match(new RegExp(`with the change of ${field}$`));
        expect(hint).to.equal('hint: to run all its tasks with it, submit the job again; with its run key: --again');
      }
    }
    for (const same of [[], ['--set', 'bad=none']]) {
      const { stdout } = await workspace.runSuccessfully('retry', 'last', ...same);
      expect(stdout).to.match(/: nothing has failed for good, nothing to retry\n/);
    }
    expect(JSON.parse((await workspace.run(['status', '--json'])).stdout)).to.include({ round: 1, state: 'succeeded' });
  });

  it('the run key with another program is refused, with the command that retries with that program', async () => {
    workspace.write('fixed.json', { ...JOB, params: { bad: '3' } });
    expect((await workspace.run(['run', 'job.json', '--run-key', 'may'])).code).to.equal(5);
    const again = await workspace.run(['run', 'fixed.json', '--run-key', 'may']);
    expect(again.code, again.stderr).to.equal(7);
    expect(again.stderr).to.match(
      /hint: batchctl retry claims-\S+ --with fixed.json runs its failed tasks again, fixed; or/,
    );
    const inline = await workspace.run(['run', '--split', 'range:1-3', '--run-key', 'may', '--', 'true']);
    expect(inline.stderr).to.match(
      /--with JOBFILE runs its failed tasks again, fixed \(--save-job JOBFILE writes one\); or/,
    );
  });

  it('a skip that ends the job says so; fetch says why outputs are missing, and that it joined them', async () => {
    const skipped = await workspace.run(['skip', 'key:may', '--task', 'price/1', '--reason', 'unreadable']);
    expect(skipped.stdout).to.match(/skipped 1 task \(price\/1\); the job has succeeded\n$/);
    const fetched = await workspace.run(['fetch', 'key:may', '-o', 'results']);
    expect(fetched.stderr).to.include('warning: 2 of 3 outputs of price; 1 skipped\n');
    const rerun = await workspace.run(['run', 'key:may', '-o', 'each/']);
    expect(rerun.stderr).to.include('2 of 3 outputs; 1 skipped; nothing else missing, nothing duplicated\n');
    expect((await workspace.run(['verify', 'key:may'])).stdout).to.include('2 of 3 outputs; 1 skipped;');
    expect(rerun.stdout).to.include('\n2 of 3 outputs; 1 skipped\n');
    expect(fetched.stdout).to.match(
      /^fetched 2 outputs of price \(4B\) to results, joined \(-o DIR\/ writes a file for each\)$/m,
    );
    for (const target of ['results.txt', 'each/']) {
      expect((await workspace.run(['fetch', 'key:may', '-o', target])).stdout).to.not.include('joined');
    }
    const ran = await workspace.run(['run', 'key:may', '-o', 'results']);
    expect(ran.stdout).to.match(/^output: results, joined \(-o DIR\/ writes a file for each\)$/m);
  });

  it("logs shows a task's attempts in the order in which they ran", async () => {
    const run = 'read n; echo "try $BATCHCTL_ATTEMPT_NUMBER" >&2; exit 1';
    workspace.write('tries.json', rangeJob('tries', 3, { name: 'one', attempts: 3, run }));
    expect((await workspace.run(['run', 'tries.json'])).code).to.equal(5);
    const tries = 'try 1\ntry 2\ntry 3\n';
    expect((await workspace.run(['logs', 'name:tries', '--failed'])).stdout).to.equal(tries.repeat(3));
    expect((await workspace.run(['logs', 'name:tries', 'one/1'])).stdout).to.equal(tries);
  });

  it('a misspelled flag gets a suggestion, and a wrong value refers to the help page', async () => {
    expect((await workspace.run(['status', '--jsn'])).stderr).to.include('did you mean --json?');
    expect((await workspace.run(['tasks', '--lmit', '3'])).stderr).to.include('did you mean --limit?');
    expect((await workspace.run(['tasks', '--limit', '0'])).stderr).to.include('hint: see batchctl tasks --help');
    expect((await workspace.run(['run', '.'])).stderr).to.include('expected a job file, found a directory');
  });
});
