import { formatCount, formatDistance, formatMany } from '../../cli/format.ts';
import type { Tone } from '../../cli/report-html/theme.ts';
import { groupBy } from '../../model/group-by.ts';
import type { GridRow as Row } from '../../model/period-grid.ts';
import { reasonText } from '../../model/reason-text.ts';
import type { Group, Overview, Periods, Queue, Status, Worker } from '../api-routes.ts';
import { hashOf, jobHash } from '../hash.ts';
import { isOpen, marginOf, percentText, progressOf, shareDecided, supersededBy } from './job.ts';

/** Something that needs a person's attention, with a link to the details. */
export interface Notice {
  /** Identifies the subject: stays the same while the text changes. */
  readonly key: string;
  readonly tone: Tone;
  readonly text: string;
  readonly href: string;
  /** For a run: what is said of several runs of one job together. */
  readonly run?: RunNotice;
}

interface RunNotice {
  /** The job's name. */
  readonly name: string;
  /** The run among those of its job: `2026-11`. */
  readonly label: string;
  readonly what: RunProblem;
  /** The reason, if it is the same for all. */
  readonly why: string;
}

/** The problems of several runs of one job. */
const PROBLEM_TEXTS = {
  failed: 'runs failed',
  paused: 'runs are paused',
  delivery: 'runs were not delivered',
  untold: 'runs have notifications that could not be sent',
  journal: 'runs lack a journal entry',
  late: 'runs are late',
  tight: 'runs have little time left',
  tasks: 'runs have tasks that failed for good',
  unserved: 'runs wait, but no worker serves their group',
  missed: 'periods never ran',
  due: 'periods should have started',
} as const;

type RunProblem = keyof typeof PROBLEM_TEXTS;

/** Milliseconds that a failed job stays in the list after its end. */
const NEWS_MS = 12 * 3_600_000;
const WEIGHT: Readonly<Record<Tone, number>> = { bad: 0, doubtful: 1, open: 2, good: 3 };

/** The findings that need a person's attention, most severe first. `periods`: null while unknown. */
export function attentionOf(
  seen: Overview,
  zone: string,
  at: number,
  periods: Periods | null = null,
): readonly Notice[] {
  const notices = [
    ...seen.jobs.flatMap((job) => jobNotices(job, supersededBy(job, seen.jobs), seen.workers, zone, at)),
    ...seen.workers.flatMap((worker) => workerNotices(worker, at)),
    ...seen.groups.flatMap(groupNotices),
    ...seen.queues.flatMap((queue) => queueNotices(queue, seen.jobs)),
  ];
  const answered = seen.jobs.filter((job) => supersededBy(job, seen.jobs) !== null).map(({ job }) => `${job} state`);
  const known = new Set([...answered, ...notices.map(({ key }) => key)]);
  const older = (periods?.bands ?? []).flatMap(({ rows }) => rows.flatMap((row) => periodNotices(row, at)));
  return [...notices, ...older.filter(({ key }) => !known.has(key))].sort((a, b) => WEIGHT[a.tone] - WEIGHT[b.tone]);
}

/** A line about one thing, or about several runs of one job. */
interface NoticeLine {
  readonly key: string;
  readonly tone: Tone;
  readonly text: string;
  /** For a single thing: the way to it. */
  readonly href: string | null;
  /** The way to each of several runs. */
  readonly links: readonly { readonly label: string; readonly href: string }[];
}

/** The lines about one job name, or about one thing that is no job. */
export interface NoticeGroup {
  readonly key: string;
  readonly tone: Tone;
  readonly lines: readonly NoticeLine[];
}

/** Notices by job name: the same of several runs is one line. Keeps the order of the first of each. */
export function groupByJob(notices: readonly Notice[]): readonly NoticeGroup[] {
  return [...groupBy(notices, ({ key, run }) => (run === undefined ? key : `job ${run.name}`))].map(([key, of]) => ({
    key,
    tone: toneOf(of),
    lines: [...groupBy(of, (notice) => notice.run?.what ?? notice.key).values()].map(lineOf),
  }));
}

