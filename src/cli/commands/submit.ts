import type { SubmitAnswer } from '../../model/answers/changes.ts';
import type { Plan } from '../../model/answers/plan.ts';
import { isRaiseEvent, type RaiseEvent } from '../../verbs/raise.ts';
import type { SubmitEvent } from '../../verbs/submission.ts';
import { submit } from '../../verbs/submit.ts';
import type { CommandDefinition, RawInput } from '../command.ts';
import type { Context } from '../context.ts';
import { printRaiseEvent } from '../print-notices.ts';
import { print, printAnswer } from '../render.ts';
import { submitProgress } from '../submit-progress.ts';
import { type Presenter, verbCommand } from '../verb-command.ts';

export function submitCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, submit, {
    help: {
      about:
        'Splits the input into parts, sends a task for each, and raises the groups that run them once (those in auto mode). The same --run-key again yields the same job and sends nothing. With --quiet it prints only the id. An unattended start time or deadline requires a manager, batchctl tick from cron, or --watch.',
      examples: [
        'batchctl submit job.yaml',
        'batchctl submit job.yaml --run-key month-end-2026-11 --input claims.csv',
        'batchctl submit job.yaml --at "tomorrow 02:00"',
      ],
      exitCodes: {
        0: 'submitted, or it already existed',
        3: 'the job file is invalid',
        4: 'an input matches nothing',
        7: 'refused: other content under the key, a cost limit prevents it, or --at (on AWS also --finish-by, --max-cost) without a manager or tick',
      },
      related: ['run', 'plan', 'status', 'watch', 'schedule add', 'tick', 'scale', 'worker'],
    },
    options: { '-w, --watch': 'then watch it until it ends' },
    given: ({ watch }) => (watch === true ? { stays: true } : {}),
    show: (_, options) => submitPresenter(ctx, options),
  });
}

function submitPresenter(ctx: Context, options: RawInput): Presenter<SubmitAnswer | Plan, SubmitEvent | RaiseEvent> {
  const progress = submitProgress(ctx);
  // Printed after the answer, which people read first.
  const raised: RaiseEvent[] = [];
  const watches = options.watch === true;
  return {
    event: (event) => (isRaiseEvent(event) ? void raised.push(event) : progress.show(event)),
    async answer(submitted) {
      if ('parts' in submitted) {
        const { showPlan } = await import('./plan.ts');
        return showPlan(ctx, submitted, { jobFile: String(options.jobfile), again: options.again === true });
      }
      const { job, created, added } = submitted;
      if (!watches) {
        if (ctx.flags.quiet && !ctx.flags.json) await print(ctx, `${job}\n`);
        else
          await printAnswer(ctx, {
            json: submitted,
            text: `${job}${created ? '' : added > 0 ? ' (extended)' : ' (already existed)'}`,
          });
      }
      if (watches && !created && added === 0) return;
      for (const event of raised) await printRaiseEvent(ctx, event);
    },
    async next(submitted) {
      if (!watches || 'parts' in submitted) return null;
      const { watchCommand } = await import('./watch.ts');
      return { command: watchCommand(ctx), input: { job: submitted.job, scale: options.scale } };
    },
    close: progress.close,
  };
}
