import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { choosePrunable, type Prunable, prune as pruneJobs } from '../jobs/prune/prune.ts';
import { formatMany, parseDuration } from '../lib/units.ts';
import type { PruneAnswer } from '../model/answers/data.ts';
import { duration } from './job.ts';
import { changing, flag, option, verb } from './verb.ts';

const DEFAULT = '30d';
/** Progress is reported above this number of tasks. */
const LONG = 20_000;

/** Objects removed so far; in a dry run, objects counted. */
export interface PruneEvent {
  readonly objects: number;
}

/** Removes leftovers, and the objects of closed jobs, after confirmation. Throws `usage`, `refused`. */
export const prune = verb<PruneEvent>()({
  name: 'prune',
  ...changing('POST', '/prunings'),
  input: v.strictObject({
    olderThan: option(
      '--older-than <duration>',
      `only jobs that closed longer ago than this (default: ${DEFAULT})`,
      duration,
    ),
    all: option('--all', 'every closed job, however recent', flag, false),
  }),
  answer: async () => (await import('../model/answers/data.ts')).PRUNE_ANSWER,
  async run(context, { olderThan, all }): Promise<PruneAnswer> {
    if (all && olderThan !== undefined) {
      throw new BatchctlError('usage', '--all and --older-than are mutually exclusive', {
        hint: 'use only one of them',
      });
    }
    const platform = await context.platform();
    const age = (all ? 0 : (olderThan ?? parseDuration(DEFAULT))) * 1_000;
    const choice = await choosePrunable(platform, age);
    const asked = choice.jobs.filter(({ begun }) => !begun);
    if (asked.length > 0) {
      const unproven = asked.filter(({ state, proof }) => !proof && state === 'succeeded').length;
      if (unproven > 0)
        context.warn(`${formatMany(unproven, 'job')} succeeded without a proof; batchctl verify JOB stores one`);
      await context.confirm(question(asked, platform.store.location));
    }
    const isLong = choice.jobs.reduce((sum, { parts }) => sum + parts, 0) > LONG;
    let done = 0;
    const report = (): void => {
      if (isLong) context.report({ objects: done });
    };
    report();
    const { dryRun, signal } = context;
    const { jobs, spared, leftovers, total } = await pruneJobs(platform, choice, age, {
      dryRun,
      signal,
      onRemoved: (objects) => {
        done += objects;
        report();
      },
    });
    return { jobs, spared, leftovers, ...total, dryRun };
  },
});

function question(jobs: readonly Prunable[], location: string): string {
  const named = jobs.slice(0, 3).map(({ job }) => job);
  const names = jobs.length > named.length ? `${named.join(', ')}, ...` : named.join(', ');
  return `remove outputs, parts and logs of ${formatMany(jobs.length, 'closed job')} (${names}) from ${location}?`;
}
