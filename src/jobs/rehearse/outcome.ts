import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { hasCode } from '../../errors.ts';
import { FAULT_KINDS, type FaultKind } from '../../model/faults.ts';
import { stepIndex } from '../../model/job.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import type { TaskName } from '../task-name.ts';

/** How often each fault happened. */
export type FaultCounts = Readonly<Record<FaultKind, number>>;

/** Counts the faults that a rehearsal's workers noted in their file; none when there is no file. */
export async function countFaults(file: string): Promise<FaultCounts> {
  const counts = { kill: 0, duplicate: 0, fail: 0, 'slow-disk': 0 };
  try {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      const kind = FAULT_KINDS.find((known) => known === line);
      if (kind !== undefined) counts[kind] += 1;
    }
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
  return counts;
}

/** Of a closed job's tasks that failed for good: those that only faults failed, and how many failed by themselves. */
export async function failedByFaults(
  platform: Platform,
  { record: { job, spec } }: JobView,
): Promise<{ readonly injected: readonly TaskName[]; readonly others: number }> {
  const ledger = await platform.ledger();
  const injected: TaskName[] = [];
  let others = 0;
  for (let after: { step: string; task: number } | undefined; ; ) {
    const page = await ledger.tasks(job, { states: ['failed'], limit: PAGE, ...(after && { after }) });
    for (const { step, task } of page) {
      const attempts = await ledger.attempts(job, step, task);
      const failed = attempts.filter(({ outcome }) => outcome === 'failed' || outcome === 'failedAttempt');
      if (failed.every(({ reason }) => reason === INJECTED))
        injected.push({ step: stepIndex(spec, step), name: step, task });
      else others += 1;
    }
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return { injected, others };
    after = { step: last.step, task: last.task };
  }
}

const PAGE = 500;
/** The reason that injected failures carry. */
const INJECTED = 'rehearsal';

/** Empties the queue of a rehearsal's own group, dead letters too, and removes its file of faults. */
export async function clearGroup(platform: Platform, group: string, tally: string): Promise<void> {
  const queue = await platform.queue(group);
  await queue.redrive({});
  await queue.purge({});
  await rm(tally, { force: true });
}
