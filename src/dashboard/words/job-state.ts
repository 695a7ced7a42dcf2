import type { State, Status, StepStatus } from '../answers.ts';

/** How something is to be taken. */
export type Tone = 'good' | 'bad' | 'doubtful' | 'open';

export const isOpen = (state: State): boolean => state === 'submitted' || state === 'running' || state === 'paused';

export function toneOfState(state: State): Tone {
  if (state === 'succeeded') return 'good';
  if (state === 'failed') return 'bad';
  return state === 'submitted' || state === 'running' ? 'open' : 'doubtful';
}

const REASONS: Readonly<Record<string, string>> = {
  failures: 'tasks failed for good',
  stopped: 'stopped at the first failure for good',
  expect: 'a control total does not hold',
  halt: 'too many tasks failed',
  deployment: 'its program seems to be at fault',
  secret: 'a secret can not be had',
  budget: 'its money is spent',
  maxTasks: 'an explode made more tasks than it may have',
  person: 'by a person',
};

/** A stable code in words. Codes only grow, and a person's reason is text already: what isn't known stands as it is. */
export const reasonText = (reason: string): string => REASONS[reason] ?? reason;

/** `Running · 62 % done`, `Paused · too many tasks failed`. */
export function stateSentence({ state, reason }: Pick<Status, 'state' | 'reason'>, share: string | null): string {
  const word = `${state.charAt(0).toUpperCase()}${state.slice(1)}`;
  if (reason !== null) return `${word} · ${reasonText(reason)}`;
  return state === 'running' && share !== null ? `${word} · ${share} done` : word;
}

/** Tasks of a step, or of a whole job. */
export interface Progress {
  /** Null while nobody can know it. */
  readonly total: number | null;
  readonly waiting: number;
  readonly running: number;
  readonly done: number;
  readonly failed: number;
  readonly skipped: number;
  readonly retried: number;
  readonly interrupted: number;
}

/** The sum of a job's steps. A chain that ended counts once, where it ended. */
export function progressOf({ steps }: Pick<Status, 'steps'>): Progress {
  const sum = (of: (step: StepStatus) => number): number => steps.reduce((total, step) => total + of(step), 0);
  return {
    total: steps.some(({ total }) => total === null)
      ? null
      : sum(({ done, failed, skipped, running, waiting }) => done + failed + skipped + running + waiting),
    waiting: sum(({ waiting }) => waiting),
    running: sum(({ running }) => running),
    done: sum(({ done }) => done),
    failed: sum(({ failed }) => failed),
    skipped: sum(({ skipped }) => skipped),
    retried: sum(({ retried }) => retried),
    interrupted: sum(({ interrupted }) => interrupted),
  };
}

/** What is decided of all, from 0 to 1; null while nobody can know it. */
export function shareDecided({ total, done, failed, skipped }: Progress): number | null {
  if (total === null) return null;
  return total === 0 ? 1 : Math.min(1, (done + failed + skipped) / total);
}

/** `62 %`; never 100 before the end. */
export function percentText(share: number): string {
  if (share >= 1) return '100 %';
  return `${Math.min(99, Math.floor(share * 100))} %`;
}

/** By what jobs are put in order, and how that is called. '' leaves them as they came: the newest first. */
export const JOB_ORDERS = [
  ['', 'newest first'],
  ['deadline', 'least time to spare first'],
  ['end', 'soonest end first'],
  ['failed', 'most failed first'],
  ['name', 'by name'],
] as const;

/** `order`: one of those; what isn't is taken as ''. Jobs of which it isn't known come last. */
export function inOrder(jobs: readonly Status[], order: string): readonly Status[] {
  if (order === 'name') return [...jobs].sort((a, b) => a.name.localeCompare(b.name, 'en'));
  const weigh = WEIGHTS[order];
  if (weigh === undefined) return jobs;
  const weighed = jobs.map((job) => ({ job, weight: weigh(job) }));
  return weighed.sort((a, b) => (a.weight === b.weight ? 0 : a.weight - b.weight)).map(({ job }) => job);
}

const LAST = Number.POSITIVE_INFINITY;
const instantOf = (text: string | null): number => (text === null ? LAST : Date.parse(text));

/** Milliseconds between end and deadline; of one whose end nobody knows until the deadline from an end at once. */
function spareOf({ finishBy, closedAt, projected, createdAt }: Status): number {
  return finishBy === null ? LAST : Date.parse(finishBy) - instantOf(closedAt ?? projected ?? createdAt);
}

const WEIGHTS: Readonly<Record<string, (job: Status) => number>> = {
  deadline: spareOf,
  end: ({ closedAt, projected }) => instantOf(closedAt ?? projected),
  failed: (job) => -progressOf(job).failed,
};

/** What a person may do: a command, and when or what for it is. Either may be empty. */
interface Act {
  readonly command: string;
  readonly remark: string;
}

/** The acts of `COMMAND, REMARK; COMMAND`, or a sentence. */
export function actsOf(mend: string): readonly Act[] {
  return mend.split('; ').map((act) => {
    if (!act.startsWith('batchctl ')) return { command: '', remark: act };
    const at = act.indexOf(', ');
    return at < 0 ? { command: act, remark: '' } : { command: act.slice(0, at), remark: act.slice(at + 2) };
  });
}
