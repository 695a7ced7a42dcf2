import type { TimelineRow } from '../../src/model/answers/report.ts';

export interface Attempt {
  readonly task: string;
  readonly worker: number;
  readonly slot: number;
  readonly start: number;
  readonly end: number;
  readonly outcome: TimelineRow['bars'][number]['outcome'];
}

/** Numbers that look random and are the same each time. */
export function randomOf(seed: number): { next: () => number; normal: () => number } {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(next() + 1e-9)) * Math.cos(2 * Math.PI * next());
  return { next, normal };
}

export interface Simulation {
  readonly tasks: number;
  readonly workers: number;
  readonly slots: number;
  /** Seconds. */
  readonly median: number;
  /** Whether tasks fail and are tried again, one takes very long, and a worker is interrupted. */
  readonly troubles: boolean;
}

/** Slots that take tasks in turn, each as soon as it is free. */
export function simulate({ tasks, workers, slots, median, troubles }: Simulation): {
  readonly attempts: readonly Attempt[];
  readonly rows: readonly TimelineRow[];
  readonly end: number;
} {
  const random = randomOf(42);
  const free = Array.from({ length: workers * slots }, (_, i) => 0.4 + i * 0.02);
  const attempts: Attempt[] = [];
  const queue = Array.from({ length: tasks }, (_, task) => ({ task, tries: 0 }));
  let interrupted = false;
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { task, tries } = next;
    const slot = free.indexOf(Math.min(...free));
    const start = free[slot] ?? 0;
    const straggler = troubles && task === Math.floor(tasks * 0.96);
    let seconds = median * Math.exp(random.normal() * 0.45) * (straggler ? 22 : 1);
    // One worker's machine is taken away in the middle, and comes back a while later.
    if (
      troubles &&
      !interrupted &&
      Math.floor(slot / slots) === 1 &&
      start > (tasks * median) / (workers * slots) / 2
    ) {
      interrupted = true;
      for (let own = slots; own < 2 * slots; own += 1) free[own] = start + median * 12;
      attempts.push({ ...label(task, slot, slots), start, end: start + seconds * 0.4, outcome: 'interrupted' });
      queue.unshift({ task, tries });
      continue;
    }
    const bad = troubles && task % 93 === 17 && task < 93 * 21;
    const flaky = troubles && task % 61 === 5 && tries === 0;
    if (bad || flaky) seconds *= 0.6;
    const outcome = bad ? (tries === 2 ? 'failed' : 'failedAttempt') : flaky ? 'failedAttempt' : 'done';
    attempts.push({ ...label(task, slot, slots), start, end: start + seconds, outcome });
    free[slot] = start + seconds + 0.02;
    if (outcome === 'failedAttempt') queue.splice(60, 0, { task, tries: tries + 1 });
  }
  const end = Math.max(...attempts.map((one) => one.end));
  return { attempts, end, rows: free.map((_, slot) => rowOf(attempts, slot, slots, end)) };
}

function label(task: number, slot: number, slots: number): Pick<Attempt, 'task' | 'worker' | 'slot'> {
  return { task: `price/${task}`, worker: Math.floor(slot / slots), slot: slot % slots };
}

/** As the report has them: bars while there are few, else the busy share of 240 bins. */
function rowOf(attempts: readonly Attempt[], index: number, slots: number, end: number): TimelineRow {
  const own = attempts.filter((one) => one.worker * slots + one.slot === index);
  const busy = own.reduce((sum, one) => sum + one.end - one.start, 0) / end;
  const worker = `ops-1-w${Math.floor(index / slots)}`;
  const shares = Array.from({ length: 240 }, (_, i) => {
    const [from, to] = [(i * end) / 240, ((i + 1) * end) / 240];
    const inside = own.reduce((sum, one) => sum + Math.max(0, Math.min(one.end, to) - Math.max(one.start, from)), 0);
    return Math.min(1, inside / (to - from));
  });
  const few = own.length <= 200;
  return {
    ...{ label: `${worker} slot ${index % slots}`, worker, slots: 1, busy },
    bars: few ? own.map(({ start, end: till, task, outcome }) => ({ start, end: till, task, outcome, ...FIRST })) : [],
    shares: few ? null : shares,
  };
}

/** What all attempts have in common. */
const FIRST = { attempt: 1, reason: null, exitCode: null } as const;
