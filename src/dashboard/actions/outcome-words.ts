import { formatMany } from '../../cli/format.ts';

type Ranges = Readonly<Record<string, string>>;

/** `price/3,7 and total/0`: tasks by step, as far as they can be read. */
export const tasksText = (tasks: Ranges): string =>
  Object.entries(tasks)
    .map(([step, ranges]) => `${step}/${ranges.length > 60 ? `${ranges.slice(0, 60)}...` : ranges}`)
    .join(' and ');

/** `finishBy: none, now 2026-11-30T06:00Z`. */
export function changesText(changes: readonly { field: string; from: unknown; to: unknown }[]): string {
  return changes.map(({ field, from, to }) => `${field}: ${shown(to)}, before ${shown(from)}`).join('; ');
}

const shown = (value: unknown): string =>
  value === null ? 'none' : typeof value === 'string' ? value : JSON.stringify(value);

interface Retried {
  readonly round: number | null;
  readonly count: number;
  readonly tasks: Ranges;
  readonly canaries: Ranges | null;
  readonly leftOut: Ranges;
}

/** What a retry did, or with `dryRun` would do. */
export function retryText({ round, count, tasks, canaries, leftOut }: Retried, dryRun: boolean): string {
  const without =
    Object.keys(leftOut).length === 0 ? '' : ` Left out, as a gather went without them: ${tasksText(leftOut)}.`;
  if (count === 0) return `No task to ask for again.${without}`;
  const first = canaries === null ? '' : ` First ${tasksText(canaries)}; the rest only if that succeeds.`;
  const asks = dryRun ? 'It would ask' : `Round ${round} asks`;
  return `${asks} for ${formatMany(count, 'task')} again: ${tasksText(tasks)}.${first}${without}`;
}

interface Skipped {
  readonly count: number;
  readonly already: number;
  readonly tasks: Ranges;
}

export function skipText({ count, already, tasks }: Skipped): string {
  if (count === 0) return `Nothing changed: ${formatMany(already, 'task')} skipped already.`;
  return `${formatMany(count, 'task')} skipped: ${tasksText(tasks)}.`;
}
