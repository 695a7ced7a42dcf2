import { isKind } from '../../../src/errors.ts';
import { adjust } from '../../../src/jobs/change/adjust.ts';
import { cancel, kill, pause, resume } from '../../../src/jobs/change/lifecycle.ts';
import { type RetryOptions, retry } from '../../../src/jobs/change/retry.ts';
import { skip } from '../../../src/jobs/change/skip.ts';
import { causesOf } from '../../../src/jobs/failures.ts';
import { requireView } from '../../../src/jobs/journal.ts';
import { choosePrunable, prune } from '../../../src/jobs/prune/prune.ts';
import type { TaskName } from '../../../src/jobs/tasks.ts';
import { storeProof } from '../../../src/jobs/verify/proof.ts';
import { rebuildAll } from '../../../src/jobs/verify/rebuild-all.ts';
import { repairJob } from '../../../src/jobs/verify/repair.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { Chance } from './chance.ts';
import type { JobFile } from './job-maker.ts';
import { membersOf, readRaw } from './raw-job.ts';

/** What a verb is said about. */
export interface Said {
  readonly platform: Platform;
  /** As it is, past every gate: for what a person may know who says the verb. */
  readonly store: ObjectStore;
  readonly job: string;
  readonly file: JobFile;
  readonly chance: Chance;
}

/** A verb with its arguments, chosen as it is said. */
export type Verb = (said: Said) => Promise<unknown>;

/** How often each verb is said, against the others. */
export const VERBS: readonly (readonly [weight: number, name: string, verb: Verb])[] = [
  [10, 'retry', (said) => retryWith(said, {})],
  [5, 'retry --task', async (said) => retryWith(said, { tasks: [await anyTask(said)] })],
  [4, 'retry --cause', async (said) => retryWith(said, { causes: await anyCause(said) })],
  [10, 'retry --canary', (said) => retryWith(said, { canaries: said.chance.whole(1, 2) })],
  [
    6,
    'retry --with',
    (said) => retryWith(said, { correction: { spec: said.file(said.chance.pick([0, 1, 9])), code: null } }),
  ],
  [
    4,
    'retry --canary --with',
    (said) => retryWith(said, { canaries: 1, correction: { spec: said.file(9), code: null } }),
  ],
  [4, 'retry --set', (said) => retryWith(said, { overrides: { params: { fix: said.chance.pick(['0', '1']) } } })],
  [9, 'skip', (said) => skipWith(said, false)],
  [5, 'unskip', (said) => skipWith(said, true)],
  [3, 'skip --cause', async (said) => skipWith(said, false, await anyCause(said))],
  [6, 'adjust --tolerate', async (said) => adjustTo(said, { tolerate: said.chance.pick(['0', '1', '3', '50%']) })],
  [2, 'adjust --max-running', async (said) => adjustTo(said, { maxRunning: said.chance.pick([null, 1, 2]) })],
  [4, 'kill --requeue', async (said) => killAny(said, 'requeue')],
  [4, 'kill --fail', async (said) => killAny(said, 'fail')],
  [4, 'pause', async (said) => pause(said.platform, await view(said), { now: false })],
  [4, 'pause --now', async (said) => pause(said.platform, await view(said), { now: true })],
  [9, 'resume', async (said) => resume(said.platform, await view(said))],
  [
    4,
    'resume --with',
    async (said) => resume(said.platform, await view(said), { spec: said.file(said.chance.pick([1, 9])), code: null }),
  ],
  [1, 'cancel', async (said) => cancel(said.platform, await view(said))],
  [6, 'look', async (said) => look(said.platform, await view(said))],
  [4, 'verify', (said) => verifyAndKeep(said)],
  [4, 'verify --repair', async (said) => repairJob(said.platform, await view(said))],
  [3, 'ledger rebuild', ({ platform }) => rebuildAll(platform, { since: null, dryRun: false })],
];

/** Said at the end, since nothing follows it. */
export const pruneAll: Verb = async ({ platform }) =>
  prune(platform, await choosePrunable(platform, -1), Number.MAX_SAFE_INTEGER, {});

/** How a verb may end besides well: told that it can't, and what it would want. */
export function mayEnd(error: unknown): boolean {
  return isKind(error, 'refused', 'notFound', 'usage');
}

export const view = ({ platform, job }: Pick<Said, 'platform' | 'job'>): Promise<JobView> =>
  requireView(platform.store, job);

async function retryWith(said: Said, options: Partial<RetryOptions>): Promise<unknown> {
  const seen = await view(said);
  const all = { tasks: [], canaries: null, overrides: {}, dryRun: said.chance.is(0.05) };
  return retry(said.platform, seen, { ...all, ...options });
}

async function skipWith(said: Said, undo: boolean, causes: readonly string[] = []): Promise<unknown> {
  const seen = await view(said);
  const any = undo && said.chance.is(0.8) ? anySkipped : anyTask;
  const tasks = causes.length > 0 ? [] : [await any(said), ...(said.chance.is(0.3) ? [await any(said)] : [])];
  return skip(said.platform, seen, { tasks, causes, reason: 'fuzz', undo, dryRun: said.chance.is(0.05) });
}

async function adjustTo(said: Said, wanted: Parameters<typeof adjust>[2]): Promise<unknown> {
  return adjust(said.platform, await view(said), wanted, { dryRun: false });
}

async function killAny(said: Said, mode: 'requeue' | 'fail'): Promise<unknown> {
  return kill(said.platform, await view(said), [await anyTask(said)], mode);
}

async function verifyAndKeep(said: Said): Promise<unknown> {
  return storeProof(said.platform, await verifyJob(said.platform, await view(said), { deep: said.chance.is(0.5) }));
}

/** Most often one that a person would name: that failed, or isn't published. */
async function anyTask({ store, job, chance }: Said): Promise<TaskName> {
  const { steps } = await readRaw(store, job);
  const all = steps.flatMap(({ name, size, out, failed }, step) =>
    Array.from({ length: size }, (_, task) => ({
      ...{ step, name, task },
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

/** One that a skip named once; any other where none did. */
async function anySkipped(said: Said): Promise<TaskName> {
  const { entries, steps } = await readRaw(said.store, said.job);
  const skipped = entries.flatMap((entry) =>
    entry.what !== 'skip'
      ? []
      : Object.entries(entry.tasks).flatMap(([name, set]) =>
          [...membersOf(set)].map((task) => ({ name, task, step: steps.findIndex((one) => one.name === name) })),
        ),
  );
  return skipped.length > 0 ? said.chance.pick(skipped) : anyTask(said);
}

async function anyCause(said: Said): Promise<readonly string[]> {
  const causes = await causesOf(said.platform, await view(said));
  return causes.length === 0 ? ['none'] : [said.chance.pick(causes).id];
}
