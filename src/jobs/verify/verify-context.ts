import { createHash } from 'node:crypto';
import { hasBarrier } from '../../model/job.ts';
import type { TaskBits } from '../../model/task-set.ts';
import { AttemptPlaces } from '../../model/verify/attempt-places.ts';
import { Findings } from '../../model/verify/findings.ts';
import type { JobView, OpenedGather } from '../../model/view.ts';
import type { OpenBucket } from '../../ports/bucket.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { readOpened, stepTotals } from '../listing.ts';
import type { EvidenceFile, EvidenceLog } from './evidence-log.ts';
import { InputLinks } from './input-links.ts';

export interface VerifyOptions {
  /** Read every byte of pieces and outputs, and check whether the inputs are still the same. */
  readonly deep?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (done: number, total: number) => void;
  /** Receives a line for everything seen; the caller finishes the file. */
  readonly evidence?: EvidenceFile;
}

export interface VerifyContext {
  readonly store: ObjectStore;
  readonly bucket: OpenBucket;
  readonly view: JobView;
  /** Each step's opened.json; null for a step that begins without one, or isn't open. */
  readonly opened: readonly (OpenedGather | null)[];
  readonly deep: boolean;
  readonly signal: AbortSignal | undefined;
  readonly findings: Findings;
  readonly warnings: Findings;
  readonly attempts: AttemptPlaces;
  /** Compares what outputs were made from. */
  readonly links: InputLinks;
  readonly altered: string[];
  /** The parts whose cuts were assumed, and those that a worker checked; null if that is not asked. */
  readonly cuts: { readonly assumed: TaskBits; readonly checked: TaskBits } | null;
  /** Receives everything seen; null if no evidence is wanted. */
  readonly evidence: EvidenceLog | null;
  /** Reports that this many more objects were checked; 0: the total is reached. */
  readonly reportChecked: (count: number) => void;
}

/** A context without evidence. `others`: how many objects are checked besides the outputs. */
export async function createContext(
  { store, bucket }: Platform,
  view: JobView,
  others: number,
  { deep = false, signal, onProgress }: VerifyOptions,
): Promise<VerifyContext> {
  const total = stepTotals(view).reduce((sum, size) => sum + size, others);
  const opened = await readAllOpened(store, view);
  let done = 0;
  return {
    store,
    bucket,
    view,
    deep,
    signal,
    opened,
    findings: new Findings(),
    warnings: new Findings(),
    attempts: attemptPlaces(view),
    links: inputLinks(view, opened),
    altered: [],
    cuts: null,
    evidence: null,
    reportChecked: (count) => {
      done += count;
      if (count !== 1 || done % 100 === 0) onProgress?.(done, total);
    },
  };
}

/** Reads each step's opened.json once, so that all passes use the same version. */
function readAllOpened(store: ObjectStore, { record }: JobView): Promise<readonly (OpenedGather | null)[]> {
  const { steps } = record.spec;
  return Promise.all(
    steps.map(({ name }, index) => (hasBarrier(steps, index) ? readOpened(store, record.job, name) : null)),
  );
}

/** Records where the attempts of a job's outputs are: an attempt may have made only one output. */
export function attemptPlaces(view: JobView): AttemptPlaces {
  return new AttemptPlaces(view.record.spec.steps, stepTotals(view));
}

export function inputLinks(view: JobView, opened: readonly (OpenedGather | null)[]): InputLinks {
  return new InputLinks(view.record.spec.steps, opened, stepTotals(view));
}

/** Objects up to this size are read in one request; larger ones are streamed. */
const IN_MEMORY = 1024 * 1024;

/** The object's current `sha256:<hex>` and size in bytes; null if it provably doesn't exist. */
export async function hashObject(
  store: Pick<ObjectStore, 'read' | 'get'>,
  key: string,
  size: number,
  signal?: AbortSignal,
): Promise<{ readonly checksum: string; readonly size: number } | null> {
  const hash = createHash('sha256');
  const options = signal === undefined ? {} : { signal };
  let got = 0;
  if (size <= IN_MEMORY) {
    const bytes = await store.read(key, options);
    if (bytes === null) return null;
    hash.update(bytes);
    got = bytes.length;
  } else {
    const stream = await store.get(key, options);
    if (stream === null) return null;
    for await (const chunk of stream.body as AsyncIterable<Buffer>) {
      hash.update(chunk);
      got += chunk.length;
    }
  }
  return { checksum: `sha256:${hash.digest('hex')}`, size: got };
}
