import type { AttemptEvent } from '../../ports/ledger.ts';

const UNKNOWN = {
  endedAt: null,
  waitSeconds: null,
  exitCode: null,
  reason: null,
  error: null,
  cpuSeconds: null,
  peakMemory: null,
  bytesIn: null,
  bytesOut: null,
  counters: {},
} as const;

/** An attempt as one line of JSON without its job, which the object's key names, and without what is unknown. */
export function attemptLine(event: AttemptEvent): string {
  const { job, counters, ...facts } = event;
  const known = Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== null));
  return JSON.stringify(Object.keys(counters).length === 0 ? known : { ...known, counters });
}

export function attemptOfLine(job: string, line: string): AttemptEvent {
  return { job, ...UNKNOWN, ...(JSON.parse(line) as Omit<AttemptEvent, 'job' | keyof typeof UNKNOWN>) };
}

/** By step, task and id: the order of the lines of an object. */
export function byTask(a: AttemptEvent, b: AttemptEvent): number {
  if (a.step !== b.step) return a.step < b.step ? -1 : 1;
  if (a.task !== b.task) return a.task - b.task;
  return a.attempt < b.attempt ? -1 : a.attempt > b.attempt ? 1 : 0;
}
