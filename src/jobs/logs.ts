import type { Readable } from 'node:stream';
import { logPrefix, taskNumber } from '../model/keys.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { failedTasks } from './failures.ts';
import { refusePruned } from './pruned.ts';
import type { TaskName } from './task-name.ts';

/** What one attempt wrote to stderr. */
export interface AttemptLog {
  readonly step: string;
  readonly task: number;
  readonly attempt: string;
  readonly bytes: number;
  /** The log itself, which the caller must consume. Null if it was removed meanwhile. */
  open(): Promise<Readable | null>;
}

export interface LogsFilter {
  /** One task's logs alone. */
  readonly task: TaskName | undefined;
  /** Only of tasks that failed for good. */
  readonly failed: boolean;
}

/** The logs of a job's attempts, by step and task. Attempts that wrote nothing have none. */
export async function* listLogs(platform: Platform, view: JobView, filter: LogsFilter): AsyncGenerator<AttemptLog> {
  refusePruned(view, 'its logs');
  const { job, spec } = view.record;
  for (const [step, { name }] of spec.steps.entries()) {
    if (filter.task !== undefined && filter.task.step !== step) continue;
    const failed = filter.failed ? await failedTasks(platform.store, view, step) : null;
    const one = filter.task === undefined ? '' : `${taskNumber(filter.task.task)}.`;
    for await (const { key, size } of platform.store.list(`${logPrefix(job, name)}${one}`)) {
      const match = /\/log\/(\d{9})\.([^/]+)$/.exec(key);
      if (match?.[1] === undefined || match[2] === undefined) continue;
      const task = Number(match[1]);
      if (failed !== null && !failed.has(task)) continue;
      const open = async (): Promise<Readable | null> => (await platform.store.get(key))?.body ?? null;
      yield { step: name, task, attempt: match[2], bytes: size, open };
    }
  }
}
