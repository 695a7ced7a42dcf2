import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { originFinder } from '../jobs/fetch/input-names.ts';
import { attemptPages, buildReport, comparedJob } from '../jobs/report.ts';
import { paramNames } from '../jobs/task-params.ts';
import type { ComparedReport, Report } from '../model/answers/report.ts';
import { stepIndex } from '../model/job.ts';
import type { AttemptEvent } from '../model/ledger/records.ts';
import type { TaskParams } from '../model/part.ts';
import { compareReports } from '../model/report/compare.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { VerbContext } from './context.ts';
import { jobOrLatest, resolveJobToShow } from './job.ts';
import { listVerb, option, parsedText, reading, text, verb } from './verb.ts';

/** Number of a large job's attempts read so far, of about `of`. */
export type ReadingEvent = {
  readonly event: 'reading';
  readonly job: string;
  readonly attempts: number;
  readonly of: number;
};

/** Above this many tasks, a job is large. */
const LARGE = 50_000;

/**
 * Reports how a job went, and compares it with another. Throws `notFound`, `usage`; concludes with `finding` if a
 * comparison is worse than allowed.
 */
export const report = verb<ReadingEvent>()({
  name: 'report',
  ...reading('/jobs/{job}/report'),
  input: v.strictObject({
    job: jobOrLatest,
    compare: option('--compare <job>', 'compare with another job; last: the previous finished job of this name', text),
    regress: option(
      '--regress <share>',
      'with --compare: exit with 11 if a relevant figure is worse by more than this: 20%',
      parsedText(parseShare),
    ),
  }),
  answer: async () => (await import('../model/answers/report.ts')).COMPARED_REPORT,
  verdict: verdictOf,
  async run(context, { job, compare, regress }): Promise<ComparedReport> {
    if (regress !== undefined && compare === undefined) {
      throw new BatchctlError('usage', '--regress requires --compare', {
        hint: 'batchctl report last --compare last --regress 20%',
      });
    }
    const view = await resolveJobToShow(context, job);
    const other = compare === undefined ? null : await comparedJob(await context.platform(), view, compare);
    const now = await measureJob(context, view);
    const compared = other === null ? null : compareReports(await measureJob(context, other), now, regress ?? null);
    return { ...now, compared };
  },
});

function verdictOf({ job, compared }: ComparedReport): BatchctlError | null {
  if (compared === null || compared.regressions.length === 0) return null;
  return new BatchctlError('finding', `${job} is worse than ${compared.job}: ${compared.regressions.join('; ')}`, {
    hint: `batchctl report ${job} --compare ${compared.job}`,
  });
}

type Reading = Pick<VerbContext<ReadingEvent>, 'platform' | 'signal' | 'report'>;

async function measureJob(context: Reading, view: JobView): Promise<Report> {
  const onProgress = progressOf(context, view);
  return buildReport(await context.platform(), view, { signal: context.signal, onProgress });
}

function progressOf({ report }: Reading, { record }: JobView): (attempts: number, of: number) => void {
  if (record.parts * record.spec.steps.length <= LARGE) return () => {};
  return (attempts, of) => report({ event: 'reading', job: record.job, attempts, of });
}

/** Parses `20%` as 0.2. Throws a RangeError. */
function parseShare(share: string): number {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(share);
  if (match === null || !Number.isSafeInteger(Math.round(Number(match[1]))))
    throw new RangeError(`expected a percentage such as 20%, found "${share}"`);
  return Number(match[1]) / 100;
}

export type AttemptsEvent =
  /** Reported before the first page: the names of all counters, and of all parameters of tasks. */
  | {
      readonly event: 'found';
      readonly job: string;
      readonly counters: readonly string[];
      readonly params: readonly string[];
    }
  | ReadingEvent;

type ReportedAttempt = AttemptEvent & { readonly params?: TaskParams | null };

/** All attempts of a job, in pages, as they are read. Throws `notFound`, `usage`. */
export const reportAttempts = listVerb({
  name: 'report attempts',
  scope: 'read',
  changes: false,
  http: null,
  input: v.strictObject({ job: jobOrLatest }),
  answer: async () => (await import('../model/answers/report.ts')).ATTEMPTS,
  async run(context: VerbContext<AttemptsEvent>, { job: said }) {
    const view = await resolveJobToShow(context, said);
    const { job } = view.record;
    const platform = await context.platform();
    const ledger = await platform.ledger();
    const counts = await ledger.counts(job);
    const counters = [...new Set(counts.flatMap((step) => Object.keys(step.counters)))].sort();
    const about = counts.reduce((sum, each) => sum + each.done + each.failed + each.retried + each.interrupted, 0);
    const params = await paramNames(platform.store, view);
    context.report({ event: 'found', job, counters, params });
    const pages = attemptPages(ledger, job, context.signal);
    const described = params.length === 0 ? pages : withParams(pages, platform.store, view);
    return withProgress(described, about, progressOf(context, view));
  },
});

async function* withParams(
  pages: AsyncIterable<readonly AttemptEvent[]>,
  store: ObjectStore,
  view: JobView,
): AsyncGenerator<readonly ReportedAttempt[], void> {
  const originOf = originFinder(store, view);
  for await (const page of pages) {
    const described: ReportedAttempt[] = [];
    for (const attempt of page) {
      const { params } = await originOf(stepIndex(view.record.spec, attempt.step), attempt.task);
      described.push({ ...attempt, params });
    }
    yield described;
  }
}

async function* withProgress(
  pages: AsyncIterable<readonly ReportedAttempt[]>,
  about: number,
  onProgress: (attempts: number, of: number) => void,
): AsyncGenerator<readonly ReportedAttempt[], void> {
  let read = 0;
  for await (const page of pages) {
    yield page;
    read += page.length;
    onProgress(read, Math.max(read, about));
  }
}
