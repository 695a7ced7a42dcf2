import { writeSubmission } from './killed-runs.ts';
import { movedClock } from './moved-clock.ts';
import type { Workspace } from './workspace.ts';

/** Where a keeper that fires a period can be killed before its job is committed; the next one fires it then. */
export const UNCOMMITTED: readonly string[] = ['code', 'parts', 'open', 'job'];
export const KEEPER_POINTS: readonly string[] = [
  ...UNCOMMITTED,
  ...['claim', 'send', 'before-journal', 'journal', 'sent', 'fired', 'looked', 'kept'],
];

const ADD = ['schedule', 'add', 'month-end', 'job.json', '--calendar', 'last-business-day', '--tz', 'Europe/London'];

/** Makes a schedule, and answers the environment of processes for which the period 2026-11 has been due for ten seconds. */
export async function scheduleDue(workspace: Workspace): Promise<Readonly<Record<string, string>>> {
  writeSubmission(workspace);
  const added = await workspace.run(ADD, movedClock('2026-11-29T12:00:00Z'));
  if (added.code !== 0) throw new Error(added.stderr);
  // Neither the job file nor its files are needed any more.
  workspace.write('job.json', 'gone');
  workspace.write('rates.csv', 'altered');
  return movedClock('2026-11-30T18:00:10Z');
}
