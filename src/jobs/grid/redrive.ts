import { isKind } from '../../errors.ts';
import type { RedriveAnswer } from '../../model/answers/grid.ts';
import { parseMessage, type TaskMessage } from '../../model/message.ts';
import type { TaskBits } from '../../model/task-set.ts';
import { isSkipped, type JobView, roundOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import type { TaskQueue } from '../../ports/task-queue.ts';
import { retry } from '../change/retry.ts';
import { readView } from '../journal.ts';
import { listFailed, listPublished, stepTotals } from '../listing.ts';
import type { TaskName } from '../tasks.ts';

export interface RedriveOptions {
  readonly group: string;
  /** Only dead letters of this job. */
  readonly job: string | null;
  /** Only dead letters of this task. */
  readonly task: TaskName | null;
  /** At most this many are sent back. */
  readonly limit: number;
  /** Count the dead letters; send none. */
  readonly dryRun: boolean;
}

interface FailedTasks {
  readonly view: JobView;
  readonly tasks: Map<string, TaskName>;
  readonly bodies: string[];
}

/**
 * Sends dead letters back unchanged; `sent` includes those of retried tasks, which a worker acks without running. If a
 * task failed for good in the round that requests it, its letter would only be buried again. So its task is retried
 * first, and the letter, now of an older round, is sent back to be acked. After a kill between the two, the letter
 * stays and is sent back the next time.
 */
export async function redriveGroup(platform: Platform, options: RedriveOptions): Promise<RedriveAnswer> {
  const { group, limit, dryRun } = options;
  const queue = await platform.queue(group);
  const { back, failed } = await selectLetters(platform, queue, options);
  const retried: { job: string; round: number | null; tasks: readonly string[] }[] = [];
  const left: { job: string; tasks: readonly string[]; why: string }[] = [];
  for (const [job, { view, tasks, bodies }] of failed) {
    const names = [...tasks.keys()];
    try {
      const asked = { tasks: [...tasks.values()], canaries: null, overrides: {}, dryRun };
      retried.push({ job, round: (await retry(platform, view, asked)).round, tasks: names });
      back.push(...bodies);
    } catch (error) {
      if (!isKind(error, 'refused')) throw error;
      left.push({ job, tasks: names, why: error.message });
    }
  }
  const wanted = new Set(back);
  const match = (body: string): boolean => wanted.has(body);
  const sent = dryRun || back.length === 0 ? back.length : await queue.redrive({ match, limit });
  return { group, sent, retried, left, dryRun };
}

async function selectLetters(
  platform: Platform,
  queue: TaskQueue,
  options: RedriveOptions,
): Promise<{ readonly back: string[]; readonly failed: ReadonlyMap<string, FailedTasks> }> {
  const failures = new FailedTaskFinder(platform);
  const back: string[] = [];
  const failed = new Map<string, FailedTasks>();
  let found = 0;
  for await (const { body } of queue.dead()) {
    const message = taskOf(body);
    if (!isWanted(message, options)) continue;
    const failure = message === null ? null : await failures.of(message);
    if (message === null || failure === null) back.push(body);
    else {
      const first: FailedTasks = { view: failure.view, tasks: new Map(), bodies: [] };
      const known = failed.get(message.job) ?? first;
      known.tasks.set(`${message.step}/${message.task}`, failure.name);
      known.bodies.push(body);
      failed.set(message.job, known);
    }
    found += 1;
    if (found >= options.limit) break;
  }
  return { back, failed };
}

function isWanted(message: TaskMessage | null, { job, task }: RedriveOptions): boolean {
  if (job !== null && message?.job !== job) return false;
  return task === null || (message?.step === task.name && message.task === task.task);
}

function taskOf(body: string): TaskMessage | null {
  const parsed = parseMessage(body);
  return parsed.kind === 'task' ? parsed.message : null;
}

/** Finds which tasks failed for good; reads each job, and lists each step, once. */
class FailedTaskFinder {
  readonly #platform: Platform;
  readonly #views = new Map<string, JobView | null>();
  readonly #steps = new Map<string, TaskBits>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** The task, if it failed for good in the message's round and was not skipped; otherwise null. */
  async of({
    job,
    step,
    task,
    round,
  }: TaskMessage): Promise<{ readonly view: JobView; readonly name: TaskName } | null> {
    const known = this.#views.get(job);
    const view = known === undefined ? await readView(this.#platform.store, job) : known;
    this.#views.set(job, view);
    const index = view?.record.spec.steps.findIndex(({ name }) => name === step) ?? -1;
    if (view === null || index < 0) return null;
    const failed = await this.#failedOf(view, index);
    return failed.has(task) && !isSkipped(view, index, task) && roundOf(view, index, task) === round
      ? { view, name: { step: index, name: step, task } }
      : null;
  }

  async #failedOf(view: JobView, index: number): Promise<TaskBits> {
    const { store } = this.#platform;
    const { job, spec } = view.record;
    const name = spec.steps[index]?.name ?? '';
    const key = `${job}/${name}`;
    const size = stepTotals(view)[index] ?? 0;
    const failed =
      this.#steps.get(key) ?? (await listFailed(store, view, index, await listPublished(store, job, name, size)));
    this.#steps.set(key, failed);
    return failed;
  }
}
