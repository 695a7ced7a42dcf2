import { tmpdir } from 'node:os';
import { isKind } from '../../../src/errors.ts';
import { adjust } from '../../../src/jobs/change/adjust.ts';
import { cancel, kill, pause, resume } from '../../../src/jobs/change/lifecycle.ts';
import { type RetryOptions, retry } from '../../../src/jobs/change/retry.ts';
import { skip } from '../../../src/jobs/change/skip.ts';
import { causesOf } from '../../../src/jobs/failures.ts';
import { requireView } from '../../../src/jobs/journal.ts';
import { choosePrunable, prune } from '../../../src/jobs/prune/prune.ts';
import { prepare } from '../../../src/jobs/submit/prepare.ts';
import { submit } from '../../../src/jobs/submit/submit.ts';
import type { TaskName } from '../../../src/jobs/tasks.ts';
import { storeProof } from '../../../src/jobs/verify/proof.ts';
import { rebuildAll } from '../../../src/jobs/verify/rebuild-all.ts';
import { repairJob } from '../../../src/jobs/verify/repair.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { Chance } from '../../support/chance.ts';
import { submissionRequest } from '../../support/submission-request.ts';
import type { JobFile } from './job-maker.ts';
import { membersOf, readRaw } from './raw-job.ts';

export interface OperatedJob {
  readonly platform: Platform;
  /** Without gates, for facts that an operator knows. */
  readonly store: ObjectStore;
  readonly job: string;
  readonly file: JobFile;
  readonly chance: Chance;
}

/** A verb that chooses its arguments at random. */
export type Verb = (job: OperatedJob) => Promise<unknown>;

/** The verbs, with the relative frequency of each. */
export const VERBS: readonly (readonly [weight: number, name: string, verb: Verb])[] = [
  [10, 'retry', (job) => retryWith(job, {})],
  [5, 'retry --task', async (job) => retryWith(job, { tasks: [await anyTask(job)] })],
  [4, 'retry --cause', async (job) => retryWith(job, { causes: await anyCause(job) })],
  [10, 'retry --canary', (job) => retryWith(job, { canaries: job.chance.whole(1, 2) })],
  [
    6,
    'retry --with',
    (job) => retryWith(job, { correction: { spec: job.file(job.chance.pick([0, 1, 9])), code: null } }),
  ],
  [4, 'retry --canary --with', (job) => retryWith(job, { canaries: 1, correction: { spec: job.file(9), code: null } })],
  [4, 'retry --set', (job) => retryWith(job, { overrides: { params: { fix: job.chance.pick(['0', '1']) } } })],
  [9, 'skip', (job) => skipWith(job, false)],
  [5, 'unskip', (job) => skipWith(job, true)],
  [3, 'skip --cause', async (job) => skipWith(job, false, await anyCause(job))],
  [6, 'adjust --tolerate', async (job) => adjustTo(job, { tolerate: job.chance.pick(['0', '1', '3', '50%']) })],
  [2, 'adjust --max-running', async (job) => adjustTo(job, { maxRunning: job.chance.pick([null, 1, 2]) })],
  [4, 'kill --requeue', async (job) => killAny(job, 'requeue')],
  [4, 'kill --fail', async (job) => killAny(job, 'fail')],
  [4, 'pause', async (job) => pause(job.platform, await view(job), { now: false })],
  [4, 'pause --now', async (job) => pause(job.platform, await view(job), { now: true })],
  [9, 'resume', async (job) => resume(job.platform, await view(job))],
  [
    4,
    'resume --with',
    async (job) => resume(job.platform, await view(job), { spec: job.file(job.chance.pick([1, 9])), code: null }),
  ],
  [1, 'cancel', async (job) => cancel(job.platform, await view(job))],
  [6, 'look', async (job) => look(job.platform, await view(job))],
  [4, 'verify', (job) => verifyAndKeep(job)],
  [4, 'verify --repair', async (job) => repairJob(job.platform, await view(job))],
  [3, 'ledger rebuild', ({ platform }) => rebuildAll(platform, { since: null, dryRun: false })],
];

/** The same, and extensions: apart from the others, so that old seeds keep their sequences. */
export const EXTENDING_VERBS: typeof VERBS = [...VERBS, [20, 'extend', extendRange]];