function lineOf(notices: readonly Notice[]): NoticeLine {
  const [first] = notices as readonly [Notice, ...Notice[]];
  const { key, tone, text, href, run } = first;
  if (run === undefined || notices.length === 1) return { key, tone, text, href, links: [] };
  const whys = new Set(notices.map((notice) => notice.run?.why));
  const why = whys.size === 1 ? run.why : '';
  return {
    key: `${run.name} ${run.what}`,
    tone: toneOf(notices),
    href: null,
    text: `${run.name}: ${formatCount(notices.length)} ${PROBLEM_TEXTS[run.what]}${why}`,
    links: notices.map((notice) => ({ label: notice.run?.label ?? notice.key, href: notice.href })),
  };
}

/** Milliseconds after which a period that did not run, or failed, is history: longer than a weekend. */
const PERIOD_NEWS_MS = 3 * 24 * 3_600_000;
/** Milliseconds that a keeper may take to fire a schedule. */
const FIRES_WITHIN_MS = 5 * 60_000;

/** Runs of schedules that never came, and failed runs that the overview no longer has. */
function periodNotices({ name, schedule, cells }: Row, at: number): readonly Notice[] {
  return cells.flatMap((cell): readonly Notice[] => {
    if (cell === null) return [];
    const { state, job, period, reason } = cell;
    const label = period ?? job ?? '';
    const when = Date.parse(cell.closedAt ?? cell.at);
    if (when < at - PERIOD_NEWS_MS) return [];
    const say = (what: RunProblem, text: string, why = ''): readonly Notice[] => [
      {
        key: `${job ?? `${schedule ?? name}@${period}`} state`,
        tone: what === 'due' ? 'doubtful' : 'bad',
        href: job === null ? hashOf(['schedules']) : jobHash(job),
        text,
        run: { name, label, what, why },
      },
    ];
    const subject = schedule ?? name;
    if (state === 'missed')
      return say('missed', `${subject}: ${label} never ran; it was due ${formatDistance(when - at)}`);
    if (state === 'due' && when < at - FIRES_WITHIN_MS)
      return say('due', `${subject}: ${label} should have started ${formatDistance(when - at)}`);
    if (state !== 'failed') return [];
    const why = reason === null ? '' : `: ${reasonText(reason)}`;
    return say('failed', `${job}: failed${why}`, why);
  });
}

/** `2026-11` for the run key `claims-2026-11` of the job `claims`. */
function labelOf({ job, name, runKey }: Status): string {
  if (runKey === null) return job;
  return runKey.startsWith(name) && runKey.length > name.length + 1 ? runKey.slice(name.length + 1) : runKey;
}

/** None for a rehearsal: the person who runs it sees the result. `workers`: null if unknown. */
function jobNotices(
  job: Status,
  later: Status | null,
  workers: readonly Worker[] | null,
  zone: string,
  at: number,
): readonly Notice[] {
  if (job.rehearsal !== null) return [];
  const href = jobHash(job.job);
  const notices: Notice[] = [];
  const say = (kind: string, what: RunProblem, tone: Tone, text: string, why = ''): void => {
    const run = { name: job.name, label: labelOf(job), what, why };
    notices.push({ key: `${job.job} ${kind}`, tone, href, text: `${job.job}: ${text}`, run });
  };
  const reason = job.reason === null ? '' : `: ${reasonText(job.reason)}`;
  if (job.state === 'paused') say('state', 'paused', 'doubtful', `paused${reason}`, reason);
  if (job.state === 'failed' && later === null && Date.parse(job.closedAt ?? '') > at - NEWS_MS)
    say('state', 'failed', 'bad', `failed${reason}`, reason);
  const { delivery, untold } = job;
  if (delivery?.state === 'failing' || delivery?.state === 'givenUp')
    say('delivery', 'delivery', 'bad', `not delivered to ${delivery.to}`);
  if (untold.length > 0)
    say('untold', 'untold', 'bad', `${formatMany(untold.length, 'notification')} could not be sent`);
  if (job.journalHole) say('journal', 'journal', 'bad', `journal entry ${job.journalHole.missing} is missing`);
  if (!isOpen(job.state)) return notices;
  const margin = marginOf(job, zone, at);
  if (margin?.tone === 'bad') say('deadline', 'late', 'bad', `${margin.margin} (${margin.detail})`);
  if (margin?.tone === 'doubtful') say('deadline', 'tight', 'doubtful', `only ${margin.margin} (${margin.detail})`);
  const { failed, waiting, running } = progressOf(job);
  if (failed > 0) say('failed', 'tasks', 'bad', `${formatMany(failed, 'task')} failed for good`);
  const isDue = job.notBefore === null || Date.parse(job.notBefore) <= at;
  const groups = new Set(job.steps.filter((step) => step.waiting > 0).map((step) => step.group));
  const served = workers?.some(
    ({ group, state }) => state !== 'gone' && group.split(',').some((one) => groups.has(one)),
  );
  if (job.state !== 'paused' && isDue && waiting > 0 && running === 0 && served === false)
    say('unserved', 'unserved', 'doubtful', 'tasks are waiting, but no worker serves their group');
  return notices;
}

