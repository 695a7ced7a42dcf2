import { resume as resumeJob, wouldMend } from '../../jobs/change/lifecycle.ts';
import { isAlready, mustBeLegal } from '../../model/legal.ts';
import type { Change } from '../../model/overrides.ts';
import { stateOf } from '../../model/view.ts';
import { JOB_TEXT, jobMeant, STATE_SCHEMA } from '../../verbs/job.ts';
import { CHANGES_SCHEMA, changesText } from '../changes-text.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { openMend } from '../open-job-file.ts';
import { raiseWork } from '../raise-work.ts';
import { answer } from '../render.ts';

export function resumeCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<job>': JOB_TEXT },
    options: {
      '--with <jobfile>': 'corrected job file, for every undecided task',
      '--no-scale': "don't change the size of groups",
    },
    writes: true,
    output: {
      type: 'object',
      required: ['job', 'state', 'changed', 'changes', 'sent'],
      properties: {
        job: { type: 'string' },
        state: STATE_SCHEMA,
        changed: { type: 'boolean' },
        changes: CHANGES_SCHEMA,
        sent: { type: 'integer', minimum: 0, description: 'messages' },
      },
    },
    help: {
      about:
        'Resumes a paused job, or completes an interrupted submission. Sends every undecided task at once; with --with they run as the corrected job file says.',
      examples: ['batchctl resume last', 'batchctl resume last --with job.yaml'],
      exitCodes: [
        [0, 'resumed'],
        [3, 'the corrected job file is invalid'],
        [4, 'no such job'],
        [7, "refused: the job is closed, the corrected file is another job's, or the cost limit is reached"],
      ],
      related: ['pause', 'retry', 'worker', 'status'],
    },
    run: (input) => resume({ ctx, ...input }),
  });
}

export interface ResumeOptions {
  readonly ctx: Context;
  readonly job: string;
  readonly with: string | undefined;
  readonly scale: boolean;
}

/** Resumes a job. Throws `notFound`, `refused`, `jobFile`. */
export async function resume({ ctx, job, with: file, scale }: ResumeOptions): Promise<void> {
  const mend = await openMend(ctx, file);
  await ctx.announce();
  const platform = await ctx.platform();
  const found = await jobMeant(ctx, job);
  const id = found.record.job;
  if (ctx.flags.dryRun) {
    const changes = mend === null ? [] : await wouldMend(platform, found, mend);
    if (!isAlready(found, 'resume')) mustBeLegal(found, 'resume');
    const changed = !isAlready(found, 'resume');
    const json = { job: id, state: stateOf(found), changed, changes, sent: 0 };
    await answer(ctx, { json, text: () => textOf(ctx, `would resume ${id}`, changes) });
    return;
  }
  const { view, changed, changes, sent } = await resumeJob(platform, found, mend);
  const state = stateOf(view);
  const how = changed ? `${id} is ${state}` : `${id} was not paused`;
  await answer(ctx, {
    json: { job: id, state, changed, changes, sent },
    text: () => textOf(ctx, `${how}: ${formatMany(sent, 'task')} sent`, changes),
  });
  if (sent > 0) await raiseWork(ctx, view, { scale, fresh: true });
}

async function textOf(ctx: Context, line: string, changes: readonly Change[]): Promise<string> {
  return changes.length === 0 ? line : `${line}\n\n${await changesText(ctx, changes)}`;
}
