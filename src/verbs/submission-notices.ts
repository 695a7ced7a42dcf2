import type { SubmitResult } from '../jobs/submit/options.ts';
import type { Prepared } from '../jobs/submit/prepared.ts';
import { formatInstant } from '../lib/instant.ts';
import { formatMany } from '../lib/units.ts';
import { emptyInputs, emptyInputsText, type JobSpec, orderOf } from '../model/job.ts';
import { isSameJson } from '../model/overrides.ts';
import type { Platform } from '../ports/platform.ts';
import type { VerbContext } from './context.ts';

/** Tells what a submission did that its answer doesn't say: what it added, kept or left empty. */
export async function noticeSubmitted(
  context: Pick<VerbContext, 'platform' | 'zone' | 'notice' | 'warn'>,
  prepared: Prepared,
  submitted: SubmitResult,
): Promise<void> {
  noticeAdded(context, submitted);
  await noticeDeadlineKept(context, prepared, submitted);
  noticeLabelsKept(context, prepared, submitted);
  warnOfClock(context, submitted, await context.platform());
  const { record } = submitted.view;
  const empty = submitted.created ? emptyInputs(record.inputs) : [];
  if (empty.length > 0) context.warn(emptyInputsText(empty));
}

function noticeAdded({ notice }: Pick<VerbContext, 'notice'>, { view, added }: SubmitResult): void {
  const { job, parts, spec } = view.record;
  if (added === undefined) return;
  const from = `${spec.steps[0]?.name}/${parts - added}`;
  const tasks = added > 1 ? `${from} to ${parts - 1}` : from;
  if (added === 0) notice(`job ${job} has all of this already: nothing was added`);
  else notice(`added ${formatMany(added, 'task')} to job ${job}: ${tasks}, round ${view.round}`);
}

/** An existing job keeps its deadline: tells a caller who gave another one how to change it. */
async function noticeDeadlineKept(
  context: Pick<VerbContext, 'zone' | 'notice'>,
  { request }: Prepared,
  { view, created }: SubmitResult,
): Promise<void> {
  const wanted = request.finishBy ?? null;
  if (created || wanted === null || wanted === view.finishBy) return;
  const { job } = view.record;
  const kept = view.finishBy === null ? 'none' : formatInstant(Date.parse(view.finishBy), await context.zone());
  context.notice(`job ${job} keeps its deadline (${kept}); change it with batchctl adjust ${job} --finish-by TIME`);
}

/** An existing job keeps its labels, which no run key compares. */
function noticeLabelsKept({ notice }: Pick<VerbContext, 'notice'>, { spec }: Prepared, submitted: SubmitResult): void {
  const { job, spec: accepted } = submitted.view.record;
  if (submitted.created || isSameJson(sorted(accepted.labels), sorted(spec.labels))) return;
  notice(`job ${job} keeps its labels (${labelsText(accepted.labels) || 'none'})`);
}

/** Milliseconds: jobs submitted at once are ordered without a word. */
const CLOCK_TOLD_MS = 1_000;

function warnOfClock(
  { warn }: Pick<VerbContext, 'warn'>,
  { view, created }: SubmitResult,
  { clockOffset }: Platform,
): void {
  const { job, createdAt } = view.record;
  const place = orderOf(view.record);
  if (!created || Math.abs(Date.parse(place) - Date.parse(createdAt)) < CLOCK_TOLD_MS) return;
  const newer = ['before the newest job was accepted', 'newer'];
  const [found, counted] = clockOffset === undefined ? newer : [`the store's ${place}`, 'accepted then'];
  warn(`this machine's clock shows ${createdAt}, ${found}; job ${job} counts as ${counted}`);
}

const sorted = (labels: JobSpec['labels']) => Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
const labelsText = (labels: JobSpec['labels']): string =>
  sorted(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');
