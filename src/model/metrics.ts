export interface Metric {
  /** As named in CloudWatch: `BacklogVisible`. */
  readonly name: string;
  readonly unit: 'count' | 'seconds' | 'perMinute';
  readonly value: number;
  /** Null: for the whole stack. */
  readonly group: string | null;
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A gauge in Prometheus' text format, version 0.0.4; nothing without samples. */
export function gauge(name: string, help: string, samples: readonly Sample[]): readonly string[] {
  if (samples.length === 0) return [];
  return [
    `# HELP ${name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}`,
    `# TYPE ${name} gauge`,
    ...samples.map(({ labels, value }) => `${name}${labelsText(labels)} ${value}`),
  ];
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const all = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return all.length === 0 ? '' : `{${all.join(',')}}`;
}

const escapeLabel = (value: string): string => value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');

export interface GroupMetrics {
  readonly group: string;
  readonly visible: number;
  readonly leased: number;
  readonly delayed: number;
  readonly dead: number;
  /** Seconds; null if none waits, or the queue can't tell. */
  readonly oldest: number | null;
  /** Wanted instances, or workers if they are processes; null if unknown. */
  readonly desired: number | null;
  /** Instances that Auto Scaling has in service, or running workers. */
  readonly inService: number | null;
  readonly workers: number;
  readonly slots: number;
  /** Those of them that hold a task: heartbeats name at most 64 per worker. */
  readonly busy: number;
  /** Tasks that ended per minute, by the workers' heartbeats; null before the second look. */
  readonly done: number | null;
  /** Failed for good. */
  readonly failed: number | null;
}

/** The metrics of a stack. None is about a single job, because each value of a label is kept, and billed, for years. */
export interface MetricsSnapshot {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly groups: readonly GroupMetrics[];
  readonly jobs: { readonly submitted: number; readonly running: number; readonly paused: number };
  /** Open jobs past their deadline. */
  readonly late: number;
  /** Groups whose service could not be asked. */
  readonly unknown: readonly string[];
}

export interface WorkerTally {
  readonly worker: string;
  readonly groups: readonly string[];
  readonly done: number;
  readonly failed: number;
  /** Milliseconds since the epoch, like all instants here. */
  readonly startedAt: number;
  readonly seenAt: number;
}

export interface WorkerTallies {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly workers: readonly WorkerTally[];
}

/** The workers' tallies at an instant. */
interface TallyLook {
  readonly at: number;
  readonly workers: readonly WorkerTally[];
}

/**
 * Tasks per minute of a group, from its workers' tallies at two looks. A worker that came in between counts from zero;
 * the work of one that has left in between is no longer known.
 */
export function taskRateOf(
  group: string,
  before: TallyLook,
  now: TallyLook,
): Pick<WorkerTally, 'done' | 'failed'> | null {
  const minutes = (now.at - before.at) / 60_000;
  if (minutes <= 0) return null;
  const known = new Map(before.workers.map((tally) => [tally.worker, tally]));
  let [done, failed] = [0, 0];
  for (const tally of now.workers) {
    if (!tally.groups.includes(group)) continue;
    const then = known.get(tally.worker);
    // It worked before the first look but wasn't seen then: how much of its work is in this interval is unknown.
    if (then === undefined && tally.startedAt < before.at) continue;
    done += Math.max(0, tally.done - (then?.done ?? 0));
    failed += Math.max(0, tally.failed - (then?.failed ?? 0));
  }
  return { done: rounded(done / minutes), failed: rounded(failed / minutes) };
}

const rounded = (value: number): number => Math.round(value * 100) / 100;

type Figure = readonly [name: string, unit: Metric['unit'], prometheus: string, help: string];

const FIGURES: Readonly<Record<Exclude<keyof GroupMetrics, 'group'>, Figure>> = {
  visible: ['BacklogVisible', 'count', 'batchctl_backlog_visible', 'Messages waiting for a worker.'],
  leased: ['BacklogLeased', 'count', 'batchctl_backlog_leased', 'Messages leased by a worker.'],
  delayed: ['BacklogDelayed', 'count', 'batchctl_backlog_delayed', 'Messages not yet due.'],
  dead: ['BacklogDead', 'count', 'batchctl_backlog_dead', 'Dead letters.'],
  oldest: ['OldestAge', 'seconds', 'batchctl_backlog_oldest_seconds', 'Age of the oldest waiting message.'],
  desired: ['Desired', 'count', 'batchctl_group_desired', 'Desired size: instances or workers.'],
  inService: ['InService', 'count', 'batchctl_group_in_service', 'Instances in service, or running workers.'],
  workers: ['Workers', 'count', 'batchctl_group_workers', 'Workers with a recent heartbeat.'],
  slots: ['Slots', 'count', 'batchctl_group_slots', 'Tasks that they can run at a time.'],
  busy: ['SlotsBusy', 'count', 'batchctl_group_slots_busy', 'Tasks that they run.'],
  done: ['TasksDone', 'perMinute', 'batchctl_tasks_done_per_minute', 'Tasks done per minute.'],
  failed: ['TasksFailed', 'perMinute', 'batchctl_tasks_failed_per_minute', 'Tasks that failed for good per minute.'],
};

const figures = (): readonly (readonly [Exclude<keyof GroupMetrics, 'group'>, Figure])[] =>
  Object.entries(FIGURES) as [Exclude<keyof GroupMetrics, 'group'>, Figure][];

/** A snapshot as metrics for CloudWatch. Unknown values are left out, never 0. */
export function metricsOf({ groups, jobs, late }: MetricsSnapshot): readonly Metric[] {
  const ofGroups = groups.flatMap((each) =>
    figures().flatMap(([field, [name, unit]]): readonly Metric[] => {
      const value = each[field];
      return value === null ? [] : [{ name, unit, value, group: each.group }];
    }),
  );
  const ofStack = { JobsOpen: jobs.submitted + jobs.running + jobs.paused, JobsPaused: jobs.paused, JobsLate: late };
  return [
    ...ofGroups,
    ...Object.entries(ofStack).map(([name, value]): Metric => ({ name, unit: 'count', value, group: null })),
  ];
}

/** A snapshot in Prometheus' text format, version 0.0.4: the answer of the manager's `/metrics`. */
export function managerMetrics({ groups, jobs, late, unknown }: MetricsSnapshot): string {
  const lines = [
    ...figures().flatMap(([field, [, , name, help]]) => {
      const samples = groups.flatMap((each): readonly Sample[] => {
        const value = each[field];
        return value === null ? [] : [{ labels: { group: each.group }, value }];
      });
      return gauge(name, help, samples);
    }),
    ...gauge(
      'batchctl_jobs_open',
      'Jobs that are not closed, by state.',
      Object.entries(jobs).map(([state, value]) => ({ labels: { state }, value })),
    ),
    ...gauge('batchctl_jobs_late', 'Open jobs past their deadline.', [{ labels: {}, value: late }]),
    ...gauge('batchctl_groups_unknown', 'Groups whose queue or service could not be read.', [
      { labels: {}, value: unknown.length },
    ]),
  ];
  return `${lines.join('\n')}\n`;
}
