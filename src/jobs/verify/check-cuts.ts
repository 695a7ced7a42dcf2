import { isKind } from '../../errors.ts';
import type { RangePart } from '../../model/part.ts';
import { Findings } from '../../model/verify/findings.ts';
import { stateOf } from '../../model/view.ts';
import { CutError } from '../split/cut-check.ts';
import { recheckCuts } from '../split/stage-part.ts';
import { readParts } from './scan-inputs.ts';
import type { VerifyContext } from './verify-context.ts';

/** Parts that are read at most: those of tasks that were skipped or given up before they ran, by the thousand. */
const READ = 100;

/**
 * Proves for a succeeded job that assumed cuts are between records (ADR 46): by what its workers found, and for tasks
 * without an output or failure that says so, by reading their parts. Call it after parts and outputs were scanned.
 */
export async function checkCuts(ctx: VerifyContext): Promise<void> {
  const { cuts, warnings } = ctx;
  if (cuts === null || stateOf(ctx.view) !== 'succeeded') return;
  const open = new Set<number>();
  for (const n of cuts.assumed) if (!cuts.checked.has(n) && open.size <= READ) open.add(n);
  if (open.size === 0) return;
  let read = 0;
  // What is wrong with the parts themselves is reported already.
  for await (const part of readParts({ ...ctx, findings: new Findings() })) {
    if (part.kind !== 'range' || !open.has(part.n)) continue;
    if (read === READ) {
      warnings.add(
        'cutUnread',
        `more than ${READ} parts have no output that counts: the cuts of the others are not checked`,
      );
      return;
    }
    await recheck(ctx, part);
    read += 1;
  }
}

async function recheck(
  { store, bucket, signal, view, findings, warnings }: VerifyContext,
  part: RangePart,
): Promise<void> {
  const { inputs, spec } = view.record;
  const input = inputs[part.input];
  if (input === undefined) return;
  signal?.throwIfAborted();
  try {
    await recheckCuts(part, input, { input, store, bucket, split: spec.input?.split, ...(signal && { signal }) });
  } catch (error) {
    if (error instanceof CutError) {
      const what = `part ${part.n} was cut within a record, and no task's output shows it; check its neighbors, too`;
      findings.add('cutWithinRecord', `${what}: ${error.message}`);
    } else if (isKind(error, 'changed')) {
      const what = `part ${part.n} has no output that counts, and whether it holds whole records is unknown`;
      warnings.add('cutUnread', `${what}: ${error.message}`);
    } else throw error;
  }
}
