import { BatchctlError } from '../errors.ts';
import { holdText } from '../jobs/boots.ts';
import type { ReportedFailure } from '../jobs/first-failure.ts';
import type { LateJob, RaiseOptions } from '../jobs/grid/raise.ts';
import { formatDuration } from '../lib/units.ts';
import type { JobStatus } from '../model/answers/status.ts';
import { DEFAULT_SIZING_TIMES } from '../model/capacity.ts';
import { groupFlag } from '../model/cause.ts';
import { budgetFix, limitNameOf } from '../model/cost/limit.ts';
import { LOST_OUTPUT_REASON } from '../model/decide.ts';
import { stateText } from '../model/job-state.ts';
import { BUDGET_REASON, CHANGED_REASON, DEPLOYMENT_REASON, UNMET_REASON } from '../model/journal.ts';
import { ASSUMED_SECONDS } from '../model/load.ts';
import { lostOutputFix } from '../model/lost-outputs.ts';
import type { JobView } from '../model/view.ts';
import { type RaiseEvent, type RaiseResult, raiseJobGroups as raise } from '../verbs/raise.ts';
import type { Context } from './context.ts';
import { distanceText, formatInstant, formatMany } from './format.ts';
import { printAnswer } from './render.ts';
import { reportError } from './report-error.ts';
import { clip, oneLine } from './terminal-text.ts';
import type { Presenter } from './verb-command.ts';

/** Raises the groups of a job whose tasks were sent, once. Prints the result, or the command to start a worker. */
export async function raiseAndPrint(
  ctx: Context,
  view: JobView,
  options: RaiseOptions & { readonly scale: boolean },
): Promise<void> {
  const events: RaiseEvent[] = [];
  await raise({ platform: ctx.platform, report: (event) => events.push(event) }, view, options);
  for (const event of events) await printRaiseEvent(ctx, event);
}

/** Shows an answer as text, or with `--json` as it is. */
export function asText<Result>(
  ctx: Context,
  text: (result: Result) => string | Promise<string>,
): Presenter<Result, never> {
  return { answer: (result) => printAnswer(ctx, { json: result, text: () => text(result) }) };
}

/** Shows an answer, then which groups the verb raised: people read the answer first. */
export function showBeforeRaised<Result>(
  ctx: Context,
  show: (result: Result) => Promise<void>,
): Presenter<Result, RaiseEvent> {
  const raised: RaiseEvent[] = [];
  return {
    event: (event) => void raised.push(event),
    async answer(result) {
      await show(result);
      for (const event of raised) await printRaiseEvent(ctx, event);
    },
  };
}

export async function printRaiseEvent(ctx: Context, event: RaiseEvent): Promise<void> {
  if (event.event === 'raised') return printRaised(ctx, event.groups, await ctx.zone());
  const named = event.groups.map((group) => `--group ${group} `).join('');
  // A group without instances can be worked on by anyone with credentials.
  if (event.remote) return ctx.notice(`work on it: batchctl worker --here ${named}--until-empty`);
  // Through a manager, run follows the job and works on nothing.
  const through = !(await ctx.platform()).workplace.worksHere;
  const first = through ? `batchctl worker ${named}--until-empty` : `batchctl run ${event.job}`;
  ctx.notice(`work on it: ${first}, or batchctl scale 1`);
}

/** Prints the results of raising groups on stderr. Prints nothing for a group that has enough instances. */
export function printRaised(ctx: Context, raised: readonly RaiseResult[], zone: string): void {
  for (const each of raised) {
    if (isSized(each) && each.late !== null) ctx.warn(lateText(each, each.late, zone));
    if (isSized(each) && (each.unpaid ?? 0) > 0) ctx.warn(unpaidText(each));
    const flag = each.group === 'default' ? '' : ` --group ${each.group}`;
    if (each.outcome === 'raised') ctx.notice(raisedText(each));
    else if (each.outcome === 'failed') {
      const { message, hint } = each.error;
      ctx.warn(`group ${each.group} was not raised: ${message}${hint === null ? '' : `; ${hint}`}`);
    } else if (each.outcome === 'held') {
      ctx.warn(holdText(each.hold));
    } else if (isByHand(each) && each.status.missing) {
      ctx.warn(
        `group ${each.group} has no Auto Scaling group, so nothing works on it; create it with batchctl infra up, or run batchctl worker --here${flag} --until-empty`,
      );
    } else if (each.outcome === 'manual' && each.status.machines !== undefined && each.status.desired === 0) {
      ctx.notice(
        `group ${each.group} is manual, with size 0: start a worker with batchctl scale 1${flag}, or use --auto to let work raise it`,
      );
    }
  }
}

const isByHand = (each: RaiseResult): each is Extract<RaiseResult, { readonly outcome: 'byHand' | 'manual' }> =>
  each.outcome === 'byHand';

type SizedRaise = Extract<RaiseResult, { readonly outcome: 'raised' | 'enough' }>;

const isSized = (each: RaiseResult): each is SizedRaise => each.outcome === 'raised' || each.outcome === 'enough';

