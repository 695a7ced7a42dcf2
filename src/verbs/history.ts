import * as v from 'valibot';
import { historyOf } from '../jobs/history.ts';
import type { HistoryLine } from '../model/answers/history.ts';
import { jobOrLatest, jobShown } from './job.ts';
import { listVerb } from './verb.ts';

/** Lists the decisions about a job, oldest first. Throws `notFound`, `usage`. */
export const history = listVerb({
  name: 'history',
  scope: 'read',
  changes: false,
  http: { method: 'GET', path: '/jobs/{job}/history' },
  input: v.strictObject({ job: v.optional(jobOrLatest) }),
  answer: async () => (await import('../model/answers/history.ts')).HISTORY_LINE,
  async run(context, { job }) {
    const view = await jobShown(context, job);
    return linesOf(await historyOf((await context.platform()).store, view));
  },
});

async function* linesOf(lines: Awaited<ReturnType<typeof historyOf>>): AsyncIterable<HistoryLine> {
  for (const { entry, ...line } of lines) yield { ...line, ...entry };
}
