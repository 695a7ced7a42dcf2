import { cancel, pause, resume } from '../../../src/jobs/change/lifecycle.ts';
import { retry } from '../../../src/jobs/change/retry.ts';
import { skip } from '../../../src/jobs/change/skip.ts';
import { storeProof } from '../../../src/jobs/verify/proof.ts';
import { rebuildAll } from '../../../src/jobs/verify/rebuild-all.ts';
import { repairJob } from '../../../src/jobs/verify/repair.ts';
import { verifyJob } from '../../../src/jobs/verify/verify-job.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { brokenLaws, textOf } from './invariants.ts';
import { mayEnd, pruneAll, type Said, view } from './operators.ts';
import { type Truth, truthOf } from './oracle.ts';
import { MENDED } from './programs.ts';
import { readRaw } from './raw-job.ts';
import { Sequence } from './sequence.ts';
import { type Services, World } from './world.ts';

/** A sequence that broke a law. */
interface Found {
  readonly seed: number;
  readonly broken: readonly string[];
  /** What happened before, one line each. */
  readonly story: readonly string[];
}

/** Things that happen in one sequence, at least and at most. */
const ACTIONS = [5, 120] as const;

/** Runs the sequence of a seed; null when every law holds of it, at each rest. */
export async function fuzz(services: Services, seed: number): Promise<Found | null> {
  const world = new World(services, seed);
  const { random } = Math;
  // What waits by chance in the code waits by the seed.
  Math.random = () => world.chance.next();
  let broken: readonly string[];
  try {
    broken = await run(world);
  } catch (error) {
    broken = [textOf(error)];
  } finally {
    Math.random = random;
  }
  if (broken.length === 0) return null;
  await services.queue.purge({});
  return { seed, broken, story: world.story };
}

async function run(world: World): Promise<readonly string[]> {
  const { chance } = world;
  const sequence = new Sequence(world);
  const steps = sequence.file(0).steps.map(({ name, attempts }) => `${name} (${attempts})`);
  const { tolerate, onFailure, input } = sequence.file(0);
  world.tell(`${steps.join(', ')}; ${JSON.stringify({ tolerate, onFailure, split: input?.split })}`);
  await sequence.submit();
  await sequence.happen(chance.whole(...ACTIONS));
  const bare = world.bare();
  const broken = await atRest(world, sequence, bare);
  if (broken.length > 0) return broken;
  return mendJob(world, sequence, bare, () => atRest(world, sequence, bare));
}

/** Lets everything come to rest; what is broken then. */
async function atRest(world: World, sequence: Sequence, bare: Platform): Promise<readonly string[]> {
  const rested = await sequence.rest();
  world.tell('rests');
  return [...(rested ? [] : ['it never comes to rest']), ...(await brokenLaws(world, bare, sequence.job))];
}

/** So many times a person mends what failed before it must have succeeded. */
const MENDS = 8;

/**
 * A person mends the program and asks again until the job has succeeded, which must be possible whatever happened; then
 * says every verb once more, which must change nothing; then prunes it. Answers what is broken.
 */
async function mendJob(
  world: World,
  sequence: Sequence,
  bare: Platform,
  atRest: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  for (let mends = 0; ; mends += 1) {
    const truth = truthOf(await readRaw(world.store, sequence.job));
    if (truth.state === 'succeeded' || truth.state === 'cancelled') break;
    if (mends === MENDS) return [`after ${MENDS} mends the job is still ${truth.state}: ${truth.failed.join(' ')}`];
    const broken = [...(await mend(sequence, truth)), ...(await atRest())];
    if (broken.length > 0) return broken;
  }
  const broken = await again(world, sequence, bare);
  if (broken.length > 0 || !world.chance.is(0.4)) return broken;
  await pruneIt(world, sequence);
  return atRest();
}

/** What an operator does of a job that is paused, or failed. */
async function mend(sequence: Sequence, { state, tooLate, failed }: Truth): Promise<readonly string[]> {
  const how = (said: Said) => ({ spec: said.file(MENDED), code: null });
  let ended: unknown;
  if (state === 'paused') {
    ended = await sequence.say('resume --with', async (said) => resume(said.platform, await view(said), how(said)));
  } else if (failed.every((name) => tooLate.includes(name))) {
    ended = await sequence.say('skip what came too late', async (said) => skipAll(said, failed));
  } else {
    ended = await sequence.say('retry --with', async (said) =>
      retry(said.platform, await view(said), {
        ...{ tasks: [], canaries: null, overrides: {}, correction: how(said), dryRun: false },
      }),
    );
  }
  return ended === null ? [] : [`a ${state} job can't be mended: ${String(ended)}`];
}

async function skipAll(said: Said, names: readonly string[]): Promise<void> {
  const seen = await view(said);
  const tasks = names.map((text) => {
    const [name = '', task] = text.split('/');
    return { name, task: Number(task), step: seen.record.spec.steps.findIndex((step) => step.name === name) };
  });
  await skip(said.platform, seen, { tasks, causes: [], reason: 'too late', undo: false, dryRun: false });
}

/** Verbs that find all of it as they would make it. */
async function again(world: World, sequence: Sequence, bare: Platform): Promise<readonly string[]> {
  const { job } = sequence;
  const truth = truthOf(await readRaw(world.store, job));
  const now = () => view({ platform: bare, job });
  const prove = async () => storeProof(bare, await verifyJob(bare, await now(), { deep: true }));
  await prove();
  const before = await keysOf(world);
  const verbs: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['look', async () => look(bare, await now())],
    ['verify', prove],
    ['verify --repair', async () => repairJob(bare, await now())],
    ['ledger rebuild', () => rebuildAll(bare, { since: null, dryRun: false })],
    ['pause', async () => pause(bare, await now(), { now: true })],
    ['resume', async () => resume(bare, await now())],
    ...(truth.state === 'cancelled' ? [['cancel', async () => cancel(bare, await now())] as const] : []),
    ...(truth.failed.length === 0
      ? [
          [
            'retry',
            async () => retry(bare, await now(), { tasks: [], canaries: null, overrides: {}, dryRun: false }),
          ] as const,
        ]
      : []),
  ];
  for (const [name, verb] of verbs) {
    try {
      await verb();
    } catch (error) {
      if (!mayEnd(error)) return [`${name} of a ${truth.state} job: ${String(error)}`];
    }
    const after = await keysOf(world);
    if (after !== before) return [`${name} of a ${truth.state} job wrote: ${difference(before, after)}`];
  }
  return [];
}

async function pruneIt(world: World, sequence: Sequence): Promise<void> {
  world.services.clock.pass(3600);
  if (world.chance.is(0.6)) await sequence.say('prune', pruneAll, world.chance.whole(1, 40));
  await sequence.say('prune', pruneAll);
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
