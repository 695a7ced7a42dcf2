import type { JournalEntry, TaskSets } from '../../model/journal.ts';
import type { Report } from '../../model/report/report.ts';

/** So many of the newest are told. */
const TOLD = 100;

/** What people (and guards) decided of a job, oldest first: not what follows from the job's own course. */
export function decisionsIn(entries: readonly JournalEntry[]): Report['decisions'] {
  return entries
    .flatMap((entry) => {
      const text = textOf(entry);
      return text === null ? [] : [{ when: entry.when, who: entry.who, what: entry.what, text }];
    })
    .slice(-TOLD);
}

function textOf(entry: JournalEntry): string | null {
  switch (entry.what) {
    case 'pause':
      return `paused: ${entry.reason}`;
    case 'resume':
      return 'resumed';
    case 'cancel':
      return 'cancelled';
    case 'stop':
      return `stopped: ${entry.cause}`;
    case 'adjust':
      return `adjusted ${Object.entries(entry).flatMap(adjusted).join(', ')}`;
    case 'kill':
      return `${entry.mode === 'fail' ? 'failed' : 'sent again'} ${setsOf(entry.tasks)}`;
    case 'skip':
      return `skipped ${setsOf(entry.tasks)}: ${entry.reason}`;
    case 'unskip':
      return `took back the skip of ${setsOf(entry.tasks)}`;
    case 'retry':
      return `retried ${setsOf(entry.tasks)} in round ${entry.round}`;
    default:
      return null;
  }
}

const ADJUSTED = ['tolerate', 'maxRunning', 'finishBy', 'maxCost'];

function adjusted([name, value]: readonly [string, unknown]): readonly string[] {
  return ADJUSTED.includes(name) ? [`${name} to ${value === null ? 'none' : String(value)}`] : [];
}

/** `price/0-4,17`; a long set is cut. */
function setsOf(sets: TaskSets): string {
  return Object.entries(sets)
    .map(([step, tasks]) => `${step}/${tasks.length > 80 ? `${tasks.slice(0, 80)}...` : tasks}`)
    .join(' ');
}
