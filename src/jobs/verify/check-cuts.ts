import { isKind } from '../../errors.ts';
import type { JobRecord } from '../../model/job.ts';
import type { Part, RangePart } from '../../model/part.ts';
import { TaskBits } from '../../model/task-set.ts';
import { Findings } from '../../model/verify/findings.ts';
import { CutRefused } from '../split/cut-check.ts';
import { recheckCuts } from '../split/stage-part.ts';
import { readParts } from './scan-inputs.ts';
import type { Verifying } from './verify-context.ts';

/**
 * Proves that assumed cuts are between records (ADR 46): by the outputs whose workers checked it, and for tasks without
 * one (skipped, failed, or of an older worker) by reading their parts.
 */
export class CutsProof {
  readonly #assumed: TaskBits;
  readonly #checked: TaskBits;

  constructor({ parts }: Pick<JobRecord, 'parts'>) {
    this.#assumed = new TaskBits(parts);
    this.#checked = new TaskBits(parts);
  }

  /** Takes a part. */
  part(part: Part): void {
    if (part.kind === 'range' && part.assumed === true) this.#assumed.add(part.n);
  }

  /** Takes a task of the first step whose worker found that its part holds whole records. */
  checked(task: number): void {
    this.#checked.add(task);
  }

  /** Reports cuts within records. The parts are read once more, only if some were not checked. */
  async finish(ctx: Verifying): Promise<void> {
    if (this.#allChecked()) return;
    // What is wrong with the parts themselves is reported already.
    for await (const part of readParts({ ...ctx, findings: new Findings() })) {
      if (part.kind === 'range' && this.#assumed.has(part.n) && !this.#checked.has(part.n)) await recheck(ctx, part);
    }
  }

  #allChecked(): boolean {
    for (const n of this.#assumed) if (!this.#checked.has(n)) return false;
    return true;
  }
}

async function recheck({ store, bucket, signal, view, findings, warnings }: Verifying, part: RangePart): Promise<void> {
  const { inputs, spec } = view.record;
  const input = inputs[part.input];
  if (input === undefined) return;
  signal?.throwIfAborted();
  try {
    await recheckCuts(part, input, { input, store, bucket, split: spec.input?.split, ...(signal && { signal }) });
  } catch (error) {
    if (error instanceof CutRefused) {
      const what = `part ${part.n} has no output that counts, and holds no whole records, so its neighbors may not either`;
      findings.add('cutWithinRecord', `${what}: ${error.message}`);
    } else if (isKind(error, 'changed')) {
      const what = `part ${part.n} has no output that counts, and whether it holds whole records is unknown`;
      warnings.add('cutUnread', `${what}: ${error.message}`);
    } else throw error;
  }
}
