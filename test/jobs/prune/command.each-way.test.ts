// Protects: prune removes only what was requested, after confirmation, and leaves a job that can still be queried.
import { expect } from 'chai';
import { forSuite } from '../../support/fixture.ts';
import { describeEachWay } from '../../support/manager/each-way.ts';
import { rangeJob } from '../../support/range-job.ts';

const JOB = rangeJob('month', 3, { name: 'one', run: 'read n; echo $n; echo text $n >&2' });

describeEachWay(
  'batchctl prune',
  (make) => {
    const workspace = forSuite(make);
    before(async () => {
      workspace.write('job.json', JOB);
      expect((await run()).code).to.equal(0);
    });

    const run = (...flags: readonly string[]) =>
      workspace.run(['run', 'job.json', '--run-key', 'month-2026-11', ...flags]);
    const json = async (...words: readonly string[]) => {
      const { stdout, stderr, code } = await workspace.run([...words, '--json']);
      expect(code, stderr).to.equal(0);
      return JSON.parse(stdout) as Record<string, unknown>;
    };

    it('asks before it removes anything, and refuses without an answer', async () => {
      const { code, stderr } = await workspace.run(['prune', '--all']);
      expect(code).to.equal(7);
      expect(stderr).to.include('remove outputs, parts and logs of 1 closed job (month-');
      expect((await workspace.run(['prune', '--all', '--older-than', '1d'])).code).to.equal(2);
      expect(await json('jobs')).to.include({ pruned: false });
    });

    it('keeps new jobs by default', async () => {
      expect(await json('prune')).to.deep.include({ jobs: [], objects: 0 });
      const { stdout } = await workspace.run(['prune']);
      expect(stdout).to.equal('nothing to remove; 1 job stays\n');
    });

    it('shows what would be removed, and then removes exactly that', async () => {
      const shown = await json('prune', '--all', '--dry-run');
      expect(await json('prune', '--all', '--yes')).to.deep.equal({ ...shown, dryRun: false });
      expect(shown.objects).to.be.greaterThan(6);
      expect(await json('jobs')).to.include({ pruned: true, state: 'succeeded' });
      expect(await json('prune', '--all', '--yes')).to.deep.include({ jobs: [], objects: 0 });
    });

    it('keeps status, verify, history and the run key of a job working', async () => {
      const status = (await json('status')) as { steps: { done: number }[]; prunedAt: string | null };
      expect(status.steps[0]?.done).to.equal(3);
      expect(status.prunedAt).to.be.a('string');
      expect((await workspace.run(['verify', 'last'])).code).to.equal(0);
      expect((await workspace.run(['history', 'last'])).stdout).to.include('pruned');
      const again = await run();
      expect(again.code, again.stderr).to.equal(0);
      expect(again.stderr).to.match(/succeeded, and was pruned on \d{4}-\d\d-\d\d by /);
    });

    it('reports that removed objects were pruned, when, and by which user', async () => {
      workspace.write('reader.json', { ...JOB, input: { from: 'job:last/one', split: { by: 'file' } } });
      for (const [line, expected] of [
        ['fetch last -o -', 4],
        ['logs last', 4],
        ['tasks last', 4],
        ['reproduce last one/0', 4],
        ['failures last', 4],
        ['verify last --repair', 4],
        ['plan reader.json', 4],
        ['retry last', 7],
        ['skip last --task one/0 --reason x', 7],
      ] as const) {
        const { code, stderr } = await workspace.run(line.split(' '));
        expect(stderr, line).to.match(/was pruned on \d{4}-\d\d-\d\d by \S+/);
        expect(code, line).to.equal(expected);
      }
      expect((await run('-o', 'out.txt')).code).to.equal(4);
    });
  },
  { workers: 1 },
);
