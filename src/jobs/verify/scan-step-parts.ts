import { isKind } from '../../errors.ts';
import type { OpenedGather } from '../../model/decide.ts';
import { takesFiles } from '../../model/job.ts';
import { stepPartShard, stepPartsPrefix } from '../../model/keys.ts';
import { PARTS_PER_SHARD } from '../../model/part.ts';
import { FilePartsCheck } from '../../model/verify/file-parts-check.ts';
import { openedStep } from '../explode/explode.ts';
import { fileParts } from '../explode/file-parts.ts';
import { type OpenedStep, shardCount } from '../explode/step-shards.ts';
import { stepTotals } from '../listing.ts';
import type { Verifying } from './verify-context.ts';

const TURN = 1_000;

/**
 * Reads the part shards of every opened step behind an `explode` beside the outputs that they were made of; memory is
 * that of one shard.
 */
export async function scanStepParts(ctx: Verifying): Promise<void> {
  for (const [index, opened] of ctx.opened.entries()) {
    if (opened !== null && takesFiles(ctx.view.record.spec.steps, index)) await scanStep(ctx, index, opened);
  }
}

async function scanStep(ctx: Verifying, index: number, opened: OpenedGather): Promise<void> {
  const { store, view, findings } = ctx;
  const step = openedStep(store, view, { index, size: stepTotals(view)[index - 1] ?? 0, opened });
  const check = new FilePartsCheck(step.taker, findings);
  const lines = linesOf(ctx, step);
  let line = (await lines.next()).value;
  let files = 0;
  try {
    for await (const expected of fileParts({ ...step, leftOut: opened.leftOut })) {
      files += 1;
      ctx.evidence?.file(step.taker, expected);
      if (files % TURN === 0) ctx.looked(TURN);
      for (let done: 'line' | 'part' | 'both' = 'line'; done === 'line'; ) {
        done = line === undefined ? 'part' : check.compare(line.text, line.where, expected);
        if (line === undefined) check.missing(expected);
        else if (done !== 'part') line = (await lines.next()).value;
      }
    }
  } catch (error) {
    // An output that is gone or altered, or a set of tasks that is none: both are findings of their own already.
    if (!isKind(error, 'proof', 'corrupt') && !(error instanceof RangeError)) throw error;
    findings.add('partSource', `the parts of ${step.taker} can't be compared with the files: ${error.message}`);
    return;
  }
  for (; line !== undefined; line = (await lines.next()).value) check.extra(line.where);
  if (files !== opened.count) {
    findings.add('opened', `step ${step.taker} was opened with ${opened.count} files; ${step.step} made ${files}`);
  }
}

async function* linesOf(
  { store, view, signal, findings }: Verifying,
  step: OpenedStep,
): AsyncGenerator<{ readonly text: string; readonly where: string }, undefined> {
  const { job } = view.record;
  const known = new Set<string>();
  for (let shard = 0; shard < shardCount(step.opened.count); shard += 1) {
    signal?.throwIfAborted();
    const key = stepPartShard(job, step.taker, shard);
    known.add(key);
    const bytes = await store.read(key);
    if (bytes === null) findings.add('shardMissing', `${key} is gone, with up to ${PARTS_PER_SHARD} parts`);
    const text = new TextDecoder().decode(bytes ?? new Uint8Array());
    let line = 0;
    for (let from = 0; from < text.length; ) {
      const at = text.indexOf('\n', from);
      const end = at === -1 ? text.length : at;
      line += 1;
      yield { text: text.slice(from, end), where: `line ${line} of ${key}` };
      from = end + 1;
    }
  }
  for await (const key of store.keys(stepPartsPrefix(job, step.taker))) {
    if (!known.has(key)) findings.add('foreign', `${key} is no part shard of step ${step.taker}`);
  }
  return undefined;
}