/** `even with 20 instances, its maximum, job a ends about 06:25, 25m late`, and how to fix that. */
function lateText({ group, status }: SizedRaise, { job, ends, deadline, max }: LateJob, zone: string): string {
  if (ends === null) {
    return `group ${group} is limited to 0 instances: job ${job} will miss its deadline, ${formatInstant(deadline, zone)}; raise the limit with batchctl scale --max ${max ?? 1}${groupFlag(group)}`;
  }
  const of = `${formatMany(status.desired, 'instance')}${max === null ? '' : ', its maximum'}`;
  const when = `${formatInstant(ends, zone)}, ${distanceText(deadline - ends)} (deadline ${formatInstant(deadline, zone)})`;
  const fix =
    max === null
      ? 'a larger group would not finish sooner'
      : `raise the limit with batchctl scale --max ${max}${groupFlag(group)}`;
  return `group ${group}: even with ${of}, job ${job} is projected to end ${when}; ${fix}`;
}

function unpaidText({ group, status, unpaid = 0 }: SizedRaise): string {
  return `group ${group}: the work needs ${formatMany(status.desired + unpaid, 'instance')}, but the remaining budget pays for ${status.desired}`;
}

function raisedText({
  group,
  before,
  status,
  need,
  onDemand,
}: Extract<RaiseResult, { readonly outcome: 'raised' }>): string {
  const capped = need.unbounded > status.max ? `, its maximum; the work needs ${need.unbounded}` : '';
  const assumed = need.assumed ? `, assuming ${ASSUMED_SECONDS}s per task, as no task has run yet` : '';
  const aim =
    need.decides === null
      ? `to finish within ${formatDuration(DEFAULT_SIZING_TIMES.target)}`
      : `for the deadline of job ${need.decides}`;
  const standIn = onDemand === null ? '' : `, ${onDemand} of them on demand, as spot is not available in time`;
  return `group ${group}: requested ${formatMany(status.desired, status.machines === undefined ? 'worker' : 'instance')} (${before} before)${standIn}${capped}, ${aim}${assumed}`;
}

/** The next command for a person after a job that did not succeed, on stderr. Nothing for a success. */
export function printNextCommand(ctx: Context, status: EndedStatus): void {
  const next = nextCommand(status);
  if (next !== null) ctx.notice(`next: ${next}`);
}

/** Reports that a cost limit paused the job, and how to resume it, to a silent waiter. */
export function printBudgetPause(ctx: Context, status: EndedStatus): void {
  const { job, state, reason, detail } = status;
  if (state !== 'paused' || reason !== BUDGET_REASON) return;
  ctx.notice(`job ${job} is paused: ${detail ?? 'it has reached its cost limit'}`);
  printNextCommand(ctx, status);
}

/**
 * With `--quiet`: why a job did not succeed, on stderr as an error, with the next command. Otherwise it was shown
 * meanwhile. `first` looks up why a task failed for good; null: none did.
 */
export async function printQuietEnd(
  { io, flags }: Pick<Context, 'io' | 'flags'>,
  status: EndedStatus,
  first: () => Promise<ReportedFailure | null>,
): Promise<void> {
  const next = nextCommand(status);
  if (!flags.quiet || next === null) return;
  const { job, state, reason, detail } = status;
  const failure = await first();
  const why = [...(failure === null ? [] : [failureLine(failure)]), ...(detail === null ? [] : [detail])].join('; ');
  const kind = state === 'paused' ? 'refused' : 'jobFailed';
  const how = stateText(state).replace(/^the job/, `job ${job}`);
  reportError(new BatchctlError(kind, `${how}: ${why || (reason ?? 'no task failed')}`, { hint: next }), io, flags);
}

type EndedStatus = Pick<JobStatus, 'job' | 'state' | 'reason' | 'detail' | 'steps'>;

function nextCommand({ job, state, reason, detail, steps }: EndedStatus) {
  if (state === 'paused' && reason === BUDGET_REASON) return budgetFix(job, limitNameOf(detail));
  if (state === 'paused' && reason === DEPLOYMENT_REASON) {
    return `batchctl failures ${job}; batchctl resume ${job} --with JOBFILE runs a fixed program, batchctl resume ${job} goes on as it is`;
  }
  if (state === 'paused' && reason === CHANGED_REASON) return `batchctl failures ${job}`;
  if (state === 'paused') return `batchctl why ${job}`;
  if (state !== 'failed') return null;
  if (reason === UNMET_REASON) return `batchctl verify ${job}`;
  if (reason === LOST_OUTPUT_REASON) return lostOutputFix(job);
  return steps.some(({ failed }) => failed > 0) ? `batchctl failures ${job}` : `batchctl why ${job}`;
}

/** Maximum width, in columns. */
const WIDEST = 240;

/** `price/7 failed for good: exit 65, claim 7: no rate for UK` */
export function failureLine({ step, task, exitCode, reason, error }: ReportedFailure): string {
  const how = exitCode === null ? (reason ?? 'unknown') : `exit ${exitCode}`;
  const why = error === null || error === '' ? '' : `, ${oneLine(error)}`;
  return clip(`${step}/${task} failed for good: ${how}${why}`, WIDEST);
}
