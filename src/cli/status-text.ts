import { deliveryLine } from '../jobs/deliver/delivery-line.ts';
import type { JobStatus, StepStatus } from '../model/answers/status.ts';
import { statusEmptyTexts, statusEndsText } from '../model/completeness-text.ts';
import { dollarsText } from '../model/cost/limit.ts';
import { TOO_MANY_FILES_REASON } from '../model/decide.ts';
import { unmetText } from '../model/expect.ts';
import { isClosed } from '../model/job-state.ts';
import { rehearsalText } from '../model/rehearsal.ts';
import type { Context } from './context.ts';
import { deadlineText, formatCount, formatInstant, formatLeft, formatMany, formatRate } from './format.ts';
import type { LiveStatus } from './live-view.ts';
import { countColumn, renderTable } from './render.ts';

export async function statusText(ctx: Context, status: JobStatus): Promise<string> {
  const table = await renderTable(ctx, status.steps, [
    { title: 'step', value: (step) => step.name, min: 6 },
    { title: 'tasks', value: (step) => (step.total === null ? '?' : formatCount(step.total)), align: 'right' },
    countColumn('waiting', (step) => step.waiting),
    countColumn('running', (step) => step.running),
    countColumn('done', (step) => step.done),
    countColumn('failed', (step) => step.failed, true),
    countColumn('skipped', (step) => step.skipped),
    ...(status.steps.some(({ late }) => late > 0) ? [countColumn<StepStatus>('late', (step) => step.late)] : []),
    countColumn('retried', (step) => step.retried),
    countColumn('interrupted', (step) => step.interrupted),
  ]);
  const why = status.reason === TOO_MANY_FILES_REASON ? TOO_MANY_TEXT : status.detail;
  const running = status.state === 'running';
  const pace = [
    ...(status.rate === null ? [] : [formatRate(status.rate)]),
    ...(status.eta === null ? [] : [formatLeft(status.eta)]),
    ...(running ? [workersText(status)] : []),
  ];
  // Determining the zone takes 10 ms, so only a job with a deadline pays for it.
  const deadline =
    status.finishBy === null || status.state === 'cancelled'
      ? null
      : deadlineText(status, { zone: await ctx.zone(), now: ctx.clock.now() });
  const facts = [
    statusEndsText(status),
    ...statusEmptyTexts(status),
    pace.length === 0 ? null : pace.join(', '),
    ...(running ? await continueText(ctx, status) : []),
    running && status.asked > 0 ? retryText(status) : null,
    ...[deadline, costText(status), await keeperText(ctx, status), deliveryText(status)],
  ].filter((line) => line !== null);
  const lines = [headline(status), ...(why === null ? [] : [why]), '', table];
  if (facts.length > 0) lines.push('', ...facts);
  for (const { event, to, message, next } of status.untold) {
    lines.push(
      `NOT notified: ${to}, of ${event}: ${message ?? 'the process died during the attempt'}${next === null ? '; there will be no retry' : ''}`,
    );
  }
  for (const { who, reason, ...total } of status.accepted)
    lines.push(`accepted by ${who} that ${unmetText(total)}: ${reason}`);
  for (const [step, counters] of Object.entries(status.counters)) {
    lines.push(
      `${step}: ${Object.entries(counters)
        .map(([name, value]) => `${name} ${value}`)
        .join(', ')}`,
    );
  }
  return lines.join('\n');
}

function workersText({ job, workers, steps, asked }: JobStatus): string {
  if (workers.running > 0 || (asked === 0 && !steps.some(({ waiting }) => waiting > 0))) {
    return `${formatMany(workers.running, 'worker')}, ${formatMany(workers.slots, 'slot')}`;
  }
  return `no worker takes its tasks: batchctl why ${job}`;
}

/** On this machine, one command does the work that no worker takes. */
async function continueText(ctx: Context, { job, workers, steps, asked }: JobStatus): Promise<readonly string[]> {
  const isIdle = workers.running === 0 && (asked > 0 || steps.some(({ waiting }) => waiting > 0));
  return isIdle && (await ctx.config()).profile.root !== null ? [`continue it: batchctl run ${job}`] : [];
}

/** For an open job: what it waits for, and who looks after it. */
async function keeperText(ctx: Context, { state, notBefore, keeper }: JobStatus): Promise<string | null> {
  const now = ctx.clock.now();
  const waits = notBefore !== null && Date.parse(notBefore) > now;
  if (isClosed(state) || (!waits && keeper === null)) return null;
  const looks = keeper === null ? 'no manager or tick is active' : `${keeper} looks after it`;
  return waits ? `starts ${formatInstant(Date.parse(notBefore), await ctx.zone(), now)}; ${looks}` : looks;
}

function retryText({ round, asked }: JobStatus): string {
  return `round ${round} retries ${formatMany(asked, 'task')}; until they run, FAILED counts them`;
}

function deliveryText({ job, delivery }: JobStatus): string | null {
  if (delivery === null) return null;
  const line = deliveryLine(delivery);
  const stands = delivery.state === 'failing' || delivery.state === 'givenUp';
  return stands ? `${line}; try again now with batchctl watch ${job}` : line;
}

const TOO_MANY_TEXT =
  'an explode made more files than the job may have tasks: submit it again with a larger maxTasks, or with fewer files';

function headline(status: JobStatus): string {
  const reason = status.reason === null ? '' : ` (${status.reason})`;
  const round = status.round === 0 ? '' : `, round ${status.round}`;
  const key = status.runKey === null ? '' : `, run key ${status.runKey}`;
  const pruned = status.prunedAt === null ? '' : `, pruned ${status.prunedAt.slice(0, 10)}`;
  const { rehearsal } = status;
  const what = rehearsal === null ? '' : `, ${rehearsalText(rehearsal.parts, rehearsal.of)}`;
  return `${status.job}: ${status.state}${reason}${round}${key}${pruned}${what}`;
}

export function liveStatusOf(status: JobStatus): LiveStatus {
  return { steps: status.steps, rate: status.rate, etaSeconds: status.eta };
}

/** `cost $3.20 so far, projected $9.10, pauses at $10.00`; null if nothing costs anything. */
function costText({ cost, costProjected, maxCost, costUnknown }: JobStatus): string | null {
  const limit = maxCost === null ? '' : `, pauses at ${dollarsText(maxCost)}`;
  const types = costUnknown.join(', ');
  if (cost === null) {
    return costUnknown.length === 0
      ? null
      : `cost unknown: no price for ${types} (set prices in the configuration)${limit}`;
  }
  const projected = costProjected === null ? '' : `, projected ${dollarsText(costProjected)}`;
  const unknown = costUnknown.length === 0 ? '' : `; no price for ${types}`;
  return `cost ${dollarsText(cost)} so far${projected}${limit}${unknown}`;
}
