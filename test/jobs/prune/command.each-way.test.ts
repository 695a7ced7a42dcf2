// Protects: prune removes only what was asked for, after a yes, and leaves a job that can still be queried.
import { expect } from 'chai';
import { forSuite } from '../../support/fixture.ts';
import { eachWay } from '../../support/manager/each-way.ts';

const JOB = {
  name: 'month',
  input: { split: { by: 'range', from: 1, to: 3 } },
  steps: [{ name: 'one', run: 'read n; echo $n; echo said $n >&2' }],
};

eachWay(
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

    it('asks before it removes anything, and never takes silence for a yes', async () => {
      const { code, stderr } = await workspace.run(['prune', '--all']);
      expect(code).to.equal(7);
      expect(stderr).to.include('remove outputs, parts and logs of 1 closed job (month-');
      expect((await workspace.run(['prune', '--all', '--older-than', '1d'])).code).to.equal(2);
      expect(await json('jobs')).to.include({ pruned: false });
    });

    it('leaves new jobs alone unless told otherwise', async () => {
      expect(await json('prune')).to.deep.include({ jobs: [], objects: 0 });
      const { stdout } = await workspace.run(['prune']);
      expect(stdout).to.equal('nothing to remove; 1 job stays\n');
    });

    it('shows what would be removed, and then removes exactly that', async () => {
      const dry = await json('prune', '--all', '--dry-run');
      const wet = await json('prune', '--all', '--yes');
      expect(wet).to.deep.equal({ ...dry, dryRun: false });
      expect(dry.objects).to.be.greaterThan(6);
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

    it('reports for removed objects that they were pruned, when and by whom', async () => {
      workspace.write('reader.json', { ...JOB, input: { from: 'job:last/one', split: { by: 'file' } } });
      const words = [
        ['fetch', 'last', '-o', '-'],
        ['logs', 'last'],
        ['tasks', 'last'],
        ['reproduce', 'last', 'one/0'],
        ['failures', 'last'],
        ['verify', 'last', '--repair'],
        ['plan', 'reader.json'],
      ];
      for (const line of words) {
        const { code, stderr } = await workspace.run(line);
        expect(stderr, line.join(' ')).to.match(/was pruned on \d{4}-\d\d-\d\d by \S+/);
        expect(code, line.join(' ')).to.equal(4);
      }
      for (const line of [
        ['retry', 'last'],
        ['skip', 'last', '--task', 'one/0', '--reason', 'x'],
      ]) {
        const { code, stderr } = await workspace.run(line);
        expect(stderr, line.join(' ')).to.match(/was pruned on/);
        expect(code, line.join(' ')).to.equal(7);
      }
      expect((await run('-o', 'out.txt')).code).to.equal(4);
    });
  },
  { workers: 1 },
);
