import { cancel, pause, resume } from '../../../src/jobs/change/lifecycle.ts';
import { retry } from '../../../src/jobs/change/retry.ts';
import { skip } from '../../../src/jobs/change/skip.ts';
import { storeProof } from '../../../src/jobs/verify/proof.ts';
import { rebuildAll } from '../../../src/jobs/verify/rebuild-all.ts';
import { repairJob } from '../../../src/jobs/verify/repair.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { findViolations, textOf } from './invariants.ts';
import { isAllowedError, type OperatedJob, pruneAll, view } from './operators.ts';
import { type Truth, truthOf } from './oracle.ts';
import { FIXED_VERSION } from './programs.ts';
import { readRaw } from './raw-job.ts';
import { Sequence } from './sequence.ts';
import { type Services, World } from './world.ts';

interface Played {
  /** The violated laws. */
  readonly broken: readonly string[];
  /** The events, one line each. */
  readonly story: readonly string[];
}

/** The minimum and maximum number of events in a sequence. */
const ACTIONS = [5, 120] as const;

/** Runs the sequence of a seed. Every law must hold whenever the job is at rest. `extended`: the job also grows. */
export async function fuzz(services: Services, seed: number, extended = false): Promise<Played> {
  const world = new World(services, seed);
  const { random } = Math;
  // Makes random delays in the code depend on the seed.
  Math.random = () => world.chance.next();
  let broken: readonly string[];
  try {
    broken = await run(world, extended);
  } catch (error) {
    broken = [textOf(error)];
  } finally {
    Math.random = random;
  }
  if (broken.length > 0) await services.queue.purge({});
  return { broken, story: world.story };
}

async function run(world: World, extended: boolean): Promise<readonly string[]> {
  const { chance } = world;
  const sequence = new Sequence(world, extended);
  const steps = sequence.file(0).steps.map(({ name, attempts }) => `${name} (${attempts})`);
  const { tolerate, onFailure, input } = sequence.file(0);
  world.log(`${steps.join(', ')}; ${JSON.stringify({ tolerate, onFailure, split: input?.split })}`);
  await sequence.submit();
  await sequence.runActions(chance.whole(...ACTIONS));
  const platform = world.directPlatform();
  const broken = await atRest(world, sequence, platform);
  if (broken.length > 0) return broken;
  return finishJob(world, sequence, platform, () => atRest(world, sequence, platform));
}

/** Runs until nothing changes any more; returns the violated laws. */
async function atRest(world: World, sequence: Sequence, platform: Platform): Promise<readonly string[]> {
  const rested = await sequence.rest();
  world.log('rests');
  return [...(rested ? [] : ['it never rests']), ...(await findViolations(world, platform, sequence.job))];
}

/** The job must have succeeded after a person has fixed it this many times. */
const MAX_FIXES = 8;

/**
 * A person fixes the program and retries until the job has succeeded, which must be possible whatever happened; then repeats
 * each verb, which must change nothing; then prunes the job. Returns the violated laws.
 */
async function finishJob(
  world: World,
  sequence: Sequence,
  platform: Platform,
  atRest: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  for (let fixes = 0; ; fixes += 1) {
    const truth = truthOf(await readRaw(world.store, sequence.job));
    if (truth.state === 'succeeded' || truth.state === 'cancelled') break;
    if (fixes === MAX_FIXES)
      return [`after ${MAX_FIXES} fixes the job is still ${truth.state}: ${truth.failed.join(' ')}`];
    const broken = [...(await fixJob(sequence, truth)), ...(await atRest())];
    if (broken.length > 0) return broken;
  }
  const broken = await repeatVerbs(world, sequence, platform);
  if (broken.length > 0 || !world.chance.is(0.4)) return broken;
  await pruneJob(world, sequence);
  return atRest();
}

/** Does what an operator does with a paused or failed job. */
async function fixJob(sequence: Sequence, { state, tooLate, failed }: Truth): Promise<readonly string[]> {
  const fixOf = (job: OperatedJob) => ({ spec: job.file(FIXED_VERSION), code: null });
  let ended: unknown;
  if (state === 'paused') {
    ended = await sequence.runVerb('resume --with', async (job) => resume(job.platform, await view(job), fixOf(job)));
  } else if (failed.length > 0 && failed.every((name) => tooLate.includes(name))) {
    ended = await sequence.runVerb('skip tasks that failed too late', async (job) => skipAll(job, failed));
  } else {
    ended = await sequence.runVerb('retry --with', async (job) =>
      retry(job.platform, await view(job), { correction: fixOf(job) }),
    );
  }
  return ended === null ? [] : [`a ${state} job can't be fixed: ${String(ended)}`];
}

async function skipAll(job: OperatedJob, names: readonly string[]): Promise<void> {
  const seen = await view(job);
  const tasks = names.map((text) => {
    const [name = '', task] = text.split('/');
    return { name, task: Number(task), step: seen.record.spec.steps.findIndex((step) => step.name === name) };
  });
  await skip(job.platform, seen, { tasks, causes: [], reason: 'too late', undo: false, dryRun: false });
}

/** Runs verbs that have nothing to do. */
async function repeatVerbs(world: World, sequence: Sequence, platform: Platform): Promise<readonly string[]> {
  const { job } = sequence;
  const truth = truthOf(await readRaw(world.store, job));
  const now = () => view({ platform, job });
  const prove = async () => storeProof(platform, await verifyJob(platform, await now(), { deep: true }));
  await prove();
  const before = await keysOf(world);
  const verbs: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['look', async () => look(platform, await now())],
    ['verify', prove],
    ['verify --repair', async () => repairJob(platform, await now())],
    ['ledger rebuild', () => rebuildAll(platform, { since: null, dryRun: false })],
    ['pause', async () => pause(platform, await now(), { now: true })],
    ['resume', async () => resume(platform, await now())],
    ...(truth.state === 'cancelled' ? [['cancel', async () => cancel(platform, await now())] as const] : []),
    ...(truth.failed.length === 0 ? [['retry', async () => retry(platform, await now())] as const] : []),
  ];
  for (const [name, verb] of verbs) {
    try {
      await verb();
    } catch (error) {
      if (!isAllowedError(error)) return [`${name} of a ${truth.state} job: ${String(error)}`];
    }
    const after = await keysOf(world);
    if (after !== before) return [`${name} of a ${truth.state} job wrote: ${difference(before, after)}`];
  }
  return [];
}

async function pruneJob(world: World, sequence: Sequence): Promise<void> {
  world.services.clock.pass(3600);
  if (world.chance.is(0.6)) await sequence.runVerb('prune', pruneAll, world.chance.whole(1, 40));
  await sequence.runVerb('prune', pruneAll);
}

async function keysOf({ store, services }: World): Promise<string> {
  let text = '';
  for await (const { key, etag } of store.list('')) if (!key.startsWith('workers/')) text += `${key} ${etag}\n`;
  const { visible, leased, delayed, dead } = await services.queue.backlog();
  return `${text}${visible} ${leased} ${delayed} ${dead}`;
}

function difference(before: string, after: string): string {
  const known = new Set(before.split('\n'));
  return after
    .split('\n')
    .filter((line) => !known.has(line))
    .join(', ');
}
