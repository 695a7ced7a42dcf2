// Protects: an operator can repeat a command that was killed, and the job ends as if it had not been killed.
import { expect } from 'chai';
import { readEntries, readView } from '../../src/jobs/journal.ts';
import { expectExit, expectKilled } from '../support/expect-exit.ts';
import { factsOf, type JobFacts, SUCCEEDED } from '../support/job-facts.ts';
import { Workspace } from '../support/workspace.ts';
import { submitJob } from './submit-job.ts';
import { declareTrialsWith } from './trials.ts';

/** Tasks 2 and 3 fail for good until the program is fixed; a gather counts lines. */
const JOB = {
  name: 'operated',
  files: ['price.sh'],
  input: { split: { by: 'range', from: 1, to: 3 } },
  steps: [
    { name: 'price', attempts: 1, run: ['sh', 'price.sh'] },
    { name: 'total', gather: true, run: 'wc -l' },
  ],
};
const BROKEN = 'read n; [ $n = 1 ] && echo $n';
const FIXED = 'read n; echo $n';

interface Scenario {
  /** The job's state before the command: worked on until it failed, paused before any work, or just submitted. */
  readonly before: 'failed' | 'paused' | 'submitted';
  readonly command: readonly string[];
  readonly points: readonly string[];
  readonly outputs: JobFacts['outputs'];
}

const CODE = ['before-putcode:1', 'putcode:1'];
const MARK = ['before-mark:1', 'mark:1', 'before-journal:1', 'journal:1'];
const ALL = { price: { 0: '1\n', 1: '2\n', 2: '3\n' }, total: { 0: '3\n' } };
const FIRST = { price: { 0: '1\n' }, total: { 0: '1\n' } };
const SCENARIOS: Readonly<Record<string, Scenario>> = {
  skip: {
    before: 'failed',
    command: ['skip', 'JOB', '--task', 'price/1', '--task', 'price/2', '--reason', 'agreed'],
    points: [...MARK, 'before-opengather:1', 'opengather:1'],
    outputs: FIRST,
  },
  'retry --with': {
    before: 'failed',
    command: ['retry', 'JOB', '--with', 'job.json'],
    points: [...CODE, ...MARK],
    outputs: ALL,
  },
  'resume --with': {
    before: 'paused',
    command: ['resume', 'JOB', '--with', 'job.json'],
    points: [...CODE, ...MARK, 'before-journal:2', 'journal:2'],
    outputs: ALL,
  },
  adjust: {
    before: 'submitted',
    command: ['adjust', 'JOB', '--tolerate', '2'],
    points: ['before-journal:1', 'journal:1'],
    outputs: FIRST,
  },
};

/** Kills the command at a point, lets a worker act on the result, repeats the command, and works to the end. */
async function killThenRepeat(workspace: Workspace, scenario: Scenario, kill: string): Promise<void> {
  const { before, command, outputs } = scenario;
  workspace.write('price.sh', BROKEN);
  const job = await submitJob(workspace, JOB);
  if (before === 'failed') await workspace.work();
  if (before === 'paused') await workspace.run(['pause', job]);
  if (command.includes('--with')) workspace.write('price.sh', FIXED);
  const words = command.map((word) => (word === 'JOB' ? job : word));
  expectKilled(await workspace.run(words, { BATCHCTL_TEST_KILL: kill }));
  // Tasks that only an unwritten adjustment would allow must not run before it is written.
  if (before !== 'submitted') await workspace.work();
  // The last killed resume had written everything: a watcher sent it, and there is nothing left to resume.
  expectExit(await workspace.run(words), kill === 'journal:2' ? 7 : 0);
  expectExit(await workspace.work());
  const platform = await workspace.platform();
  expect((await readView(platform.store, job))?.paused).to.equal(null);
  const facts = await factsOf(platform, job);
  expect(facts).to.deep.include(SUCCEEDED);
  expect(facts.outputs).to.deep.equal(outputs);
  expect(facts.journal.filter((what) => what === 'skip' || what === 'adjust').length).to.be.at.most(1);
  const entries = await readEntries(platform.store, job);
  const codes = new Set(entries.flatMap((entry) => (entry.what === 'retry' ? [entry.overrides.code] : [])));
  if (command.includes('--with')) expect(codes.size).to.equal(1);
}

describe("kill -9 of an operator's command", () => {
  const trials: Record<string, (workspace: Workspace) => Promise<void>> = {};
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    for (const point of scenario.points) {
      trials[`ends the job as usual when ${name}, killed at ${point}, is repeated`] = (workspace) =>
        killThenRepeat(workspace, scenario, point);
    }
  }
  // A lease that a busy machine can keep. What is in no queue is sent again after two of them.
  declareTrialsWith(3, async () => new Workspace(undefined, 6), trials);
});
