// Protects: accepting or correcting a control total, and removing outputs made from a lost one, can be killed anywhere and repeated.
import { expect } from 'chai';
import { outKey } from '../../src/model/keys.ts';
import { expectExit, expectKilled } from '../support/expect-exit.ts';
import { factsOf, SUCCEEDED } from '../support/job-facts.ts';
import { Workspace } from '../support/workspace.ts';
import { submitJob } from './submit-job.ts';
import { declareTrialsWith } from './trials.ts';

/** Each run of `price` publishes another number, and counts a row. */
const job = (equation: string) => ({
  name: 'totalled',
  input: { split: { by: 'range', from: 1, to: 2 } },
  steps: [
    {
      name: 'price',
      attempts: 1,
      run: 'echo x >> "$HOME/ran"; echo "rows 1" >> "$BATCHCTL_COUNTERS"; echo $BATCHCTL_TASK $(wc -l < "$HOME/ran")',
    },
    { name: 'convert', run: 'cat' },
    { name: 'total', gather: true, run: 'cat' },
  ],
  expect: [equation],
});
const UNMET = 'price.rows == 3';
const MET = 'price.rows == 2';

interface Scenario {
  /** Leaves the job as the command finds it. */
  readonly prepare: (workspace: Workspace) => Promise<string>;
  readonly command: readonly string[];
  /** Exit codes of the repeated command. */
  readonly repeated: readonly number[];
  /** The kinds of entries, of which there is one each. */
  readonly once: readonly string[];
  readonly points: readonly string[];
  /** How often `price` ran. */
  readonly ran: number;
}

async function failByTotal(workspace: Workspace): Promise<string> {
  const id = await submitJob(workspace, job(UNMET));
  await workspace.work();
  expect((await workspace.run(['wait', id])).code).to.equal(5);
  workspace.write('job.json', job(MET));
  return id;
}

async function pauseBeforeWork(workspace: Workspace): Promise<string> {
  const id = await submitJob(workspace, job(UNMET));
  await workspace.runSuccessfully('pause', id);
  workspace.write('job.json', job(MET));
  return id;
}

/** An interim output was lost and made again, with other bytes: what was made from the lost one is of no use. */
async function repairedOnce(workspace: Workspace): Promise<string> {
  const id = await submitJob(workspace, job(MET));
  await workspace.work();
  const { store } = await workspace.platform();
  await store.delete([outKey(id, 'price', 0)]);
  expect((await workspace.run(['verify', id, '--repair'])).code).to.equal(6);
  await workspace.work();
  const found = await workspace.run(['verify', id]);
  expect([found.code, found.stdout.includes('convert/0')], found.stderr).to.deep.equal([9, true]);
  return id;
}

const MARK = ['before-mark:1', 'mark:1', 'before-journal:1', 'journal:1'];
const CLOSE = ['before-close:1', 'close:1', 'before-unmark:1', 'unmark:1'];
const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'adjust --accept': {
    prepare: failByTotal,
    command: ['adjust', 'JOB', '--accept', '1', '--reason', 'a known one'],
    repeated: [0],
    once: ['accept'],
    points: [...MARK, ...CLOSE],
    ran: 2,
  },
  'retry --with another equation': {
    prepare: failByTotal,
    command: ['retry', 'JOB', '--with', 'job.json'],
    repeated: [0],
    once: ['retry'],
    points: [...MARK, ...CLOSE],
    ran: 2,
  },
  'resume --with another equation': {
    prepare: pauseBeforeWork,
    command: ['resume', 'JOB', '--with', 'job.json'],
    // Refused: a watcher finished what the killed command had decided.
    repeated: [0, 7],
    once: ['resume'],
    points: [...MARK, 'before-journal:2', 'journal:2'],
    ran: 2,
  },
  'verify --repair of what was made from a lost output': {
    prepare: repairedOnce,
    command: ['verify', 'JOB', '--repair'],
    // Unfinished until a worker has made them again.
    repeated: [0, 6],
    once: [],
    points: ['before-remove:1', 'remove:1', 'before-remove:2', 'remove:2', ...MARK],
    ran: 3,
  },
};

/** Kills the command at a point, lets a worker act on the result, repeats the command, and works to the end. */
async function killThenRepeat(workspace: Workspace, scenario: Scenario, kill: string): Promise<void> {
  const { prepare, command, repeated, once, ran } = scenario;
  const id = await prepare(workspace);
  const words = command.map((word) => (word === 'JOB' ? id : word));
  expectKilled(await workspace.run(words, { BATCHCTL_TEST_KILL: kill }));
  await workspace.work();
  const again = await workspace.run(words);
  expect(again.code, again.stderr).to.be.oneOf(repeated);
  expectExit(await workspace.work());
  expectExit(await workspace.run(['wait', id]));
  const facts = await factsOf(await workspace.platform(), id);
  expect(facts).to.deep.include(SUCCEEDED);
  for (const what of once) expect(facts.journal.filter((each) => each === what)).to.deep.equal([what]);
  const { price = {}, convert, total } = facts.outputs;
  expect(convert).to.deep.equal(price);
  expect(total).to.deep.equal({ 0: Object.values(price).join('') });
  expect(workspace.lines('ran')).to.have.length(ran);
}

describe('kill -9 of a decision about control totals, and of a repair', () => {
  const trials: Record<string, (workspace: Workspace) => Promise<void>> = {};
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    for (const point of scenario.points) {
      trials[`ends the job as usual when ${name}, killed at ${point}, is repeated`] = (workspace) =>
        killThenRepeat(workspace, scenario, point);
    }
  }
  declareTrialsWith(2, async () => new Workspace(undefined, 6), trials);
});
