import { rebuildAll } from '../../../src/jobs/verify/rebuild-all.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { stateOf } from '../../../src/model/view.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { countMessages } from '../../support/stored.ts';
import { view } from './operators.ts';
import { roundOf, type Truth, truthOf, withoutLateOutputs } from './oracle.ts';
import type { CommandRun, Programs } from './programs.ts';
import { type RawJob, type RawStep, readRaw } from './raw-job.ts';
import type { World } from './world.ts';

/** The violated laws of a job at rest. `platform`: without gates. */
export async function findViolations(world: World, platform: Platform, job: string): Promise<readonly string[]> {
  const raw = await readRaw(world.store, job);
  const truth = truthOf(raw);
  return [
    ...world.violations,
    ...world.scheduler.actors.flatMap(({ name, errors }) =>
      errors.map((error) => `${name} ended with ${textOf(error)}`),
    ),
    ...violationsOfState(world, raw, truth),
    ...(truth.pruned ? [] : await wrongOutputs(world.store, raw, world.programs)),
    ...(await queueViolations(world)),
    ...(await viewViolations(platform, job, truth)),
    ...(truth.pruned ? [] : await proofViolations(platform, job, truth)),
    ...(await ledgerViolations(world, platform, raw, truth)),
  ];
}

/** A job that was closed as failed stays so when outputs of failed tasks come late: a person's retry continues it. */
function violationsOfState({ putAt }: World, raw: RawJob, truth: Truth): readonly string[] {
  const violations = stateViolations(raw, truth);
  if (violations.length === 0 || truth.state !== 'failed') return violations;
  const early = withoutLateOutputs(raw, putAt);
  return stateViolations(early, truthOf(early)).length === 0 ? [] : violations;
}

function stateViolations({ entries, marks, steps }: RawJob, truth: Truth): readonly string[] {
  const { state, due, missing } = truth;
  const violations: string[] = [];
  const rules: Record<Truth['state'], () => void> = {
    submitted: () => violations.push('the job is still submitted'),
    running: () => violations.push(`the job is still running: ${due}, missing ${missing.join(' ') || 'nothing'}`),
    paused: () => {
      if (marks.length === 0) violations.push('the job is paused, and has no open mark');
    },
    cancelled: () => {
      if (entries.at(-1)?.what === 'cancel') violations.push('the job is cancelled, and not closed');
    },
    succeeded: () => {
      if (due !== 'succeeded' && !truth.pruned) violations.push(`the job succeeded, although it should be ${due}`);
    },
    failed: () => {
      if (due !== 'failed' && !truth.pruned) violations.push(`the job failed, although it should be ${due}`);
    },
  };
  rules[state]();
  const closed = state === 'succeeded' || state === 'failed' || state === 'cancelled';
  // If an operator dies between a new round's mark and its entry, watchers keep the mark for a day.
  const left = marks.filter((round) => round <= truth.round || truth.pruned);
  if (closed && left.length > 0) violations.push(`the job is ${state}, and has the open marks ${left.join(' ')}`);
  if ((state === 'succeeded' || state === 'failed') && missing.length > 0 && !truth.pruned)
    violations.push(`the job is ${state}, and ${missing.join(' ')} undecided`);
  for (const [index, step] of steps.entries()) {
    if (step.opened === null && step.barrier && step.out.size > 0)
      violations.push(`${step.name} ran, and was never opened`);
    const before = steps[index - 1];
    if (step.barrier || before === undefined || truth.pruned) continue;
    for (const task of step.out) if (!before.out.has(task)) violations.push(`${step.name}/${task} has no input`);
  }
  return violations;
}

async function queueViolations({ services }: World): Promise<readonly string[]> {
  const count = await countMessages(services.queue);
  return count === 0 ? [] : [`the queue has ${count} messages`];
}

async function viewViolations(platform: Platform, job: string, truth: Truth): Promise<readonly string[]> {
  const seen = await view({ platform, job });
  const found = `${stateOf(seen)} ${seen.round} ${seen.stopped !== null}`;
  const due = `${truth.state} ${truth.round} ${truth.stopped}`;
  return found === due ? [] : [`the view is ${found}, the journal ${due}`];
}

const VERDICTS: Readonly<Record<Truth['state'], string>> = {
  submitted: 'unfinished',
  running: 'unfinished',
  paused: 'unfinished',
  succeeded: 'proven',
  failed: 'failed',
  cancelled: 'failed',
};

async function proofViolations(platform: Platform, job: string, truth: Truth): Promise<readonly string[]> {
  const result = await verifyJob(platform, await view({ platform, job }), { deep: true });
  const violations: string[] = [];
  const compare = (what: string, found: readonly string[], due: readonly string[]): void => {
    if ([...found].sort().join(' ') !== [...due].sort().join(' '))
      violations.push(`the proof names as ${what} [${found.join(' ')}], the store [${due.join(' ')}]`);
  };
  if (result.verdict !== VERDICTS[truth.state])
    violations.push(
      `the verdict is ${result.verdict}, expected ${VERDICTS[truth.state]}: ${JSON.stringify(result.problems)}`,
    );
  compare('failed', result.failed, truth.failed);
  compare('skipped', result.skipped, truth.skipped);
  compare('missing', result.missing, truth.missing);
  compare('late', result.late, truth.late);
  return violations;
}

