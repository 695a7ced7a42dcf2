import { isKind } from '../../errors.ts';
import type { RedriveAnswer } from '../../model/answers/grid.ts';
import { stepIndex } from '../../model/job.ts';
import { isClosed, stateText } from '../../model/job-state.ts';
import { jobOfMessage, parseMessage, type TaskMessage } from '../../model/message.ts';
import type { TaskBits } from '../../model/task-set.ts';
import { isSkipped, type JobView, roundOf, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import type { TaskQueue } from '../../ports/task-queue.ts';
import { readView } from '../journal.ts';
import { listFailed, listPublished, stepTotals } from '../listing.ts';
import type { TaskName } from '../tasks.ts';
import { retry } from './retry.ts';

export interface RedriveOptions {
  readonly group: string;
  /** Only dead letters of this job, also if it is closed or has a deadline. */
  readonly job: string | null;
  /** Only dead letters of this task. */
  readonly task: TaskName | null;
  /** At most this many are sent back. */
  readonly limit: number;
}

/** Dead letters that were chosen, and what sending them back does. */
export interface PlannedRedrive {
  readonly planned: RedriveAnswer;
  /** Sends exactly these back. */
  send(): Promise<RedriveAnswer>;
}

interface FailedTasks {
  readonly view: JobView;
  readonly tasks: Map<string, TaskName>;
  readonly bodies: string[];
}

/**
 * Chooses the dead letters to send back, unchanged; `sent` includes those of retried tasks, which a worker acks without
 * running. If a task failed for good in the round that requests it, its letter would only be buried again. So its task is
 * retried first, and the letter, now of an older round, is sent back to be acked. After a kill between the two, the letter
 * stays and is sent back the next time. Letters are read once: on some services that hides them for a while.
 */
export async function planRedrive(platform: Platform, options: RedriveOptions): Promise<PlannedRedrive> {
  const { group, limit } = options;
  const queue = await platform.queue(group);
  const { back, failed, left } = await selectLetters(platform, queue, options);
  const retryAll = async (dryRun: boolean): Promise<RedriveAnswer> => {
    const bodies = [...back];
    const retried: { job: string; round: number | null; tasks: readonly string[] }[] = [];
    const stay = left.map((letters) => ({ ...letters, tasks: inOrder(letters.tasks) }));
    for (const [job, { view, tasks, bodies: its }] of failed) {
      const names = inOrder(tasks.keys());
      try {
        const asked = { tasks: [...tasks.values()], canaries: null, overrides: {}, dryRun };
        retried.push({ job, round: (await retry(platform, view, asked)).round, tasks: names });
        bodies.push(...its);
      } catch (error) {
        if (!isKind(error, 'refused')) throw error;
        stay.push({ job, tasks: names, why: error.message, ifNamed: false });
      }
    }
    const wanted = new Set(bodies);
    const match = (body: string): boolean => wanted.has(body);
    const sent = dryRun || bodies.length === 0 ? bodies.length : await queue.redrive({ match, limit });
    return { group, sent, jobs: countByJob(bodies), retried, left: stay, dryRun };
  };
  return { planned: await retryAll(true), send: () => retryAll(false) };
}

/** Names of tasks in the order of steps' names and numbers: queues deliver letters in any order. */
const inOrder = (tasks: Iterable<string>): string[] =>
  [...tasks].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));

function countByJob(bodies: readonly string[]): { job: string | null; letters: number }[] {
  const counts = new Map<string | null, number>();
  for (const body of bodies) {
    const job = jobOfMessage(body);
    counts.set(job, (counts.get(job) ?? 0) + 1);
  }
  return [...counts].map(([job, letters]) => ({ job, letters }));
}

/** Why a letter stays. `ifNamed`: unless a person names its job, as the answer says. */
type StayReason = Pick<RedriveAnswer['left'][number], 'why' | 'ifNamed'>;

/**
 * Why a letter stays unless its job or task is named; null: it is sent back. A person who sends everything back wants the
 * work that is under way to go on, not jobs that have ended, or have a deadline that more work may break.
 */
