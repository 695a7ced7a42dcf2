import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { skip as skipTasks } from '../jobs/change/skip.ts';
import { onlyStep, parseTaskName } from '../jobs/tasks.ts';
import type { SkippedAnswer } from '../model/answers/skip.ts';
import { groupsOf, isClosed } from '../model/job.ts';
import { stateOf } from '../model/view.ts';
import { changedJob, jobMeant } from './job.ts';
import type { RaiseEvent } from './raise.ts';
import { field, flag, text, verb } from './verb.ts';

/** Skips tasks, or undoes a skip. Throws `notFound`, `refused`, `usage`. */
export const skip = verb<RaiseEvent>()({
  name: 'skip',
  scope: 'operate',
  changes: true,
  http: { method: 'POST', path: '/jobs/{job}/skips' },
  input: v.strictObject({
    job: changedJob,
    task: v.optional(field('--task <task>', 'this task: <step>/<n>', v.array(text)), []),
    cause: v.optional(
      field(
        '--cause <cause>',
        'the tasks that failed for this cause: an id from `failures`, or its beginning',
        v.array(text),
      ),
      [],
    ),
    step: v.optional(
      field('--step <step>', 'the tasks of this step that failed for good; with --undo, those that are skipped', text),
    ),
    reason: v.optional(field('--reason <text>', 'the reason, which the proof records with who and when', text)),
    undo: v.optional(field('--undo', 'undo the skip, unless a gather has opened without the tasks', flag), false),
  }),
  answer: async () => (await import('../model/answers/skip.ts')).SKIPPED,
  async run(context, { job, task, cause, step, undo, ...given }): Promise<SkippedAnswer> {
    const reason = reasonOf(given.reason, undo);
    if (task.length === 0 && cause.length === 0 && step === undefined) {
      throw new BatchctlError('usage', 'expected --task STEP/N, --cause ID or --step STEP', {
        hint: `batchctl failures ${job}`,
      });
    }
    const platform = await context.platform();
    const found = await jobMeant(context, job);
    const { view, choice, changed, sent } = await skipTasks(platform, found, {
      tasks: task.map((name) => parseTaskName(found, name)),
      causes: cause,
      only: onlyStep(found, { task, step }),
      reason: reason ?? '',
      undo,
      dryRun: context.dryRun,
    });
    const state = stateOf(view);
    if (changed && view.paused === null && !isClosed(state)) {
      const remote = platform.remote === true;
      context.report({ event: 'byHand', job: view.record.job, groups: groupsOf(view.record.spec), remote });
    }
    const { tasks, count, already } = choice;
    return { job: view.record.job, state, changed, undo, tasks, count, already, reason, sent };
  },
});

const LONGEST_REASON = 1_000;

function reasonOf(reason: string | undefined, undo: boolean): string | null {
  if (undo) {
    if (reason === undefined) return null;
    throw new BatchctlError('usage', '--undo and --reason are mutually exclusive');
  }
  const text = reason?.trim() ?? '';
  if (text === '') {
    throw new BatchctlError('usage', 'expected --reason TEXT, which the proof records', {
      hint: '--reason "claim withdrawn, ticket 4711"',
    });
  }
  if (text.length <= LONGEST_REASON) return text;
  throw new BatchctlError('usage', `--reason: expected at most ${LONGEST_REASON} characters, found ${text.length}`);
}
