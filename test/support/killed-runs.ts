import { expect } from 'chai';
import { CHAINS, CHAINS_OUTPUTS } from './crash-jobs.ts';
import { factsOf, type JobFacts, SUCCEEDED } from './job-facts.ts';
import { movedClock } from './moved-clock.ts';
import { runInBackground } from './sampling.ts';
import { type Ended, LEASE, type Workspace } from './workspace.ts';

/** A workspace of its own for each run: on this machine, or on AWS. */
type MakeWorkspace = () => Promise<Workspace>;

/** What a worker that was killed and one that took over left behind. */
export interface Finished {
  readonly killed: Ended;
  readonly finished: Ended;
  readonly facts: JobFacts;
  readonly ran: readonly string[];
}

/** A worker that was killed while it worked on a job of its own workspace. */
export interface KilledWorker {
  readonly workspace: Workspace;
  readonly job: string;
  readonly killed: Ended;
}

/** Kills a worker (of one slot, so that one task runs at a time) at a point's nth passing. */
export async function killWorker(make: MakeWorkspace, file: unknown, kill: string): Promise<KilledWorker> {
  const workspace = await make();
  try {
    workspace.write('job.json', file);
    const job = await workspace.submit();
    return { workspace, job, killed: await workspace.work({ BATCHCTL_TEST_KILL: kill }, '--slots', '1') };
  } catch (error) {
    await workspace.remove();
    throw error;
  }
}

/** Lets another worker finish the job. */
export async function finishAfter({ workspace, job, killed }: KilledWorker): Promise<Finished> {
  try {
    // Long leases have expired when the next one starts; short ones it waits for.
    const later = workspace.lease > LEASE ? { BATCHCTL_TEST_AHEAD_SECONDS: String(2 * workspace.lease) } : {};
    const finished = await workspace.work(later, '--slots', '1');
    return { killed, finished, facts: await factsOf(await workspace.platform(), job), ran: workspace.lines('ran') };
  } finally {
    await workspace.remove();
  }
}

/** Kills a worker at a point, and lets another finish. */
export async function killThenFinish(make: MakeWorkspace, file: unknown, kill: string): Promise<Finished> {
  return finishAfter(await killWorker(make, file, kill));
}

/**
 * The same for each of these points, in workspaces of their own. The workers that finish begin after the last kill: those that
 * run at a time in this process share one clock.
 */
export function killThenFinishEach(
  make: MakeWorkspace,
  file: unknown,
  kills: readonly string[],
): readonly Promise<Finished>[] {
  const killed = runInBackground(
    3,
    kills.map((kill) => () => killWorker(make, file, kill)),
  );
  return runInBackground(
    3,
    killed.map((each) => async () => {
      await Promise.allSettled(killed);
      return finishAfter(await each);
    }),
  );
}

export const SUBMIT = ['submit', 'job.json', '--json', '--run-key', 'month-2026-11'] as const;

/** A job with files of its own and an input that is cut, so that every step of a submission has something to write. */
export function writeSubmission(workspace: Workspace): void {
  workspace.write('numbers.txt', '1\n2\n3\n4\n');
  workspace.write('rates.csv', 'x\n');
  workspace.write('job.json', {
    ...CHAINS,
    files: ['rates.csv'],
    input: { from: 'numbers.txt', split: { by: 'lines', every: 1 } },
  });
}

/** What became of a submission that was killed. */
export interface Submitted {
  readonly killed: Ended;
  readonly again: Ended | null;
  readonly third: Ended;
  readonly worked: Ended;
  readonly facts: JobFacts;
}

/** Kills the submission at a point; submits again (or leaves it to watchers); works; submits a third time. */
export async function killThenSubmit(make: MakeWorkspace, point: string, submitsAgain: boolean): Promise<Submitted> {
  const workspace = await make();
  try {
    writeSubmission(workspace);
    const killed = await workspace.run(SUBMIT, { BATCHCTL_TEST_KILL: `${point}:1` });
    const again = submitsAgain ? await workspace.run(SUBMIT) : null;
    const worked = await workspace.work();
    const third = await workspace.run(SUBMIT);
    const { job } = answerOf(third);
    return { killed, again, worked, third, facts: await factsOf(await workspace.platform(), job) };
  } finally {
    await workspace.remove();
  }
}

/** What a submission with `--json` answered. */
export function answerOf({ stdout, stderr, code }: Ended): { readonly job: string; readonly created: boolean } {
  expect(code, stderr).to.equal(0);
  return JSON.parse(stdout) as { job: string; created: boolean };
}

/** `CHAINS` is done, each output is there and counted once, and nothing is left. */
export function expectWhole(facts: JobFacts): void {
  expect(facts).to.deep.include({ ...SUCCEEDED, dead: [] });
  expect(facts.outputs).to.deep.equal(CHAINS_OUTPUTS);
  expect(facts.counted).to.deep.equal({ twice: 4, more: 4, total: 1 });
  expect(facts.journal.filter((what) => what === 'close')).to.have.length(1);
}

/** Where a keeper that fires a period can be killed before its job is committed; the next one fires it then. */
export const UNCOMMITTED_POINTS: readonly string[] = ['code', 'parts', 'open', 'job'];
export const KEEPER_KILL_POINTS: readonly string[] = [
  ...UNCOMMITTED_POINTS,
  ...['claim', 'send', 'before-journal', 'journal', 'sent', 'fired', 'looked', 'kept'],
];

const ADD = ['schedule', 'add', 'month-end', 'job.json', '--calendar', 'last-business-day', '--tz', 'Europe/London'];

/** The environment of processes for which the period 2026-11 of `schedule` has been due for ten seconds. */
export const isDue = (): Readonly<Record<string, string>> => movedClock('2026-11-30T18:00:10Z');

/** Makes a schedule, and answers the environment of processes for which it is due. */
export async function addDueSchedule(workspace: Workspace): Promise<Readonly<Record<string, string>>> {
  writeSubmission(workspace);
  const added = await workspace.run(ADD, movedClock('2026-11-29T12:00:00Z'));
  if (added.code !== 0) throw new Error(added.stderr);
  // Neither the job file nor its files are needed any more.
  workspace.write('job.json', 'gone');
  workspace.write('rates.csv', 'altered');
  return isDue();
}
