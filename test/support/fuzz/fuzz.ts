import type { Platform } from '../../../src/ports/platform.ts';
import { mendJob } from './endings.ts';
import { brokenLaws, textOf } from './invariants.ts';
import { Sequence } from './sequence.ts';
import { type Desk, LEASE, World } from './world.ts';

/** A sequence that broke a law. */
export interface Found {
  readonly seed: number;
  readonly broken: readonly string[];
  /** What happened before, one line each. */
  readonly story: readonly string[];
}

/** Things that happen in one sequence, at least and at most. */
const ACTIONS = [5, 120] as const;

/** Runs the sequence of a seed; null when every law holds of it, at each rest. */
export async function fuzz(desk: Desk, seed: number): Promise<Found | null> {
  const world = new World(desk, seed);
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
  await desk.queue.purge({});
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
  const bare = bareOf(world);
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

/** A way to everything that waits for nobody's turn. */
function bareOf(world: World): Platform {
  const { desk } = world;
  return {
    ...{ store: world.store, clock: desk.clock, who: 'auditor', leaseSeconds: LEASE },
    ledger: async () => world.ledger,
    queue: async () => desk.queue,
    group: () => Promise.reject(new Error('nobody asks for a group here')),
    queueModule: () => {
      throw new Error('nobody asks for a thread here');
    },
    scratch: async () => desk.directory,
    bucket: () => Promise.reject(new Error('nobody asks for a bucket here')),
    localFile: () => null,
    close: async () => undefined,
  };
}
