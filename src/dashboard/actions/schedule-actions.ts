import type { Schedule } from '../answers.ts';
import { type Action, action } from './action.ts';

const stateNow = ({ state, changed }: { state: string; changed: boolean }): string =>
  changed ? `It is ${state} now.` : `Nothing changed: it was ${state} already.`;

export function pauseSchedule({ schedule }: Schedule): Action {
  return action({
    ...{ label: 'Pause', name: `Pause schedule ${schedule}`, operation: 'schedulePause' },
    what: ['No period of it is begun by itself until it is resumed. Jobs that it began go on.'],
    words: () => ['schedule', 'pause', schedule],
    input: () => ({ name: schedule }),
    outcome: stateNow,
  });
}

export function resumeSchedule({ schedule }: Schedule): Action {
  return action({
    ...{ label: 'Resume', name: `Resume schedule ${schedule}`, operation: 'scheduleResume' },
    what: ['Its periods begin by themselves again. One that was due meanwhile is caught up with, as far as it may be.'],
    words: () => ['schedule', 'resume', schedule],
    input: () => ({ name: schedule }),
    outcome: stateNow,
  });
}

export function runSchedule({ schedule, next, kind }: Schedule): Action {
  return action({
    ...{ label: 'Run', name: `Run schedule ${schedule} now`, operation: 'scheduleRun' },
    what: [
      'The job of this period is submitted now. A period runs once: it will not begin by itself then, and one that ran is only named.',
    ],
    fields: [
      {
        ...{ name: 'period', label: 'Period', kind: 'text', required: true, initial: next?.period ?? '' },
        hint: kind === 'calendar' ? 'a month: 2026-11' : 'its local time: 2026-11-30T06:00',
      },
    ],
    words: ({ period }) => ['schedule', 'run', schedule, '--period', period ?? ''],
    input: ({ period = '' }) => ({ name: schedule, period }),
    outcome: ({ job, created }, dryRun) =>
      dryRun ? 'It would be submitted.' : created ? `Submitted as ${job}.` : `It ran already, as ${job}.`,
  });
}
