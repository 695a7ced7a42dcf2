import { deliveryLine } from '../jobs/deliver/delivery-line.ts';
import type { JobStatus } from '../model/answers/status.ts';
import { dollarsText } from '../model/cost/limit-text.ts';
import { TOO_MANY_FILES_REASON } from '../model/decide.ts';
import { isClosed } from '../model/job.ts';
import { rehearsalText } from '../model/rehearsal.ts';
import type { Context } from './context.ts';
import { deadlineText, formatCount, formatInstant, formatLeft, formatMany, formatRate } from './format.ts';
import type { LiveStatus } from './live-view.ts';
import { renderTable } from './render.ts';

export async function statusText(ctx: Context, status: JobStatus): Promise<string> {
  const table = await renderTable(ctx, status.steps, [
    { title: 'step', value: (step) => step.name, min: 6 },
    { title: 'tasks', value: (step) => (step.total === null ? '?' : formatCount(step.total)), align: 'right' },
    { title: 'waiting', value: (step) => formatCount(step.waiting), align: 'right' },
    { title: 'running', value: (step) => formatCount(step.running), align: 'right' },
    { title: 'done', value: (step) => formatCount(step.done), align: 'right' },
    {
      title: 'failed',
      value: (step) => formatCount(step.failed),
      align: 'right',
      tint: (step) => (step.failed > 0 ? 'bad' : null),
    },
    { title: 'skipped', value: (step) => formatCount(step.skipped), align: 'right' },
    { title: 'retried', value: (step) => formatCount(step.retried), align: 'right' },
    { title: 'interrupted', value: (step) => formatCount(step.interrupted), align: 'right' },
  ]);
  const why = status.reason === TOO_MANY_FILES_REASON ? TOO_MANY_TEXT : status.detail;
  const lines = [headline(status), ...(why === null ? [] : [why]), '', table];
  const facts = [
    ...(status.rate === null ? [] : [formatRate(status.rate)]),
    ...(status.eta === null ? [] : [formatLeft(status.eta)]),
    ...(status.state === 'running' ? [workersText(status)] : []),
  ];
  if (facts.length > 0) lines.push('', facts.join(', '));
  if (status.state === 'running') lines.push(...(await continueText(ctx, status)));
  if (status.asked > 0 && status.state === 'running') lines.push(...(facts.length > 0 ? [] : ['']), retryText(status));
  // Determining the zone takes 10 ms, so only a job with a deadline pays for it.
  const deadline =
    status.finishBy === null || status.state === 'cancelled'
      ? null
      : deadlineText(status, { zone: await ctx.zone(), now: ctx.clock.now() });
  if (deadline !== null) lines.push(...(facts.length > 0 ? [] : ['']), deadline);
  const cost = costText(status);
  if (cost !== null) lines.push(...(facts.length > 0 ? [] : ['']), cost);
  const kept = await keeperText(ctx, status);
  if (kept !== null) lines.push(...(facts.length > 0 ? [] : ['']), kept);
  const delivery = deliveryText(status);
  if (delivery !== null) lines.push(...(facts.length > 0 ? [] : ['']), delivery);
  for (const { event, to, message, next } of status.untold) {
    lines.push(
      `NOT notified: ${to}, of ${event}: ${message ?? 'the process died during the attempt'}${next === null ? '; there will be no retry' : ''}`,
    );
  }
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
  return isIdle && (await ctx.config()).profile.backend === 'local' ? [`continue it: batchctl run ${job}`] : [];
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
function costText({
  cost,
  costProjected,
  maxCost,
  costUnknown,
}: Pick<JobStatus, 'cost' | 'costProjected' | 'maxCost' | 'costUnknown'>): string | null {
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
