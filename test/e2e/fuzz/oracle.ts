import type { JournalEntry, TaskSets } from '../../../src/model/journal.ts';
import { membersOf, type RawJob, type RawStep } from './raw-job.ts';

/** A job's state according to the laws, computed only from its raw keys. Tasks are named `step/n`. */
export interface Truth {
  readonly state: 'submitted' | 'running' | 'paused' | 'succeeded' | 'failed' | 'cancelled';
  readonly pruned: boolean;
  readonly round: number;
  readonly stopped: boolean;
  /** Permanently failed in the last round that asked for them, or held back or given up since, and not skipped. */
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
  /** Asked for, but not published, failed, skipped or given up. */
  readonly missing: readonly string[];
  /** Published after a gather was opened without them. */
  readonly late: readonly string[];
  /** How the job must end in this state; `wait` while something is missing or a gather has to be opened. */
  readonly due: 'succeeded' | 'failed' | 'wait';
  /** Failed tasks without which a gather, or a step after an explode, was opened. */
  readonly tooLate: readonly string[];
}

type Retry = Extract<JournalEntry, { what: 'retry' }>;

export function truthOf(raw: RawJob): Truth {
  const { steps } = raw;
  const journal = readJournal(raw);
  const names = { failed: [], skipped: [], missing: [], late: [], tooLate: [] } as Record<
    'failed' | 'skipped' | 'missing' | 'late' | 'tooLate',
    string[]
  >;
  const failedIn = new Map<number, number>();
  const undecidedIn = new Map<number, number>();
  for (const [index, step] of steps.entries()) {
    for (let task = 0; task < step.size; task += 1) {
      const name = `${step.name}/${task}`;
      if (step.out.has(task)) {
        if (leftOut(steps, index, task) && isLastOfSection(steps, index)) names.late.push(name);
        continue;
      }
      const asked = canRun(steps, index, task);
      // A skip ends the chain, even if an attempt publishes the skipped task later.
      const skippedBefore = steps
        .slice(step.start, index)
        .some(({ name }) => journal.skipped.get(name)?.has(task) === true);
      const skipped = journal.skipped.get(step.name)?.has(task) === true || (asked && skippedBefore);
      if (skippedBefore && !skipped) continue;
      const failed = step.failed.has(`${task}.${roundOf(raw, index, task)}`);
      const held = isHeld(raw, index, task);
      if (skipped) names.skipped.push(name);
      else if (failed || (asked && (held || journal.stopped))) {
        names.failed.push(name);
        failedIn.set(step.start, (failedIn.get(step.start) ?? 0) + 1);
        if (leftOut(steps, index, task)) names.tooLate.push(name);
      } else if (asked) {
        names.missing.push(name);
        undecidedIn.set(step.start, (undecidedIn.get(step.start) ?? 0) + 1);
      }
    }
  }
  const { state, pruned, round, stopped } = journal;
  return { state, pruned, round, stopped, ...names, due: due(raw, journal.tolerate, failedIn, undecidedIn) };
}

/**
 * The job without the outputs that came when their tasks had already failed, been skipped or been given up by a stop, and
 * without what followed: later tasks of their chains, and steps that opened after the last close. `putAt`: when each object
 * was put.
 */
export function withoutLateOutputs(raw: RawJob, putAt: ReadonlyMap<string, number>): RawJob {
  const { steps, entries, record } = raw;
  const key = (rest: string): number => putAt.get(`jobs/${record.job}/${rest}`) ?? 0;
  const padded = (number: number, width: number): string => String(number).padStart(width, '0');
  const { stopped, skipped } = readJournal(raw);
  /** Whether the entry still ends the task. */
  const isEnd = (entry: JournalEntry, step: string, task: number): boolean =>
    (entry.what === 'stop' && stopped) ||
    (entry.what === 'skip' && membersOf(entry.tasks[step] ?? '').has(task) && skipped.get(step)?.has(task) === true);
  const isLate = ({ name, failed }: RawStep, index: number, task: number): boolean => {
    const at = key(`steps/${name}/out/${padded(task, 9)}`);
    return (
      failed.has(`${task}.${roundOf(raw, index, task)}`) ||
      entries.some((entry, n) => isEnd(entry, name, task) && key(`journal/${padded(n, 6)}.json`) < at)
    );
  };
  const close = entries.findLastIndex(({ what }) => what === 'close');
  const closedAt = close === -1 ? Number.POSITIVE_INFINITY : key(`journal/${padded(close, 6)}.json`);
  const early: RawStep[] = [];
  for (const [index, step] of steps.entries()) {
    if (key(`steps/${step.name}/opened.json`) > closedAt) {
      early.push({ ...step, opened: null, size: step.gather ? 1 : 0, out: new Set() });
      continue;
    }
    const before = index === step.start ? null : early[index - 1];
    const out = [...step.out].filter((task) => (before?.out.has(task) ?? true) && !isLate(step, index, task));
    early.push({ ...step, out: new Set(out) });
  }
  return { ...raw, steps: early };
}

/** Looks at sections in order. One with more failures than tolerated fails the job, when all its tasks are decided. */
function due(
  { steps, record }: RawJob,
  tolerate: (chains: number) => number,
  failedIn: ReadonlyMap<number, number>,
  undecidedIn: ReadonlyMap<number, number>,
): Truth['due'] {
  if ([...undecidedIn.values()].some((count) => count > 0)) return 'wait';
  for (const start of new Set(steps.map((step) => step.start))) {
    const first = steps[start];
    if (first === undefined) throw new RangeError(`no step ${start} in ${record.job}`);
    if (first.barrier && first.opened === null) return 'wait';
    if ((failedIn.get(start) ?? 0) > (first.gather ? 0 : tolerate(first.size))) return 'failed';
  }
  return 'succeeded';
}