function stayReason({ view, message, index }: FoundTask): StayReason | null {
  if (message.round < roundOf(view, index, message.task))
    return { why: 'a later round has replaced it', ifNamed: false };
  const state = stateOf(view);
  if (isClosed(state)) return { why: stateText(state), ifNamed: true };
  return view.finishBy === null ? null : { why: 'the job has a deadline', ifNamed: true };
}

interface LeftLetters extends StayReason {
  readonly job: string;
  readonly tasks: Set<string>;
}

interface SelectedLetters {
  readonly back: readonly string[];
  readonly failed: ReadonlyMap<string, FailedTasks>;
  readonly left: readonly LeftLetters[];
}

async function selectLetters(platform: Platform, queue: TaskQueue, options: RedriveOptions): Promise<SelectedLetters> {
  const jobs = new LetterJobs(platform);
  const back: string[] = [];
  const failed = new Map<string, FailedTasks>();
  const left = new Map<string, LeftLetters>();
  let found = 0;
  for await (const { body } of queue.dead()) {
    const message = taskOf(body);
    if (!isWanted(message, options)) continue;
    const task = message === null ? null : await jobs.find(message);
    const reason = reasonToStay(task, options);
    if (task !== null && reason !== null) {
      const { job, step, task: n } = task.message;
      const known = left.get(`${job} ${reason.why}`) ?? { job, tasks: new Set<string>(), ...reason };
      known.tasks.add(`${step}/${n}`);
      left.set(`${job} ${reason.why}`, known);
      continue;
    }
    if (task === null || 'unreadable' in task || !(await jobs.hasFailed(task))) back.push(body);
    else {
      const { job, step, task: n } = task.message;
      const first: FailedTasks = { view: task.view, tasks: new Map(), bodies: [] };
      const known = failed.get(job) ?? first;
      known.tasks.set(`${step}/${n}`, { step: task.index, name: step, task: n });
      known.bodies.push(body);
      failed.set(job, known);
    }
    found += 1;
    if (found >= options.limit) break;
  }
  return { back, failed, left: [...left.values()] };
}

function isWanted(message: TaskMessage | null, { job, task }: RedriveOptions): boolean {
  if (job !== null && message?.job !== job) return false;
  return task === null || (message?.step === task.name && message.task === task.task);
}

function taskOf(body: string): TaskMessage | null {
  const parsed = parseMessage(body);
  return parsed.kind === 'task' ? parsed.message : null;
}

/** A letter of a job that can't be read, with the reason. */
interface UnreadableTask {
  readonly unreadable: string;
  readonly message: TaskMessage;
}

function reasonToStay(task: FoundTask | UnreadableTask | null, { job }: RedriveOptions): StayReason | null {
  if (task === null) return null;
  if ('unreadable' in task) return { why: task.unreadable, ifNamed: false };
  return job === null ? stayReason(task) : null;
}

/** A letter's task in a job that exists. */
interface FoundTask {
  readonly view: JobView;
  readonly index: number;
  readonly message: TaskMessage;
}

/** The jobs of dead letters: reads each job, and lists each step, once. */
class LetterJobs {
  readonly #platform: Platform;
  readonly #views = new Map<string, JobView | string | null>();
  readonly #steps = new Map<string, TaskBits>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Null if there is no such job or step. */
  async find(message: TaskMessage): Promise<FoundTask | UnreadableTask | null> {
    const { job, step } = message;
    const known = this.#views.get(job);
    const view = known === undefined ? await this.#read(job) : known;
    this.#views.set(job, view);
    if (typeof view === 'string') return { unreadable: view, message };
    const index = view === null ? -1 : stepIndex(view.record.spec, step);
    return view === null || index < 0 ? null : { view, index, message };
  }

  /** Why it can't be read, for a job that another version made or that is damaged. */
  async #read(job: string): Promise<JobView | string | null> {
    try {
      return await readView(this.#platform.store, job);
    } catch (error) {
      if (!isKind(error, 'newer', 'corrupt')) throw error;
      return `the job can't be read: ${error.message}`;
    }
  }

  /** Whether the task failed for good in the message's round, and was not skipped. */
  async hasFailed({ view, index, message: { task, round } }: FoundTask): Promise<boolean> {
    if (isSkipped(view, index, task) || roundOf(view, index, task) !== round) return false;
    return (await this.#failedOf(view, index)).has(task);
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