async function ledgerViolations(
  world: World,
  platform: Platform,
  raw: RawJob,
  truth: Truth,
): Promise<readonly string[]> {
  const {
    steps,
    record: { job },
  } = raw;
  await rebuildAll(platform, { since: null, dryRun: false });
  const violations: string[] = [];
  const ledgerJob = await world.ledger.job(job);
  if (ledgerJob?.state !== truth.state || ledgerJob.round !== truth.round)
    violations.push(
      `the ledger has ${ledgerJob?.state} ${ledgerJob?.round}, the journal ${truth.state} ${truth.round}`,
    );
  if (truth.pruned) return violations;
  const counts = new Map((await world.ledger.counts(job)).map((count) => [count.step, count]));
  const closed = truth.state === 'succeeded' || truth.state === 'failed';
  const exact = closed && !truth.stopped;
  // After a close, late outputs of its round don't count until the next exact counts.
  const mayLack = !exact && raw.entries.some(({ what }) => what === 'close');
  for (const [index, { name, out, failed, size }] of steps.entries()) {
    const count = counts.get(name);
    const done = count?.done ?? 0;
    const late = mayLack && done < out.size ? await countLate(world, raw, index) : 0;
    if (done > out.size || done < out.size - late)
      violations.push(`the ledger counts ${done} done of ${name}, not ${out.size}`);
    if (!exact) continue;
    const due = range(size).filter((n) => !out.has(n) && failed.has(`${n}.${roundOf(raw, index, n)}`)).length;
    if ((count?.failed ?? 0) !== due)
      violations.push(`the ledger counts ${count?.failed} failed of ${name}, not ${due}`);
    if ((count?.running ?? 0) !== 0) violations.push(`the ledger counts ${count?.running} running of ${name}`);
  }
  return violations;
}

/** The number of a step's outputs that came late, or from an attempt of an earlier round than the last that asked for them. */
async function countLate({ store, programs, putAt }: World, raw: RawJob, index: number): Promise<number> {
  const step = raw.steps[index];
  const early = withoutLateOutputs(raw, putAt).steps[index];
  let late = 0;
  for (const task of step?.out ?? []) {
    const { attempt } = await readOutput(store, raw, step?.name ?? '', task);
    const round = programs.runs.find((ran) => ran.attempt === attempt)?.round ?? 0;
    if (early?.out.has(task) !== true || round < roundOf(raw, index, task)) late += 1;
  }
  return late;
}

const range = (size: number): readonly number[] => Array.from({ length: size }, (_, n) => n);

export function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

interface Output {
  /** The attempt in its metadata. */
  readonly attempt: string;
  /** The contents by file name; '' for a single output. */
  readonly files: Readonly<Record<string, string>>;
}

/** Errors in a job's outputs. Each must be what one attempt of its task wrote, from the right input. */
async function wrongOutputs(store: ObjectStore, raw: RawJob, programs: Programs): Promise<readonly string[]> {
  const wrong: string[] = [];
  const all: Map<number, Output>[] = [];
  for (const [index, step] of raw.steps.entries()) {
    const outputs = new Map<number, Output>();
    all.push(outputs);
    for (const task of step.out) {
      const output = await readOutput(store, raw, step.name, task);
      outputs.set(task, output);
      const name = `${step.name}/${task}`;
      const ran = programs.runs.find((one) => one.attempt === output.attempt);
      if (ran === undefined || `${ran.step}/${ran.task}` !== name || ran.code !== 0) {
        wrong.push(`${name} is published by ${output.attempt}, which didn't write it`);
      } else wrong.push(...compared(name, output, ran, stdinOf(raw.steps, index, task, all)));
    }
  }
  return wrong;
}

function compared(
  name: string,
  { files }: Output,
  { wrote, stdin, attempt }: CommandRun,
  due: string,
): readonly string[] {
  const wrong: string[] = [];
  if (JSON.stringify(files) !== JSON.stringify(sorted(wrote)))
    wrong.push(`${name} is ${JSON.stringify(files)}; ${attempt} wrote ${JSON.stringify(wrote)}`);
  if (stdin !== due) wrong.push(`${name} was made from ${JSON.stringify(stdin)}, not from ${JSON.stringify(due)}`);
  return wrong;
}

function stdinOf(
  steps: readonly RawStep[],
  index: number,
  task: number,
  outputs: readonly ReadonlyMap<number, Output>[],
): string {
  const step = steps[index];
  const before = outputs[index - 1];
  if (before === undefined) return `${task + 1}\n`;
  if (!step?.barrier) return before.get(task)?.files[''] ?? 'nothing';
  const taken = [...before].filter(([n]) => step.opened?.leftOut.has(n) !== true).sort(([a], [b]) => a - b);
  const files = taken.flatMap(([, output]) => Object.values(output.files));
  return step.gather ? files.join('') : (files[task] ?? 'nothing');
}

async function readOutput(store: ObjectStore, raw: RawJob, step: string, task: number): Promise<Output> {
  const key = `jobs/${raw.record.job}/steps/${step}/out/${String(task).padStart(9, '0')}`;
  const info = await store.head(key);
  const bytes = Buffer.from((await store.read(key)) ?? []).toString();
  const meta = JSON.parse(info?.metadata.batchctl ?? '{}') as { attempt: string; manifest?: boolean };
  if (meta.manifest !== true) return { attempt: meta.attempt, files: { '': bytes } };
  const manifest = JSON.parse(bytes) as { files: { name: string; key: string }[] };
  const files: Record<string, string> = {};
  for (const file of manifest.files) files[file.name] = Buffer.from((await store.read(file.key)) ?? []).toString();
  return { attempt: meta.attempt, files: sorted(files) };
}

function sorted(files: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
}