function canRun(steps: readonly RawStep[], index: number, task: number): boolean {
  const step = steps[index];
  if (step?.barrier) return step.opened !== null;
  return index === 0 || steps[index - 1]?.out.has(task) === true;
}

function isLastOfSection(steps: readonly RawStep[], index: number): boolean {
  return steps[index + 1]?.barrier === true;
}

/** Whether the step that ends the chain's section was opened without the chain. */
function leftOut(steps: readonly RawStep[], index: number, task: number): boolean {
  const next = steps.slice(index + 1).find((step) => step.barrier);
  return next?.opened?.leftOut.has(task) === true;
}

/** The last round that asked for a task, an earlier step of its chain, or tasks before its gather. */
export function roundOf(raw: RawJob, index: number, task: number): number {
  let round = 0;
  for (const entry of raw.entries) {
    if (entry.what === 'retry') {
      const asked = isReleased(raw, entry) ? entry.tasks : (entry.canaries ?? {});
      if (asksFor(raw.steps, { asked, opened: entry.opened ?? [] }, index, task)) round = entry.round;
    } else if (entry.what === 'extend') {
      const asked = { [raw.steps[0]?.name ?? '']: `${entry.first}-${entry.first + entry.count - 1}` };
      if (asksFor(raw.steps, { asked, opened: [] }, index, task)) round = entry.round;
    } else if (entry.what === 'unskip' && entry.asked !== undefined && entry.round !== undefined) {
      if (asksFor(raw.steps, { asked: entry.asked, opened: [] }, index, task)) round = entry.round;
    }
  }
  return round;
}

function asksFor(
  steps: readonly RawStep[],
  { asked, opened }: { readonly asked: TaskSets; readonly opened: readonly string[] },
  index: number,
  task: number,
): boolean {
  const start = steps[index]?.start ?? 0;
  const places = Object.keys(asked).map((name) => steps.findIndex((step) => step.name === name));
  if (start > 0 && places.every((place) => place < start) && !opened.includes(steps[start]?.name ?? '')) return true;
  return places.some(
    (place) => place >= start && place <= index && membersOf(asked[steps[place]?.name ?? ''] ?? '').has(task),
  );
}

/** Whether the last round that asked for the task holds it back until its canaries succeed. */
function isHeld(raw: RawJob, index: number, task: number): boolean {
  const name = raw.steps[index]?.name ?? '';
  return retriesOf(raw).some(
    (retry) =>
      retry.canaries !== null &&
      !isReleased(raw, retry) &&
      membersOf(retry.tasks[name] ?? '').has(task) &&
      roundOf(raw, index, task) < retry.round,
  );
}

function retriesOf({ entries }: RawJob): readonly Retry[] {
  return entries.filter((entry): entry is JournalEntry & Retry => entry.what === 'retry');
}

function isReleased({ entries }: RawJob, { canaries, round }: Retry): boolean {
  return canaries === null || entries.some((entry) => entry.what === 'retry-rest' && entry.round === round);
}

interface Journal extends Pick<Truth, 'state' | 'pruned' | 'round' | 'stopped'> {
  readonly skipped: ReadonlyMap<string, ReadonlySet<number>>;
  readonly tolerate: (chains: number) => number;
}

function readJournal({ entries, record }: RawJob): Journal {
  const skipped = new Map<string, Set<number>>();
  let closed: '' | 'succeeded' | 'failed' = '';
  let [paused, cancelled, sent, stopped, pruned] = [false, false, false, false, false];
  let round = 0;
  const { tolerate: accepted } = record.spec;
  let tolerate = accepted.kind === 'count' ? `${accepted.count}` : `${accepted.share * 100}%`;
  for (const entry of entries) {
    const { what } = entry;
    if (what === 'sent' || what === 'resend' || what === 'resume') sent = true;
    if (what === 'pause' || what === 'resume') paused = what === 'pause';
    if (what === 'cancel') cancelled = true;
    if (what === 'prune') pruned = true;
    if (what === 'stop') stopped = true;
    if (what === 'adjust') tolerate = entry.tolerate ?? tolerate;
    if (what === 'close' && entry.state !== 'cancelled') closed = entry.state;
    if (what === 'retry' || what === 'skip' || what === 'unskip' || what === 'retry-rest') closed = '';
    if (what === 'extend') [closed, round] = ['', entry.round];
    if (what === 'retry' || what === 'skip' || what === 'unskip') round = entry.round ?? round;
    if (what === 'retry' || (what === 'skip' && entry.unstop === true)) stopped = false;
    if (what !== 'skip' && what !== 'unskip') continue;
    for (const [step, set] of Object.entries(entry.tasks)) {
      const tasks = skipped.get(step) ?? new Set();
      skipped.set(step, tasks);
      for (const task of membersOf(set)) {
        if (what === 'skip') tasks.add(task);
        else tasks.delete(task);
      }
    }
  }
  const state = cancelled ? 'cancelled' : closed !== '' ? closed : paused ? 'paused' : sent ? 'running' : 'submitted';
  return { state, pruned, round, stopped, skipped, tolerate: (chains) => toleratedOf(tolerate, chains) };
}

function toleratedOf(text: string, chains: number): number {
  return text.endsWith('%') ? Math.floor((Number(text.slice(0, -1)) * chains) / 100) : Number(text);
}
