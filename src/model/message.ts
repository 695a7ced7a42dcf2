import { isCount } from '../lib/json.ts';

/** The content of a queue message: names, never commands (law 10). */
export interface TaskMessage {
  readonly job: string;
  readonly step: string;
  readonly task: number;
  readonly round: number;
  /** Where the part's line is in its shard, for one ranged read; the line names its task. */
  readonly at?: { readonly offset: number; readonly length: number };
  /** Not the task's first message: it may be decided by now. Absent on those that a sender takes for the first. */
  readonly again?: true;
}

export type ParsedMessage =
  | { readonly kind: 'task'; readonly message: TaskMessage }
  /** A format that this version doesn't know: released, never buried (law 14). */
  | { readonly kind: 'newer'; readonly format: number; readonly job: string | null }
  | { readonly kind: 'bad'; readonly reason: string };

export function encodeMessage(message: TaskMessage): string {
  return JSON.stringify({ format: 1, ...message });
}

/** A task's name, `job/step/n`. */
export const taskName = ({ job, step, task }: Pick<TaskMessage, 'job' | 'step' | 'task'>): string =>
  `${job}/${step}/${task}`;

/** Parses a message's body; ignores unknown fields, never throws. */
export function parseMessage(body: string): ParsedMessage {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { kind: 'bad', reason: 'not JSON' };
  }
  if (typeof value !== 'object' || value === null) return { kind: 'bad', reason: 'not an object' };
  const fields = value as Record<string, unknown>;
  const { format, job, step, task, round, at, again } = fields;
  if (typeof format !== 'number') return { kind: 'bad', reason: 'no format' };
  if (format > 1) return { kind: 'newer', format, job: typeof job === 'string' ? job : null };
  if (typeof job !== 'string' || !/^[a-z][a-z0-9-]{0,79}$/.test(job)) return { kind: 'bad', reason: 'no job' };
  if (typeof step !== 'string') return { kind: 'bad', reason: 'no step' };
  if (!isCount(task)) return { kind: 'bad', reason: 'no task' };
  if (!isCount(round)) return { kind: 'bad', reason: 'no round' };
  const hint = parseHint(at);
  const message = {
    job,
    step,
    task,
    round,
    ...(hint !== null && { at: hint }),
    ...(again === true && { again: true as const }),
  };
  return { kind: 'task', message };
}

function parseHint(at: unknown): { offset: number; length: number } | null {
  if (typeof at !== 'object' || at === null) return null;
  const { offset, length } = at as Record<string, unknown>;
  return isCount(offset) && isCount(length) ? { offset, length } : null;
}

/** The job that a message names; null if it can't be read. */
export function jobOfMessage(body: string): string | null {
  const parsed = parseMessage(body);
  if (parsed.kind === 'task') return parsed.message.job;
  return parsed.kind === 'newer' ? parsed.job : null;
}
