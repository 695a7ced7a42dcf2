import type { Standing } from '../../model/decide.ts';
import { stepIndex } from '../../model/job.ts';
import { parseMessage } from '../../model/message.ts';
import { type JobView, roundOf } from '../../model/view.ts';
import type { DeadSeen, GroupSeen } from '../../model/why/snapshot.ts';
import type { Platform } from '../../ports/platform.ts';

/** So many letters a group are read, and so many of the job's are told. */
const READ = 5_000;
const TOLD = 20;

/** Dead letters of tasks that are undecided: nobody runs these. A task that failed for good has one too, rightly. */
export async function deadLettersOf(
  platform: Platform,
  view: JobView,
  standing: Standing,
  groups: readonly GroupSeen[],
): Promise<readonly DeadSeen[]> {
  const found = new Map<string, DeadSeen>();
  for (const { group, backlog, missing } of groups) {
    // A task whose message is dead has no other: it is missing.
    if ((backlog?.dead ?? 0) === 0 || missing === 0) continue;
    for await (const { body, reason } of (await platform.queue(group)).dead({ limit: READ })) {
      const parsed = parseMessage(body);
      if (parsed.kind !== 'task' || parsed.message.job !== view.record.job) continue;
      const { step, task, round } = parsed.message;
      const index = stepIndex(view.record.spec, step);
      const undecided = standing.steps[index]?.undecided.has(task) ?? false;
      if (!undecided || roundOf(view, index, task) !== round) continue;
      found.set(`${step}/${task}`, { group, step, task, reason });
      if (found.size === TOLD) return [...found.values()];
    }
  }
  return [...found.values()];
}
