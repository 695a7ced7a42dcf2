import { Big } from 'big.js';
import type { TaskBits } from '../model/bits.ts';
import type { JobRecord } from '../model/job.ts';
import { outKey } from '../model/keys.ts';
import type { OutputMeta } from '../model/output.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { metaOf, readOutput } from './output.ts';

/** Exact totals of a step, from its published outputs alone (law 12). */
export interface StepTotals {
  readonly outputs: number;
  readonly seconds: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Exact decimals as text. */
  readonly counters: Readonly<Record<string, string>>;
}

const IN_FLIGHT = 32;

/** Reads the metadata of every published task and adds it up; memory is that of the counters' names. */
export async function totalsOf(
  store: ObjectStore,
  job: string,
  step: string,
  tasks: TaskBits,
  each?: (task: number, meta: OutputMeta) => void,
): Promise<StepTotals> {
  const sums = new Map<string, Big>();
  const totals = { outputs: 0, seconds: 0, bytesIn: 0, bytesOut: 0 };
  const add = async (task: number): Promise<void> => {
    const meta = await readMeta(store, job, step, task);
    if (meta === null) return;
    totals.outputs += 1;
    totals.seconds += meta.seconds;
    totals.bytesIn += meta.bytesIn;
    totals.bytesOut += meta.bytesOut;
    for (const [name, value] of Object.entries(meta.counters)) sums.set(name, (sums.get(name) ?? Big(0)).plus(value));
    each?.(task, meta);
  };
  let flight: Promise<void>[] = [];
  for (const task of tasks) {
    flight.push(add(task));
    if (flight.length === IN_FLIGHT) {
      await Promise.all(flight);
      flight = [];
    }
  }
  await Promise.all(flight);
  const counters = Object.fromEntries([...sums].map(([name, sum]) => [name, sum.toFixed()]));
  return { ...totals, counters };
}

async function readMeta(store: ObjectStore, job: string, step: string, task: number): Promise<OutputMeta | null> {
  const key = outKey(job, step, task);
  const info = await store.head(key);
  if (info === null) return null;
  const brief = metaOf({ job, step, task }, info.metadata);
  return brief.manifest === true ? ((await readOutput(store, job, step, task))?.meta ?? null) : brief;
}

/** What `input.<name>` means in an equation. */
export function inputTotals(record: JobRecord): Readonly<Record<string, string>> {
  const bytes = record.inputs.reduce((sum, input) => sum + input.size, 0);
  // A rehearsal's equations are about its sample.
  const { rehearsal } = record;
  return {
    bytes: String(rehearsal?.bytes ?? bytes),
    files: String(rehearsal?.inputs ?? record.inputs.length),
    ...(record.records === null ? {} : { records: String(record.records) }),
  };
}
