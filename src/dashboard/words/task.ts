import type { Tone } from '../../cli/report-html/theme.ts';
import { taskSetHas } from '../../model/task-set.ts';
import type { Entry, Task } from '../api-routes.ts';

/** One stretch of a task's life: it waits, an attempt runs, or a person decides something about it. */
export interface TaskPhase {
  readonly key: string;
  readonly state: 'waiting' | 'running' | 'done' | 'failedAttempt' | 'failed' | 'interrupted' | 'decision';
  readonly tone: Tone;
  /** `waiting`, `failed attempt`, `retry`. */
  readonly word: string;
  /** ISO-8601; null if unknown. */
  readonly from: string | null;
  /** Null while it lasts, and for a decision. */
  readonly to: string | null;
  readonly attempt: Task | null;
  /** The reason for waiting, the attempt's end, or the decision and its author; null for none of them. */
  readonly text: string | null;
}

export interface TaskFacts {
  readonly step: string;
  readonly task: number;
  /** Recorded attempts, oldest first. */
  readonly attempts: readonly Task[];
  readonly entries: readonly Entry[];
  /** The job can still run it. */
  readonly open: boolean;
  /** When its first attempt could have started; null if unknown, or if its input does not exist yet. */
  readonly readyAt: string | null;
  /** The task whose output it waits for, if that is not done; null for none. */
  readonly waitsFor: string | null;
}

const WORDS: Readonly<Record<string, readonly [word: string, tone: Tone]>> = {
  running: ['running', 'open'],
  done: ['done', 'good'],
  failedAttempt: ['failed attempt', 'doubtful'],
  failed: ['failed for good', 'bad'],
  interrupted: ['interrupted', 'doubtful'],
};

/** `exit 3`, `timeout`, `killed`; null for a success. */
export function endText({ exitCode, reason }: Pick<Task, 'exitCode' | 'reason'>): string | null {
  const words = [...(reason === null ? [] : [reason]), ...(exitCode === null || exitCode === 0 ? [] : [exitCode])];
  return words.length === 0 ? null : words.join(' ');
}

/** A task's life so far, oldest first; the last stretch is what it does now. */
export function historyOf(facts: TaskFacts): readonly TaskPhase[] {
  const { attempts, open } = facts;
  const decisions = facts.entries.filter((entry) => isAbout(entry, facts)).map(decisionOf);
  const ran = attempts.flatMap((attempt, at) => [
    ...waitBefore(attempt, attempts[at - 1], facts.readyAt),
    phaseOf(attempt, open),
  ]);
  const past = withSuperseded(
    [...ran, ...decisions].sort((a, b) => Date.parse(a.from ?? '') - Date.parse(b.from ?? '')),
  );
  const now = waitNow(facts, past);
  return now === null ? past : [...past, now];
}

/** A failure for good that a retry, a skip or a later output has answered is past, and no alarm. */
function withSuperseded(phases: readonly TaskPhase[]): readonly TaskPhase[] {
  const last = phases.findLastIndex(({ state, word }) => state !== 'waiting' && word !== DECISIONS.kill);
  return phases.map((phase, at) => (phase.state === 'failed' && at < last ? { ...phase, tone: 'doubtful' } : phase));
}

function isAbout(entry: Entry & { readonly tasks?: unknown }, { step, task }: TaskFacts): boolean {
  if (!['retry', 'skip', 'unskip', 'kill'].includes(entry.what)) return false;
  return taskSetHas((entry.tasks as Readonly<Record<string, string>> | undefined)?.[step], task);
}

const DECISIONS: Readonly<Record<string, string>> = {
  retry: 'retry',
  skip: 'skipped',
  unskip: 'skip undone',
  kill: 'kill',
};

function decisionOf(entry: Entry & { readonly reason?: unknown }): TaskPhase {
  const { what, who, when, number, reason } = entry;
  return {
    key: `entry ${number}`,
    state: 'decision',
    tone: what === 'skip' ? 'doubtful' : 'open',
    attempt: null,
    word: DECISIONS[what] ?? what,
    from: when,
    to: null,
    text: typeof reason === 'string' && reason !== '' ? `by ${who}: ${reason}` : `by ${who}`,
  };
}

function phaseOf(attempt: Task, open: boolean): TaskPhase {
  const { state: outcome, startedAt, endedAt, error } = attempt;
  // An attempt without an end, of a job that has ended, vanished with its worker.
  const state = (outcome === 'running' && !open ? 'interrupted' : outcome) as TaskPhase['state'];
  const [word, tone] = WORDS[state] ?? [state, 'open'];
  const text = [endText(attempt), error].filter((part) => part !== null).join(': ');
  return {
    key: `${attempt.round} ${attempt.attempt}`,
    state,
    word,
    tone,
    from: startedAt,
    to: endedAt,
    attempt,
    text: text === '' ? null : text,
  };
}

/** Waits shorter than this many milliseconds are not worth a line. */
const SHORT_MS = 1_000;

function waitBefore(attempt: Task, before: Task | undefined, readyAt: string | null): readonly TaskPhase[] {
  const { startedAt, waitSeconds } = attempt;
  if (startedAt === null || attempt.attempt === 'none') return [];
  const start = Date.parse(startedAt);
  const same = before !== undefined && before.round === attempt.round;
  const ended = before?.endedAt ?? null;
  const waited = waitSeconds === null || waitSeconds === undefined ? null : start - waitSeconds * 1_000;
  const from = same ? (ended === null ? waited : Date.parse(ended)) : (waited ?? (before ? null : instantOf(readyAt)));
  if (from === null || start - from < SHORT_MS) return [];
  const text = !same ? 'for a slot' : before.state === 'interrupted' ? 'returned to the queue' : 'for its next attempt';
  return [waiting(new Date(from).toISOString(), startedAt, text)];
}

const instantOf = (text: string | null): number | null => (text === null ? null : Date.parse(text));

const waiting = (from: string | null, to: string | null, text: string): TaskPhase => ({
  key: `waiting ${from}`,
  state: 'waiting',
  tone: 'open',
  word: 'waiting',
  from,
  to,
  attempt: null,
  text,
});

/** The reason for waiting; null if it runs or is decided. */
function waitNow({ open, readyAt, waitsFor }: TaskFacts, past: readonly TaskPhase[]): TaskPhase | null {
  if (past.some(({ state }) => state === 'done')) return null;
  const last = past.findLast(({ word }) => word !== 'kill');
  if (last === undefined) {
    if (waitsFor !== null) return waiting(null, null, `for the output of ${waitsFor}`);
    return open ? waiting(readyAt, null, 'for a slot') : null;
  }
  if (!open || last.state === 'running' || last.state === 'failed' || last.word === 'skipped') return null;
  const since = last.to ?? last.from;
  if (last.state === 'interrupted') return waiting(since, null, 'returned to the queue');
  return waiting(since, null, last.state === 'failedAttempt' ? 'for its next attempt' : 'for a slot');
}
