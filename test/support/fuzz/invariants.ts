import { rebuildAll } from '../../../src/jobs/verify/rebuild-all.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { stateOf } from '../../../src/model/view.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { wrongOutputs } from './accepted.ts';
import { view } from './operators.ts';
import { roundOf, type Truth, truthOf } from './oracle.ts';
import { type RawJob, readRaw } from './raw-job.ts';
import type { World } from './world.ts';

/** What does not hold of a job that nobody works on any more; `platform` is one without gates. */
export async function brokenLaws(world: World, platform: Platform, job: string): Promise<readonly string[]> {
  const raw = await readRaw(world.store, job);
  const truth = truthOf(raw);
  return [
    ...world.offences,
    ...world.loom.actors.flatMap(({ name, errors }) => errors.map((error) => `${name} ended with ${textOf(error)}`)),
    ...brokenState(raw, truth),
    ...(truth.pruned ? [] : await wrongOutputs(world.store, raw, world.programs)),
    ...(await brokenQueue(world)),
    ...(await brokenView(platform, job, truth)),
    ...(truth.pruned ? [] : await brokenProof(platform, job, truth)),
    ...(await brokenLedger(world, platform, raw, truth)),
  ];
}

function brokenState({ entries, marks, steps }: RawJob, truth: Truth): readonly string[] {
  const { state, due, missing } = truth;
  const broken: string[] = [];
  const rules: Record<Truth['state'], () => void> = {
    submitted: () => broken.push('the job is submitted still'),
    running: () => broken.push(`the job runs still: ${due}, missing ${missing.join(' ') || 'nothing'}`),
    paused: () => {
      if (marks.length === 0) broken.push('the job is paused, and has no open mark');
    },
    cancelled: () => {
      if (entries.at(-1)?.what === 'cancel') broken.push('the job is cancelled, and not closed');
    },
    succeeded: () => {
      if (due !== 'succeeded' && !truth.pruned) broken.push(`the job succeeded, though it is due to be ${due}`);
    },
    failed: () => {
      if (due !== 'failed' && !truth.pruned) broken.push(`the job failed, though it is due to be ${due}`);
    },
  };
  rules[state]();
  const closed = state === 'succeeded' || state === 'failed' || state === 'cancelled';
  // An operator who dies between a new round's mark and its entry leaves the mark to the watchers, for a day.
  const left = marks.filter((round) => round <= truth.round || truth.pruned);
  if (closed && left.length > 0) broken.push(`the job is ${state}, and has the open marks ${left.join(' ')}`);
  if ((state === 'succeeded' || state === 'failed') && missing.length > 0 && !truth.pruned)
    broken.push(`the job is ${state}, and ${missing.join(' ')} undecided`);
  for (const [index, step] of steps.entries()) {
    if (step.opened === null && step.barrier && step.out.size > 0)
      broken.push(`${step.name} ran, and was never opened`);
    const before = steps[index - 1];
    if (step.barrier || before === undefined || truth.pruned) continue;
    for (const task of step.out) if (!before.out.has(task)) broken.push(`${step.name}/${task} came out of nothing`);
  }
  return broken;
}

async function brokenQueue({ desk }: World): Promise<readonly string[]> {
  const { visible, leased, delayed } = await desk.queue.backlog();
  return visible + leased + delayed === 0 ? [] : [`the queue holds ${visible} + ${leased} + ${delayed} messages`];
}

async function brokenView(platform: Platform, job: string, truth: Truth): Promise<readonly string[]> {
  const seen = await view({ platform, job });
  const found = `${stateOf(seen)} ${seen.round} ${seen.stopped !== null}`;
  const due = `${truth.state} ${truth.round} ${truth.stopped}`;
  return found === due ? [] : [`the view says ${found}, the journal ${due}`];
}

const VERDICTS: Readonly<Record<Truth['state'], string>> = {
  ...{ submitted: 'unfinished', running: 'unfinished', paused: 'unfinished' },
  ...{ succeeded: 'proven', failed: 'failed', cancelled: 'failed' },
};

async function brokenProof(platform: Platform, job: string, truth: Truth): Promise<readonly string[]> {
  const result = await verifyJob(platform, await view({ platform, job }), { deep: true });
  const broken: string[] = [];
  const compare = (what: string, found: readonly string[], due: readonly string[]): void => {
    if ([...found].sort().join(' ') !== [...due].sort().join(' '))
      broken.push(`the proof names as ${what} [${found.join(' ')}], the store [${due.join(' ')}]`);
  };
  if (result.verdict !== VERDICTS[truth.state])
    broken.push(
      `the verdict is ${result.verdict}, due is ${VERDICTS[truth.state]}: ${JSON.stringify(result.problems)}`,
    );
  compare('failed', result.failed, truth.failed);
  compare('skipped', result.skipped, truth.skipped);
  compare('missing', result.missing, truth.missing);
  compare('late', result.late, truth.late);
  return broken;
}

async function brokenLedger(world: World, platform: Platform, raw: RawJob, truth: Truth): Promise<readonly string[]> {
  const {
    steps,
    record: { job },
  } = raw;
  await rebuildAll(platform, { since: null, dryRun: false });
  const broken: string[] = [];
  const said = await world.ledger.job(job);
  if (said?.state !== truth.state || said.round !== truth.round)
    broken.push(`the ledger says ${said?.state} ${said?.round}, the journal ${truth.state} ${truth.round}`);
  if (truth.pruned) return broken;
  const counts = new Map((await world.ledger.counts(job)).map((count) => [count.step, count]));
  const closed = truth.state === 'succeeded' || truth.state === 'failed';
  for (const [index, { name, out, failed, size }] of steps.entries()) {
    const count = counts.get(name);
    if ((count?.done ?? 0) !== out.size)
      broken.push(`the ledger counts ${count?.done} done of ${name}, not ${out.size}`);
    if (!closed || truth.stopped) continue;
    const due = range(size).filter((n) => !out.has(n) && failed.has(`${n}.${roundOf(raw, index, n)}`)).length;
    if ((count?.failed ?? 0) !== due) broken.push(`the ledger counts ${count?.failed} failed of ${name}, not ${due}`);
    if ((count?.running ?? 0) !== 0) broken.push(`the ledger counts ${count?.running} running of ${name}`);
  }
  return broken;
}

const range = (size: number): readonly number[] => Array.from({ length: size }, (_, n) => n);

export function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
