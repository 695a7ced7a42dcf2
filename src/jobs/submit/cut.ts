import { setImmediate } from 'node:timers/promises';
import { expectsRecords } from '../../model/expect.ts';
import type { JobInput } from '../../model/job.ts';
import { partShardKey, shardOf } from '../../model/keys.ts';
import { PARTS_PER_SHARD, partParams } from '../../model/part.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { storePieces } from '../split/cut-pieces.ts';
import { type InputFacts, type SplitOptions, splitInputs } from '../split/split-inputs.ts';
import { closeInputs } from './inputs.ts';
import type { Prepared } from './prepared.ts';
import { columnsCheck, namesCheck } from './table-columns.ts';

export interface CutParts {
  readonly count: number;
  /** Null if the split didn't count them. */
  readonly records: number | null;
  readonly inputs: readonly JobInput[];
  /** Whether a cut was assumed: workers then check it (ADR 46). */
  readonly assumed: boolean;
}

/** Cuts the inputs and writes the parts under the job in shards; memory holds one shard. Closes the inputs. */
export async function cut(
  store: Pick<ObjectStore, 'put' | 'uploadFile'>,
  job: string,
  prepared: Prepared,
  options: Pick<SplitOptions, 'signal' | 'onProgress'>,
): Promise<CutParts> {
  const { spec, inputs } = prepared;
  if (spec.input === null) return { count: 0, records: null, inputs: [], assumed: false };
  const facts = new Map<number, InputFacts>();
  let count = 0;
  let assumed = false;
  let lines: string[] = [];
  const flush = async (): Promise<void> => {
    if (lines.length > 0) await store.put(partShardKey(job, shardOf(count - 1)), `${lines.join('\n')}\n`);
    lines = [];
  };
  // Of a pipe, only the cut learns the names.
  const checkName = inputs.some(({ source }) => source.random === null) ? namesCheck(prepared, inputs) : null;
  try {
    const parts = splitInputs({
      inputs: inputs.map(({ source }) => source),
      split: spec.input.split,
      maxTasks: spec.maxTasks,
      storePiece: storePieces(store, job),
      countRecords: expectsRecords(spec.expect),
      onColumns: columnsCheck(spec),
      onInput: (fact) => facts.set(fact.index, fact),
      ...options,
    });
    for await (const part of parts) {
      if (part.kind === 'row' || part.kind === 'item') checkName?.(part.input, partParams(part));
      lines.push(JSON.stringify(part));
      count += 1;
      if (part.kind === 'range' && part.assumed === true) assumed = true;
      if (count % PARTS_PER_SHARD !== 0) continue;
      await flush();
      // A million numbers are cut without any wait: let other work and signals have a turn.
      await setImmediate();
      options.signal?.throwIfAborted();
    }
    await flush();
  } finally {
    await closeInputs(inputs);
  }
  const found = inputs.map(({ input }, index): JobInput => {
    const fact = facts.get(index);
    const size = input.source.kind === 'pipe' ? (fact?.bytes ?? 0) : input.size;
    return { ...input, size, records: fact?.records ?? null, ...(fact?.parts === 0 && { parts: 0 }) };
  });
  return { count, records: sumRecords(found), inputs: found, assumed };
}

function sumRecords(inputs: readonly JobInput[]): number | null {
  if (inputs.length === 0 || inputs.some(({ records }) => records === null)) return null;
  return inputs.reduce((sum, { records }) => sum + (records ?? 0), 0);
}
