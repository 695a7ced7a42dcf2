import { stepSizes } from '../model/step-sizes.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { cut } from './submit/cut.ts';
import { existingRun } from './submit/existing-run.ts';
import type { Prepared } from './submit/prepare.ts';

/** What a submission would do. Nothing was written to learn it. */
export interface Plan {
  readonly name: string;
  readonly runKey: string | null;
  /** The job that this key names already; then nothing would be submitted. */
  readonly existing: { readonly job: string; readonly sameContent: boolean } | null;
  readonly inputs: readonly {
    readonly name: string;
    readonly size: number;
    readonly records: number | null;
    readonly compression: string | null;
  }[];
  /** Bytes of all inputs. */
  readonly bytes: number;
  readonly parts: number;
  readonly records: number | null;
  readonly steps: readonly {
    readonly name: string;
    readonly group: string;
    /** Null behind an `explode`: one a file that the step before it will make. */
    readonly tasks: number | null;
    readonly gather: boolean;
  }[];
  /** Of all steps; those behind an `explode` apart. */
  readonly tasks: number;
  /** Messages on queues when every such task runs once. */
  readonly messages: number;
  /** Files shipped to the workers. */
  readonly files: readonly string[];
}

/** Cuts the inputs for the number of parts, keeping none. Closes them. */
export async function planOf(platform: Platform, prepared: Prepared, signal?: AbortSignal): Promise<Plan> {
  const existing = prepared.runKey === null ? null : await existingRun(platform, prepared.runKey);
  const parts = await cut(nowhere, 'plan', prepared, signal === undefined ? {} : { signal });
  const { steps } = prepared.spec;
  const sizes = stepSizes({ steps, parts: parts.count, exploded: new Map() });
  const planned = steps.map((step, index) => ({
    name: step.name,
    group: step.group,
    tasks: sizes[index] ?? null,
    gather: step.gather,
  }));
  const tasks = planned.reduce((sum, step) => sum + (step.tasks ?? 0), 0);
  return {
    name: prepared.spec.name,
    runKey: prepared.runKey,
    existing:
      existing === null ? null : { job: existing.claim.job, sameContent: existing.claim.digest === prepared.digest },
    inputs: parts.inputs.map(({ name, size, records, compression }) => ({ name, size, records, compression })),
    bytes: parts.inputs.reduce((sum, { size }) => sum + size, 0),
    parts: parts.count,
    records: parts.records,
    steps: planned,
    tasks,
    messages: tasks,
    files: prepared.code?.files ?? [],
  };
}

/** Where a plan's parts and pieces go. */
const nowhere: Pick<ObjectStore, 'put' | 'uploadFile'> = {
  put: async () => ({ created: true, etag: '' }),
  uploadFile: async () => ({ created: true, etag: '' }),
};
