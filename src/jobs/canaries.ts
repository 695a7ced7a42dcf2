import { isKind } from '../errors.ts';
import { eachParallel } from '../lib/each-parallel.ts';
import { TaskBits } from '../model/bits.ts';
import { heldRounds } from '../model/held-rounds.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { readOutput } from './output.ts';

const IN_FLIGHT = 16;

/**
 * For a step's canaries that hold back the rest of their rounds: those whose output was made in their round or later.
 * An output published late by an earlier round says nothing about the retry's changes. Null if nothing is held back.
 * One small read per published canary.
 */
export async function provenCanaries(
  store: ObjectStore,
  view: JobView,
  step: number,
  published: TaskBits,
): Promise<TaskBits | null> {
  const held = heldRounds(view);
  if (held.length === 0) return null;
  const proven = new TaskBits(published.size);
  const name = view.record.spec.steps[step]?.name ?? '';
  const candidates = held.flatMap(({ round, canaries }) =>
    [...numbers(canaries.get(step) ?? [], published)].map((task) => ({ round, task })),
  );
  await eachParallel(candidates, IN_FLIGHT, async ({ round, task }) => {
    try {
      const output = await readOutput(store, view.record.job, name, task);
      if (output !== null && output.meta.round >= round) proven.add(task);
    } catch (error) {
      // An output that no attempt published proves nothing.
      if (!isKind(error, 'corrupt')) throw error;
    }
  });
  return proven;
}

function* numbers(ranges: readonly (readonly [number, number])[], published: TaskBits): Generator<number> {
  for (const [from, to] of ranges) for (let n = from; n <= to; n += 1) if (published.has(n)) yield n;
}
