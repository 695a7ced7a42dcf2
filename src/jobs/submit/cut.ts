import { setImmediate } from 'node:timers/promises';
import { expectsRecords } from '../../model/expect.ts';
import type { JobInput } from '../../model/job.ts';
import { partShardKey, pieceKey } from '../../model/keys.ts';
import { PARTS_PER_SHARD, type Part, partParams } from '../../model/part.ts';
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

/** Writes parts to one shard after the other; memory holds one. */
export class ShardWriter {
  readonly #store: Pick<ObjectStore, 'put'>;
  readonly #keyOf: (shard: number) => string;
  #lines: string[] = [];
  #shard = 0;

  constructor(store: Pick<ObjectStore, 'put'>, keyOf: (shard: number) => string) {
    this.#store = store;
    this.#keyOf = keyOf;
  }

  /** Returns the part's line, and whether its shard must be written now. */
  add(part: Part): { readonly line: string; readonly full: boolean } {
    const line = JSON.stringify(part);
    this.#lines.push(line);
    return { line, full: this.#lines.length === PARTS_PER_SHARD };
  }

  /** Writes the shard that is full, or the last one. */
  async flush(): Promise<void> {
    if (this.#lines.length === 0) return;
    await this.#store.put(this.#keyOf(this.#shard), `${this.#lines.join('\n')}\n`);
    this.#lines = [];
    this.#shard += 1;
    // A million numbers are cut without any wait: let other work and signals have a turn.
    await setImmediate();
  }
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
  const shards = new ShardWriter(store, (shard) => partShardKey(job, shard));
  // Of a pipe, only the cut learns the names.
  const checkName = inputs.some(({ source }) => source.random === null) ? namesCheck(prepared, inputs) : null;
  try {
    const parts = splitInputs({
      inputs: inputs.map(({ source }) => source),
      split: spec.input.split,
      maxTasks: spec.maxTasks,
      storePiece: storePieces(store, (n) => pieceKey(job, n)),
      countRecords: expectsRecords(spec.expect),
      onColumns: columnsCheck(spec),
      onInput: (fact) => facts.set(fact.index, fact),
      ...options,
    });
    for await (const part of parts) {
      if (part.kind === 'row' || part.kind === 'item') checkName?.(part.input, partParams(part));
      const { full } = shards.add(part);
      count += 1;
      if (part.kind === 'range' && part.assumed === true) assumed = true;
      if (!full) continue;
      await shards.flush();
      options.signal?.throwIfAborted();
    }
    await shards.flush();
  } finally {
    await closeInputs(inputs);
  }
  const found = inputs.map(({ input, source }) => cutInput(input, facts.get(source.index)));
  return { count, records: sumRecords(found), inputs: found, assumed };
}

/** An input with what its cut has counted. */
export function cutInput(input: Omit<JobInput, 'records'>, fact: InputFacts | undefined): JobInput {
  const size = input.source.kind === 'pipe' ? (fact?.bytes ?? 0) : input.size;
  return { ...input, size, records: fact?.records ?? null, ...(fact?.parts === 0 && { parts: 0 }) };
}

export function sumRecords(inputs: readonly JobInput[]): number | null {
  if (inputs.length === 0 || inputs.some(({ records }) => records === null)) return null;
  return inputs.reduce((sum, { records }) => sum + (records ?? 0), 0);
}
