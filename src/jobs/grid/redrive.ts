import type { TaskBits } from '../../model/bits.ts';
import { parseMessage, type TaskMessage } from '../../model/message.ts';
import { type JobView, roundOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { readView } from '../journal.ts';
import { listFailed, listPublished, stepTotals } from '../listing.ts';

export interface RedriveOptions {
  readonly group: string;
  /** Only letters of this job. */
  readonly job: string | null;
  /** Only letters of this task of it. */
  readonly task: { readonly step: string; readonly task: number } | null;
  /** At most so many go back. */
  readonly limit: number;
  /** Count them, and send none. */
  readonly dryRun: boolean;
}

export interface Redriven {
  readonly group: string;
  /** Letters that went back to the queue. */
  readonly sent: number;
  /** Tasks that failed for good, `step/n` by job: their letters stay until a `retry` asks for the tasks anew. */
  readonly failed: ReadonlyMap<string, readonly string[]>;
}

/**
 * Sends dead letters back. One whose task failed for good in the round that asks for it stays: a worker would only bury
 * it again, as it takes a `retry`, with a round of its own. After that it may go back, and is acked unrun.
 */
export async function redriveGroup(platform: Platform, options: RedriveOptions): Promise<Redriven> {
  const queue = await platform.queue(options.group);
  const failures = new Failures(platform);
  const failed = new Map<string, Set<string>>();
  const back = new Map<string, number>();
  let found = 0;
  for await (const { body } of queue.dead()) {
    const message = taskOf(body);
    if (!isWanted(message, options)) continue;
    if (message !== null && (await failures.has(message))) {
      const tasks = failed.get(message.job) ?? new Set();
      failed.set(message.job, tasks.add(`${message.step}/${message.task}`));
    } else {
      back.set(body, (back.get(body) ?? 0) + 1);
      found += 1;
      if (found >= options.limit) break;
    }
  }
  const { limit } = options;
  const match = (body: string): boolean => back.has(body);
  const sent = options.dryRun || found === 0 ? found : await queue.redrive({ match, limit });
  return { group: options.group, sent, failed: new Map([...failed].map(([job, tasks]) => [job, [...tasks]])) };
}

function isWanted(message: TaskMessage | null, { job, task }: RedriveOptions): boolean {
  if (job !== null && message?.job !== job) return false;
  return task === null || (message?.step === task.step && message.task === task.task);
}

function taskOf(body: string): TaskMessage | null {
  const parsed = parseMessage(body);
  return parsed.kind === 'task' ? parsed.message : null;
}

/** Which tasks failed for good: each job is read, and each step listed, once. */
class Failures {
  readonly #platform: Platform;
  readonly #views = new Map<string, JobView | null>();
  readonly #steps = new Map<string, TaskBits>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  async has({ job, step, task, round }: TaskMessage): Promise<boolean> {
    const known = this.#views.get(job);
    const view = known === undefined ? await readView(this.#platform.store, job) : known;
    this.#views.set(job, view);
    const index = view?.record.spec.steps.findIndex(({ name }) => name === step) ?? -1;
    if (view === null || index < 0) return false;
    const failed = await this.#failedOf(view, index);
    return task < failed.size && failed.has(task) && roundOf(view, index, task) === round;
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
