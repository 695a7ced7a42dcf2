import { BatchctlError } from '../../errors.ts';
import { type CauseOf, causeId, causeText } from '../../model/cause.ts';
import { foldError } from '../../model/fold-error.ts';
import { TaskRanges } from '../../model/task-ranges.ts';
import { isSkipped, type JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { refusePruned } from '../pruned.ts';
import { failedTasks } from './failed-tasks.ts';
import { failuresOf, type TaskFailure } from './failures.ts';

/** Failures for good that share step, exit code, reason and folded last error line. */
export interface Cause {
  /** Six characters, the same in each job (`model/cause.ts`). */
  readonly id: string;
  readonly step: string;
  readonly exitCode: number | null;
  readonly reason: string;
  /** The folded error line. */
  readonly error: string | null;
  /** Tasks that count: not those that a person skipped. */
  readonly tasks: TaskRanges;
  /** Tasks that failed so and that a person decided to go without. */
  readonly skipped: TaskRanges;
  /** When the first and the last of them failed, milliseconds since the epoch; null when unknown. */
  readonly first: number | null;
  readonly last: number | null;
  /** On how many workers; counted up to 1,000. */
  readonly workers: number;
  /** How many of the tasks that count used up their attempts on at least two workers, of those that were looked up. */
  readonly badInput: number;
  /** The lowest task, those that count first. */
  readonly example: { readonly task: number; readonly error: string | null; readonly worker: string | null };
}

/** So many causes a step are told apart: when each task says something else, that many say enough. */
const MOST = 1_000;
const OTHERS = 'many different errors';
const WORKERS = 1_000;

/**
 * The causes of a job's failures as the job stands, the most frequent first. Memory is that of the causes and of
 * their runs of tasks, never an object a task. A `failed/` that can't be read
 * has a cause of its own, which names it. Of so many failures as `lookUp` says it is looked up whether they are bad
 * input: a small read each. Throws `newer` for one of a later version.
 */
export async function causesOf(
  platform: Platform,
  view: JobView,
  onProgress: (failures: number) => void = () => undefined,
  lookUp = 0,
): Promise<readonly Cause[]> {
  refusePruned(view, 'its failures');
  const all: Gathering[] = [];
  let [seen, looked] = [0, 0];
  const one = (): boolean => {
    looked += 1;
    return looked <= lookUp;
  };
  for (const [step, { name }] of view.record.spec.steps.entries()) {
    const causes = new Map<string, Gathering>();
    const tasks = await failedTasks(platform.store, view, step);
    for await (const failure of failuresOf(platform, view, step, tasks, one)) {
      addTo(causeIn(causes, name, failure), failure, isSkipped(view, step, failure.task));
      seen += 1;
      onProgress(seen);
    }
    all.push(...causes.values());
  }
  const count = ({ tasks }: Gathering): number => tasks.count;
  return all
    .sort((a, b) => count(b) - count(a))
    .map(({ of, seenOn, example, ...cause }) => ({
      ...{ id: causeId(of), ...of, ...cause, workers: seenOn.size },
      example: example ?? { task: 0, error: null, worker: null },
    }));
}

/**
 * The cause that an id, or a unique beginning of one, names; a list, as two causes may share an id. Throws `notFound`,
 * naming the causes there are, and `usage` for a beginning that fits several.
 */
export function matching(causes: readonly Cause[], id: string, job: string): readonly Cause[] {
  const wanted = id.toLowerCase();
  const found = wanted === '' ? [] : causes.filter((cause) => cause.id.startsWith(wanted));
  const ids = [...new Set(found.map((cause) => cause.id))];
  if (ids.length === 1) return found;
  const named = (some: readonly string[]): string => `${some.slice(0, 8).join(', ')}${some.length > 8 ? ', ...' : ''}`;
  if (ids.length > 1) {
    throw new BatchctlError('usage', `expected one cause, found several that begin with ${id}: ${named(ids)}`, {
      hint: 'write more of its id',
    });
  }
  const known = [...new Set(causes.map((cause) => cause.id))];
  const there = known.length === 0 ? 'nothing failed for good' : `it has ${named(known)}`;
  throw new BatchctlError('notFound', `job ${job} has no cause ${id}: ${there}`, { hint: `batchctl failures ${job}` });
}

interface Gathering {
  readonly of: CauseOf;
  readonly tasks: TaskRanges;
  readonly skipped: TaskRanges;
  readonly seenOn: Set<string>;
  badInput: number;
  first: number | null;
  last: number | null;
  example: Cause['example'] | null;
}

function causeIn(causes: Map<string, Gathering>, step: string, { reason, exitCode, error }: TaskFailure): Gathering {
  const own: CauseOf = { step, exitCode, reason, error: error === null ? null : foldError(error) };
  const known = causes.get(causeText(own));
  if (known !== undefined) return known;
  const of = causes.size < MOST ? own : { ...own, error: OTHERS };
  const text = causeText(of);
  const made = causes.get(text) ?? {
    of,
    tasks: new TaskRanges(),
    skipped: new TaskRanges(),
    seenOn: new Set<string>(),
    ...{ badInput: 0, first: null, last: null, example: null },
  };
  causes.set(text, made);
  return made;
}

function addTo(cause: Gathering, failure: TaskFailure, skipped: boolean): void {
  const { task, error, worker, endedAt, badInput } = failure;
  if (badInput === true && !skipped) cause.badInput += 1;
  // The lowest that counts; while there is none, the lowest of all.
  if (cause.example === null || (!skipped && cause.tasks.count === 0)) cause.example = { task, error, worker };
  (skipped ? cause.skipped : cause.tasks).add(task);
  if (worker !== null && cause.seenOn.size < WORKERS) cause.seenOn.add(worker);
  if (endedAt === null) return;
  cause.first = Math.min(cause.first ?? endedAt, endedAt);
  cause.last = Math.max(cause.last ?? endedAt, endedAt);
}
