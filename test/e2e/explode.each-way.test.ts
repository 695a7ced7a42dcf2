// Protects: a step that makes any number of files gets one task for each, and a killed worker loses none.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { expectExit, expectKilled, jsonOf } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { SUCCEEDED } from '../support/job-facts.ts';
import { type Finished, killThenFinishEach } from '../support/killed-runs.ts';
import { describeDirectly, describeEachWay } from '../support/manager/each-way.ts';
import { Workspace } from '../support/workspace.ts';

/** A command that first writes to the file `ran`, in the workspace, which task it is. */
const logged = (command: string): string => `echo $BATCHCTL_STEP/$BATCHCTL_TASK >> "$HOME/ran"; ${command}`;

/** Task n makes n files. Each is doubled, then increased; a gather counts and adds up. */
const JOB = {
  name: 'explode',
  input: { split: { by: 'range', from: 1, to: 3 } },
  steps: [
    {
      name: 'split',
      output: 'files',
      explode: true,
      run: logged(
        'read n; echo n $n > "$BATCHCTL_COUNTERS"; for i in $(seq $n); do echo $n$i > "$BATCHCTL_OUTPUT_DIR/f$i"; done',
      ),
    },
    { name: 'twice', run: logged('read n && echo made 1 > "$BATCHCTL_COUNTERS" && echo $((n * 2))') },
    { name: 'more', run: logged('read n && echo $((n + 1))') },
    { name: 'total', gather: true, run: logged("awk '{ s += $1; c += 1 } END { print c, s }'") },
  ],
  expect: ['split.n == twice.made'],
};

const OUTPUTS = {
  split: { 0: '11\n', 1: '21\n22\n', 2: '31\n32\n33\n' },
  twice: { 0: '22\n', 1: '42\n', 2: '44\n', 3: '62\n', 4: '64\n', 5: '66\n' },
  more: { 0: '23\n', 1: '43\n', 2: '45\n', 3: '63\n', 4: '65\n', 5: '67\n' },
  total: { 0: '6 306\n' },
};
const TASKS = 16;

/** A lease that a busy machine can keep. What is in no queue is sent again after two of them. */
const local = async (): Promise<Workspace> => new Workspace(undefined, 6);

describeDirectly('a job that explodes, whose worker is killed', () => {
  const opening = ['before-opengather:1', 'opengather:1', 'before-stepshard:1', 'stepshard:1'];
  const after = ['stage:4', 'publish:5', 'chain:6', 'before-opengather:2', 'before-close:1'];
  const kills = [...opening, ...after];
  let outcomes: readonly Promise<Finished>[] = [];
  before(() => {
    outcomes = killThenFinishEach(local, JOB, kills);
  });

  for (const [index, kill] of kills.entries()) {
    it(`runs one task per file, and publishes every output once, after a kill at ${kill}`, async () => {
      const { killed, finished, facts, ran: commands } = (await outcomes[index]) as Finished;
      expectKilled(killed);
      expectExit(finished);
      expect(facts).to.deep.include({ ...SUCCEEDED, dead: [] });
      expect(facts.outputs).to.deep.equal(OUTPUTS);
      expect(facts.counted).to.deep.equal({ split: 3, twice: 6, more: 6, total: 1 });
      expect(facts.journal.filter((what) => what !== 'resend')).to.deep.equal(['sent', 'close']);
      expect(commands.length).to.be.within(TASKS, TASKS + 1);
    });
  }
});

describeEachWay(
  'a job that explodes',
  (make) => {
    describe('an exploded text', () => {
      const workspace = forSuite(make);
      let id = '';
      before(async () => {
        workspace.write('text.txt', 'the quick fox\nthe lazy dog\nfox\n');
        workspace.write('job.json', {
          name: 'words',
          input: { from: 'text.txt', split: { by: 'lines', every: 1 } },
          steps: [
            {
              name: 'split',
              output: 'files',
              explode: true,
              run: 'for w in $(cat); do echo $w > "$BATCHCTL_OUTPUT_DIR/$w.txt"; done',
            },
            { name: 'count', input: 'file', run: 'echo "$BATCHCTL_INPUT_NAME $(wc -c < "$BATCHCTL_INPUT")"' },
            { name: 'total', gather: true, run: 'sort | uniq -c | sed "s/^ *//"' },
          ],
        });
        expectExit(await workspace.run(['run', 'job.json', '-o', 'out.txt']));
        id = jsonOf(await workspace.run(['jobs', '--json'])).job;
      });

      it('runs a command for each file, with its name and its bytes', () => {
        const text = readFileSync(workspace.path('out.txt'), 'utf8');
        expect(text.split('\n')).to.deep.equal([
          '1 dog.txt 4',
          '2 fox.txt 4',
          '1 lazy.txt 5',
          '1 quick.txt 6',
          '2 the.txt 4',
          '',
        ]);
      });

      it('counts its tasks in status and jobs', async () => {
        const { steps, exact } = jsonOf(await workspace.run(['status', id, '--json']));
        for (const [index, tasks] of [3, 7, 1].entries())
          expect(steps[index]).to.include({ total: tasks, done: tasks });
        expect(exact).to.equal(true);
        expect(jsonOf(await workspace.run(['jobs', '--json'])).tasks).to.equal(11);
      });

      it('fetches outputs by their number and the name of their file', async () => {
        const names = ['--name', '{task}-{input}'];
        await workspace.runSuccessfully('fetch', id, '--step', 'count', '-o', 'by-name/', ...names);
        expect(readFileSync(workspace.path('by-name', '000000000-fox.txt'), 'utf8')).to.equal('fox.txt 4\n');
        expect(readFileSync(workspace.path('by-name', '000000006-fox.txt'), 'utf8')).to.equal('fox.txt 4\n');
      });

      it('has a ledger that can be rebuilt', async () => {
        expectExit(await workspace.run(['verify', id, '--repair', '--yes']));
      });

      it("plans without the tasks that can't be known yet", async () => {
        const planned = jsonOf(await workspace.run(['plan', 'job.json', '--json'])) as {
          steps: { tasks: number | null }[];
          tasks: number;
        };
        expect(planned.steps.map(({ tasks }) => tasks)).to.deep.equal([3, null, 1]);
        expect(planned.tasks).to.equal(4);
      });
    });

    describe('an explode that makes more files than maxTasks', () => {
      const workspace = forEachTest(make);

      it('fails the job, and says why', async () => {
        workspace.write('job.json', { ...JOB, maxTasks: 5 });
        const failed = expectExit(await workspace.run(['run', 'job.json']), 5);
        expect(failed.stdout).to.include('failed (maxTasks)').and.include('an explode made more files');
        const why = await workspace.run(['why', 'last', '--json']);
        expect(why.stdout).to.include('tooManyFiles').and.include('split made more files').and.not.include('"failing"');
      });
    });
  },
  { workers: 1 },
);
