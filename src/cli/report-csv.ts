import { logKey } from '../model/keys.ts';
import type { AttemptEvent } from '../ports/ledger.ts';

const COLUMNS = [
  ...['job', 'step', 'task', 'round', 'number', 'attempt', 'outcome', 'worker', 'slot', 'startedAt', 'endedAt'],
  ...[
    'seconds',
    'waitSeconds',
    'exitCode',
    'reason',
    'error',
    'cpuSeconds',
    'peakMemory',
    'bytesIn',
    'bytesOut',
    'log',
  ],
] as const;

/** The header line (RFC 4180): the fields of an attempt, then one column per counter. */
export function csvHeader(counters: readonly string[]): string {
  return line([...COLUMNS, ...counters.map((name) => `counter:${name}`)]);
}

/** One attempt as a line. Unknown is empty. */
export function csvLine(attempt: AttemptEvent, counters: readonly string[]): string {
  const { job, step, task, startedAt, endedAt } = attempt;
  return line([
    ...[job, step, task, attempt.round, attempt.number, attempt.attempt, attempt.outcome, attempt.worker, attempt.slot],
    ...[iso(startedAt), endedAt === null ? null : iso(endedAt)],
    ...[endedAt === null ? null : (endedAt - startedAt) / 1_000, attempt.waitSeconds, attempt.exitCode],
    ...[attempt.reason, attempt.error === null ? null : harmless(attempt.error)],
    ...[attempt.cpuSeconds, attempt.peakMemory, attempt.bytesIn, attempt.bytesOut],
    logKey(job, step, task, attempt.attempt),
    ...counters.map((name) => attempt.counters[name] ?? null),
  ]);
}

function line(cells: readonly (string | number | null)[]): string {
  return `${cells.map((cell) => (typeof cell === 'string' ? quoted(cell) : (cell ?? ''))).join(',')}\r\n`;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A command's output must not become a formula in a spreadsheet. */
function harmless(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

const iso = (at: number): string => new Date(at).toISOString();
