import { formatDistance, formatMany } from '../../cli/format.ts';
import type { Group, Overview, Queue, Status, Worker } from '../api-routes.ts';
import { hashOf, jobHash } from '../hash.ts';
import { isOpen, marginOf, percentText, progressOf, reasonText, shareDecided, type Tone } from './job.ts';

/** Something that needs a person's attention, with a link to the details. */
export interface Notice {
  /** Identifies the subject: stays the same while the text changes. */
  readonly key: string;
  readonly tone: Tone;
  readonly text: string;
  readonly href: string;
}

/** Milliseconds that a failed job stays in the list after its end. */
const NEWS_MS = 12 * 3_600_000;
const WEIGHT: Readonly<Record<Tone, number>> = { bad: 0, doubtful: 1, open: 2, good: 3 };

/** What needs a person's attention, most severe first. */
export function attentionOf(seen: Overview, zone: string, at: number): readonly Notice[] {
  const notices = [
    ...seen.jobs.flatMap((job) => jobNotices(job, seen.workers, zone, at)),
    ...seen.workers.flatMap((worker) => workerNotices(worker, at)),
    ...seen.groups.flatMap(groupNotices),
    ...seen.queues.flatMap((queue) => queueNotices(queue, seen.jobs)),
  ];
  return notices.sort((a, b) => WEIGHT[a.tone] - WEIGHT[b.tone]);
}

/** None for a rehearsal: the person who leads it sees how it ends. `workers`: null if unknown. */
function jobNotices(job: Status, workers: readonly Worker[] | null, zone: string, at: number): readonly Notice[] {
  if (job.rehearsal !== null) return [];
  const href = jobHash(job.job);
  const notices: Notice[] = [];
  const say = (what: string, tone: Tone, text: string): void =>
    void notices.push({ key: `${job.job} ${what}`, tone, href, text: `${job.job}: ${text}` });
  const reason = job.reason === null ? '' : `: ${reasonText(job.reason)}`;
  if (job.state === 'paused') say('state', 'doubtful', `paused${reason}`);
  if (job.state === 'failed' && Date.parse(job.closedAt ?? '') > at - NEWS_MS) say('state', 'bad', `failed${reason}`);
  const { delivery, untold } = job;
  if (delivery?.state === 'failing' || delivery?.state === 'givenUp')
    say('delivery', 'bad', `not delivered to ${delivery.to}`);
  if (untold.length > 0) say('untold', 'bad', `${formatMany(untold.length, 'notification')} could not be sent`);
  if (job.journalHole) say('journal', 'bad', `journal entry ${job.journalHole.missing} is missing`);
  if (!isOpen(job.state)) return notices;
  const margin = marginOf(job, zone, at);
  if (margin?.tone === 'bad') say('deadline', 'bad', `${margin.margin} (${margin.detail})`);
  if (margin?.tone === 'doubtful') say('deadline', 'doubtful', `only ${margin.margin} (${margin.detail})`);
  const { failed, waiting, running } = progressOf(job);
  if (failed > 0) say('failed', 'bad', `${formatMany(failed, 'task')} failed for good`);
  const isDue = job.notBefore === null || Date.parse(job.notBefore) <= at;
  const groups = new Set(job.steps.filter((step) => step.waiting > 0).map((step) => step.group));
  const served = workers?.some(
    ({ group, state }) => state !== 'gone' && group.split(',').some((one) => groups.has(one)),
  );
  if (job.state !== 'paused' && isDue && waiting > 0 && running === 0 && served === false)
    say('unserved', 'doubtful', 'tasks are waiting, but no worker serves their group');
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
  const href = hashOf(['workers']);
  const [first] = troubles;
  return [
    ...(held === null
      ? []
      : [
          {
            key: `held ${group}`,
            tone: 'bad',
            href,
            text: `group ${group} is held: ${held.failed} boots failed`,
          } as const,
        ]),
    ...(first === undefined
      ? []
      : [
          {
            key: `launches ${group}`,
            tone: 'doubtful',
            href,
            text: `group ${group}: launches fail (${first.code}): ${first.message}`,
          } as const,
        ]),
  ];
}

/**
 * Whether a queue's dead letters need a person, as `doctor` judges them: those of a closed job are its failures, which
 * it has told.
 */
export const areDeadNews = ({ group, dead }: Queue, jobs: readonly Status[]): boolean =>
  dead > 0 &&
  jobs.some(
    ({ state, rehearsal, steps }) =>
      isOpen(state) && rehearsal === null && steps.some((step) => step.group === group && step.failed > 0),
  );

function queueNotices(queue: Queue, jobs: readonly Status[]): readonly Notice[] {
  if (!areDeadNews(queue, jobs)) return [];
  const { group, dead } = queue;
  return [
    {
      ...{ key: `dead ${group}`, tone: 'doubtful' },
      ...{ href: hashOf(['queues']), text: `${formatMany(dead, 'dead letter')} in group ${group}` },
    },
  ];
}

/** A browser tab's title and icon. */
interface Tab {
  readonly title: string;
  /** Selects the icon. */
  readonly tone: Tone;
}

/** What the tab's title and icon are derived from. */
interface TabFacts {
  /** The view's name, capitalised. */
  readonly view: string;
  /** On a job's page: its id, and its status once known. */
  readonly job: string | null;
  readonly status: Status | null;
  readonly overview: Overview | null;
  /** Whether the data is up to date. */
  readonly live: boolean;
}

/** `41 % · claims claims-2026-11`, `failed · claims-1`, `(2) Jobs`, `not live · Jobs`: the most important part first, as tabs are narrow. */
export function tabOf({ view, job, status, overview, live }: TabFacts, zone: string, at: number): Tab {
  const place = job === null ? view : status === null ? job : `${status.name} ${status.runKey ?? status.job}`;
  if (!live) return { title: `not live · ${place} · batchctl`, tone: 'doubtful' };
  const notices = overview === null ? [] : attentionOf(overview, zone, at);
  if (job === null) {
    const count = notices.length === 0 ? '' : `(${notices.length}) `;
    return { title: `${count}${place} · batchctl`, tone: toneOf(notices) };
  }
  if (status === null) return { title: `${place} · batchctl`, tone: 'open' };
  const share = shareDecided(progressOf(status));
  const word = status.state === 'running' && share !== null ? percentText(share) : status.state;
  const tone = status.state === 'succeeded' ? 'good' : toneOf(jobNotices(status, overview?.workers ?? null, zone, at));
  return { title: `${word} · ${place} · batchctl`, tone };
}

/** The most severe tone among them. */
const toneOf = (notices: readonly Notice[]): Tone =>
  (['bad', 'doubtful'] as const).find((tone) => notices.some((notice) => notice.tone === tone)) ?? 'open';