/** The last verb of a sequence. */
export const pruneAll: Verb = async ({ platform }) =>
  prune(platform, await choosePrunable(platform, -1), Number.MAX_SAFE_INTEGER, {});

/** Whether a verb may fail with this error: one that says why it can't be done. */
export function isAllowedError(error: unknown): boolean {
  return isKind(error, 'refused', 'notFound', 'usage');
}

export const view = ({ platform, job }: Pick<OperatedJob, 'platform' | 'job'>): Promise<JobView> =>
  requireView(platform.store, job);

async function retryWith(job: OperatedJob, options: Partial<RetryOptions>): Promise<unknown> {
  const seen = await view(job);
  return retry(job.platform, seen, { dryRun: job.chance.is(0.05), ...options });
}

async function skipWith(job: OperatedJob, undo: boolean, causes: readonly string[] = []): Promise<unknown> {
  const seen = await view(job);
  const any = undo && job.chance.is(0.8) ? anySkipped : anyTask;
  const tasks = causes.length > 0 ? [] : [await any(job), ...(job.chance.is(0.3) ? [await any(job)] : [])];
  return skip(job.platform, seen, { tasks, causes, reason: 'fuzz', undo, dryRun: job.chance.is(0.05) });
}

/** Submits the job again, with more numbers in its range, or as many. */
async function extendRange({ platform, job, file, chance }: OperatedJob): Promise<unknown> {
  const { spec, runKey } = (await view({ platform, job })).record;
  const split = spec.input?.split;
  if (split?.by !== 'range') throw new RangeError('a fuzzed job splits a range');
  const longer = { ...file(0), input: { from: [], split: { ...split, to: split.to + chance.pick([0, 1, 1, 2]) } } };
  const request = submissionRequest(longer, tmpdir(), { runKey });
  return submit(platform, await prepare(request, platform.store), { mode: 'extend' });
}

async function adjustTo(job: OperatedJob, wanted: Parameters<typeof adjust>[2]): Promise<unknown> {
  return adjust(job.platform, await view(job), wanted, { dryRun: false });
}

async function killAny(job: OperatedJob, mode: 'requeue' | 'fail'): Promise<unknown> {
  return kill(job.platform, await view(job), [await anyTask(job)], mode);
}

/** The problems that verify may find: nobody alters objects in a sequence. */
const UNALTERED: readonly string[] = ['cancelled', 'jobFailed', 'failures', 'missing'];

async function verifyAndKeep(job: OperatedJob): Promise<unknown> {
  const result = await verifyJob(job.platform, await view(job), { deep: job.chance.is(0.5) });
  const wrong = result.problems.find(({ code }) => !UNALTERED.includes(code));
  if (wrong !== undefined) throw new Error(`verify reports an alteration: ${wrong.message}`);
  return storeProof(job.platform, result);
}

/** A random task, mostly one that an operator would choose: a failed or unpublished one. */
async function anyTask({ store, job, chance }: OperatedJob): Promise<TaskName> {
  const { steps } = await readRaw(store, job);
  const all = steps.flatMap(({ name, size, out, failed }, step) =>
    Array.from({ length: size }, (_, task) => ({
      step,
      name,
      task,
      open: !out.has(task),
      failed: !out.has(task) && [...failed].some((text) => text.startsWith(`${task}.`)),
    })),
  );
  const wanted = chance.weighted([
    [5, all.filter((one) => one.failed)],
    [3, all.filter((one) => one.open)],
    [2, all],
  ]);
  const { step, name, task } = chance.pick(wanted.length > 0 ? wanted : all);
  return { step, name, task };
}

/** A random task that was skipped; any task if there is none. */
async function anySkipped(job: OperatedJob): Promise<TaskName> {
  const { entries, steps } = await readRaw(job.store, job.job);
  const skipped = entries.flatMap((entry) =>
    entry.what !== 'skip'
      ? []
      : Object.entries(entry.tasks).flatMap(([name, set]) =>
          [...membersOf(set)].map((task) => ({ name, task, step: steps.findIndex((one) => one.name === name) })),
        ),
  );
  return skipped.length > 0 ? job.chance.pick(skipped) : anyTask(job);
}

async function anyCause(job: OperatedJob): Promise<readonly string[]> {
  const causes = await causesOf(job.platform, await view(job));
  return causes.length === 0 ? ['none'] : [job.chance.pick(causes).id];
}