function workerNotices({ worker, host, state, seen }: Worker, at: number): readonly Notice[] {
  const href = hashOf(['workers']);
  const key = `worker ${worker ?? host}`;
  if (state === 'noWorker') return [{ key, tone: 'doubtful', href, text: `instance ${host} has no worker` }];
  if (state !== 'lost') return [];
  const since = seen === null ? '' : ` ${formatDistance(Date.parse(seen) - at)}`;
  return [{ key, tone: 'doubtful', href, text: `worker ${worker ?? host} was last seen${since}` }];
}

function groupNotices({ group, held, troubles }: Group): readonly Notice[] {
  const notices: Notice[] = [];
  const say = (kind: string, tone: Tone, text: string): void =>
    void notices.push({ key: `${kind} ${group}`, tone, href: hashOf(['workers']), text: `group ${group}${text}` });
  if (held !== null) say('held', 'bad', ` is held: ${held.failed} boots failed`);
  const [first] = troubles;
  if (first !== undefined) say('launches', 'doubtful', `: launches fail (${first.code}): ${first.message}`);
  return notices;
}

/** As in `doctor`, dead letters need attention only while their job is open: a closed job has reported them as failures. */
export const hasUrgentDeadLetters = ({ group, dead }: Queue, jobs: readonly Status[]): boolean =>
  dead > 0 &&
  jobs.some(
    ({ state, rehearsal, steps }) =>
      isOpen(state) && rehearsal === null && steps.some((step) => step.group === group && step.failed > 0),
  );

function queueNotices(queue: Queue, jobs: readonly Status[]): readonly Notice[] {
  if (!hasUrgentDeadLetters(queue, jobs)) return [];
  const { group, dead } = queue;
  const text = `${formatMany(dead, 'dead letter')} in group ${group}`;
  return [{ key: `dead ${group}`, tone: 'doubtful', href: hashOf(['queues']), text }];
}

/** A browser tab's title and icon. */
interface Tab {
  readonly title: string;
  readonly tone: Tone;
}

/** The facts behind the tab's title and icon. */
interface TabFacts {
  /** The view's name, capitalised. */
  readonly view: string;
  /** On a job's page: its id, and its status once known. */
  readonly job: string | null;
  readonly status: Status | null;
  readonly overview: Overview | null;
  readonly live: boolean;
}

/** `41 % · claims claims-2026-11`, `failed · claims-1`, `(2) Jobs`, `not live · Jobs`: the most important part first, as tabs are narrow. */
export function tabOf({ view, job, status, overview, live }: TabFacts, zone: string, at: number): Tab {
  const place = job === null ? view : status === null ? job : `${status.name} ${status.runKey ?? status.job}`;
  if (!live) return { title: `not live · ${place} · batchctl`, tone: 'doubtful' };
  const notices = overview === null ? [] : attentionOf(overview, zone, at);
  if (job === null) {
    const count = notices.length === 0 ? '' : `(${groupByJob(notices).length}) `;
    return { title: `${count}${place} · batchctl`, tone: toneOf(notices) };
  }
  if (status === null) return { title: `${place} · batchctl`, tone: 'open' };
  const share = shareDecided(progressOf(status));
  const word = status.state === 'running' && share !== null ? percentText(share) : status.state;
  const later = supersededBy(status, overview?.jobs ?? []);
  const own = jobNotices(status, later, overview?.workers ?? null, zone, at);
  const tone = status.state === 'succeeded' ? 'good' : toneOf(own);
  return { title: `${word} · ${place} · batchctl`, tone };
}

/** The most severe tone among them. */
const toneOf = (notices: readonly Notice[]): Tone =>
  (['bad', 'doubtful'] as const).find((tone) => notices.some((notice) => notice.tone === tone)) ?? 'open';
