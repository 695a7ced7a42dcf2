import { readFailureObject } from '../jobs/failure-object.ts';
import type { Failure } from '../model/failure.ts';
import { isBegun, triesOfRound } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Admitted } from './admit.ts';

/** Reasons that explain the failure without the input's content: a person, the store or the machines. */
const OTHER_REASONS: ReadonlySet<string> = new Set(['killed', 'changed', 'missing', 'kills-workers']);

/**
 * Whether a task that ends now has used up its attempts on at least two workers, so that its input is the likely cause,
 * not a machine. A few small reads, only for a task that fails for good. `here`: the worker of its last attempt; null
 * if none ran now.
 */
export async function isBadInput(
  store: ObjectStore,
  { message, step }: Pick<Admitted, 'message' | 'step'>,
  { attempts, failure, here }: { readonly attempts: number; readonly failure: Failure; readonly here: string | null },
): Promise<boolean> {
  if (attempts < step.attempts || attempts < 2 || OTHER_REASONS.has(failure.reason)) return false;
  const { job, step: name, task, round } = message;
  const workers = new Set(here === null ? [] : [here]);
  for await (const key of store.keys(triesOfRound(job, name, task, round))) {
    const worker = isBegun(key) ? null : ((await readFailureObject(store, key))?.worker ?? null);
    if (worker !== null) workers.add(worker);
  }
  return workers.size > 1;
}
