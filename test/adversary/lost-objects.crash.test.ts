// Protects: a job of which an object vanishes while it is open ends, and is called verified only if its proof holds.
import { readdirSync, renameSync } from 'node:fs';
import { expect } from 'chai';
import { forEachTest } from '../support/fixture.ts';
import { Workspace } from '../support/workspace.ts';

/** Makes files that differ in each attempt; then one task removes what `lose` names, in the directory of the job. */
const jobThatLoses = (lose: string) => ({
  name: 'lossy',
  input: { split: { by: 'range', from: 1, to: 3 } },
  steps: [
    {
      name: 'split',
      output: 'files',
      explode: true,
      run: 'read n; for i in $(seq $n); do echo $n$i $(date +%N) > "$BATCHCTL_OUTPUT_DIR/f$i"; done',
    },
    {
      name: 'twice',
      attempts: 1,
      run: `read n t; if [ $BATCHCTL_TASK = 0 ]; then cd "$HOME/.batchctl/store/jobs/$BATCHCTL_JOB" && ${lose}; fi; echo $n`,
    },
    { name: 'total', gather: true, run: 'cat' },
  ],
});

const OUTPUT = 'steps/split/out/000000+/002@';

/** What is lost, the exit code of `run`, and what it says. */
const LOSSES: readonly (readonly [what: string, lose: string, code: number, says: RegExp])[] = [
  ['an exploded output', `rm ${OUTPUT}`, 5, /the output of split\/2 is lost/],
  ['a file of an exploded output', 'rm steps/split/files/000000+/002/*/files/f3@', 5, /failures/],
  ['an exploded output and the parts', `rm ${OUTPUT} steps/twice/parts/*`, 5, /the output of split\/2 is lost/],
  ['the parts of an opened step', 'rm steps/twice/parts/*', 9, /steps\/twice\/parts\/00000.ndjson is missing/],
  ['the parts of the first step', 'rm parts/*', 9, /parts\/00000.ndjson is missing/],
  ['opened.json', 'rm steps/twice/opened.json@', 0, /nothing missing/],
  ['the first journal entry', 'rm journal/000000.json@', 9, /journal\/000000.json is gone/],
  ['job.json', 'rm job.json@', 9, /job.json was altered: it is gone/],
  ['the claim of its run key', 'rm -r ../../runs', 9, /the claim of the run key "lossy-1" for job lossy-\S+ is gone/],
  ['the open mark', 'rm ../../open/*', 0, /nothing missing/],
];

describe('a job of which an object is lost while it is open', () => {
  // Short, as a lost output that can be made again is sent again after two leases.
  const workspace = forEachTest(() => new Workspace(undefined, 6));

  for (const [what, lose, code, says] of LOSSES) {
    it(`ends with exit ${code} if that is ${what}`, async () => {
      workspace.write('job.json', jobThatLoses(lose));
      const ended = await workspace.run(['run', 'job.json', '--run-key', 'lossy-1', '-o', 'out.txt']);
      expect([ended.code, ended.stdout + ended.stderr]).to.satisfy(([exit, text]: [number, string]) => {
        return exit === code && says.test(text);
      });
      // Later commands do not say otherwise; a job that can't be found has nothing to verify.
      const verified = await workspace.run(['verify', 'last', '--deep']);
      expect(verified.code === 0).to.equal(code === 0);
    });
  }

  it('goes on to its proof once a lost output is restored, by the command that it names', async () => {
    workspace.write('job.json', jobThatLoses(`mv ${OUTPUT} "$HOME/kept"`));
    const { code, stderr } = await workspace.run(['run', 'job.json', '-o', 'out.txt']);
    expect(code).to.equal(5);
    const [, job = ''] = /batchctl verify (\S+) --repair/.exec(stderr) ?? [];
    expect(readdirSync(workspace.path('.batchctl', 'store', 'jobs'))).to.deep.equal([job]);
    expect((await workspace.run(['verify', job, '--repair', '--yes'])).code).to.equal(7);
    renameSync(workspace.path('kept'), workspace.path('.batchctl', 'store', 'jobs', job, ...OUTPUT.split('/')));
    workspace.write('job.json', jobThatLoses('true'));
    await workspace.run(['verify', job, '--repair', '--yes']);
    // The gather is what was left to run.
    await workspace.runSuccessfully('run', job, '-o', 'out.txt');
    expect((await workspace.runSuccessfully('verify', job, '--deep')).stderr).not.to.include('problem');
  });
});
