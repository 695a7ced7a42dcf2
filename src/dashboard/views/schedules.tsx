import type { Tone } from '../../cli/report-html/theme.ts';
import { type Action, action } from '../actions/action.ts';
import type { Firing, Schedule, State } from '../api-routes.ts';
import { overview } from '../feed/feed.ts';
import { jobHash } from '../hash.ts';
import { ActionButton } from '../parts/action-dialog.tsx';
import { Mark, When, WithNote } from '../parts/marks.tsx';
import { Empty, QueryStatus, Section } from '../parts/section.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { useQuery } from '../use-query.ts';
import { toneOfState } from '../words/job.ts';

const EVERY_MS = 10_000;

export function SchedulesView() {
  const firings = overview.value?.firings ?? [];
  const list = useQuery('scheduleLs', {}, { everyMs: EVERY_MS, when: JSON.stringify(firings) });
  const schedules = list.document?.items;
  return (
    <>
      <h1>Schedules</h1>
      <QueryStatus query={list} what="schedules" />
      {schedules?.length === 0 && (
        <Empty command="batchctl schedule add month-end JOBFILE --calendar last-business-day">
          There are no schedules. A schedule runs a job once each period.
        </Empty>
      )}
      {schedules !== undefined && schedules.length > 0 && (
        <Section title="All">
          <Table caption="Schedules" rows={schedules} columns={COLUMNS} keyOf={({ schedule }) => schedule} />
        </Section>
      )}
      {firings.length > 0 && (
        <Section title="Coming up" lead="The next ten runs of all schedules.">
          <Table
            caption="Coming runs"
            rows={firings}
            columns={FIRING_COLUMNS}
            keyOf={({ schedule, period }) => `${schedule} ${period}`}
          />
        </Section>
      )}
    </>
  );
}

const toneOf = (state: string): Tone =>
  state === 'due' ? 'open' : state === 'missed' ? 'bad' : toneOfState(state as State);

function Last({ last }: Schedule) {
  if (last === null) return <span class="unknown">never</span>;
  return (
    <WithNote note={<When at={last.at} />}>
      <Mark tone={toneOf(last.state)}>{last.state}</Mark>{' '}
      {last.job === null ? last.period : <a href={jobHash(last.job)}>{last.period}</a>}
    </WithNote>
  );
}

const COLUMNS: readonly Column<Schedule>[] = [
  { title: 'schedule', cell: ({ schedule, name }) => <WithNote note={`job ${name}`}>{schedule}</WithNote> },
  {
    title: 'state',
    cell: ({ state }) => <Mark tone={state === 'active' ? 'good' : 'doubtful'}>{state}</Mark>,
  },
  { title: 'when', cell: ({ when, zone }) => <WithNote note={zone}>{when}</WithNote> },
  {
    title: 'next',
    cell: ({ next, state }) =>
      next === null ? (
        <span class="unknown">{state === 'paused' ? 'none while paused' : 'none'}</span>
      ) : (
        <WithNote note={<When at={next.at} />}>{next.period}</WithNote>
      ),
  },
  { title: 'last', cell: Last },
  {
    title: 'actions',
    kind: 'tools',
    cell: (schedule) => (
      <span class="tools">
        <ActionButton action={runSchedule(schedule)} />
        <ActionButton action={schedule.state === 'paused' ? resumeSchedule(schedule) : pauseSchedule(schedule)} />
      </span>
    ),
  },
];

const FIRING_COLUMNS: readonly Column<Firing>[] = [
  { title: 'schedule', cell: ({ schedule }) => schedule },
  { title: 'period', cell: ({ period }) => period },
  {
    title: 'when',
    cell: ({ at, job }) => (
      <>
        <When at={at} />
        {job !== null && (
          <small>
            <a href={jobHash(job)}>already run by hand</a>: it will not run again
          </small>
        )}
      </>
    ),
  },
];

const stateNow = ({ state, changed }: { state: string; changed: boolean }): string =>
  changed ? `The schedule is now ${state}.` : `Nothing changed: the schedule was already ${state}.`;

function pauseSchedule({ schedule }: Schedule): Action {
  return action({
    label: 'Pause',
    name: `Pause schedule ${schedule}`,
    operation: 'schedulePause',
    what: ['The schedule starts no jobs until it is resumed. Jobs that have started continue.'],
    words: () => ['schedule', 'pause', schedule],
    input: () => ({ name: schedule }),
    outcome: stateNow,
  });
}

function resumeSchedule({ schedule }: Schedule): Action {
  return action({
    label: 'Resume',
    name: `Resume schedule ${schedule}`,
    operation: 'scheduleResume',
    what: [
      'The schedule starts jobs again. Periods that fell due during the pause are not made up for; use Run for each of them.',
    ],
    words: () => ['schedule', 'resume', schedule],
    input: () => ({ name: schedule }),
    outcome: stateNow,
  });
}

function runSchedule({ schedule, next, kind }: Schedule): Action {
  return action({
    label: 'Run',
    name: `Run schedule ${schedule} now`,
    operation: 'scheduleRun',
    what: [
      'Submits the job for this period now. A period runs only once: the schedule will not run it again. If it has already run, no job is submitted.',
    ],
    fields: [
      {
        name: 'period',
        label: 'Period',
        kind: 'text',
        required: true,
        initial: next?.period ?? '',
        hint: kind === 'calendar' ? 'a month, such as 2026-11' : 'a local time, such as 2026-11-30T06:00',
      },
    ],
    words: ({ period }) => ['schedule', 'run', schedule, '--period', period ?? ''],
    input: ({ period = '' }) => ({ name: schedule, period }),
    outcome: ({ job, created }, dryRun) =>
      dryRun
        ? 'The job would be submitted.'
        : created
          ? `Submitted as ${job}.`
          : `This period has already run, as ${job}.`,
  });
}
