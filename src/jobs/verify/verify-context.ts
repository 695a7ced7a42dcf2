import { createHash } from 'node:crypto';
import type { OpenedGather } from '../../model/decide.ts';
import { hasBarrier } from '../../model/job.ts';
import { AttemptPlaces } from '../../model/verify/attempt-places.ts';
import type { Findings } from '../../model/verify/findings.ts';
import type { JobView } from '../../model/view.ts';
import type { OpenBucket } from '../../ports/bucket.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { readOpened, stepTotals } from '../listing.ts';
import type { EvidenceFile, EvidenceLog } from './evidence-log.ts';

export interface VerifyOptions {
  /** Read every byte of pieces and outputs, and look whether the inputs are still the same. */
  readonly deep?: boolean;
  readonly signal?: AbortSignal;
  /** Called now and then: parts, pieces and outputs looked at, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Where all that is seen is written, line by line; the caller finishes it. */
  readonly evidence?: EvidenceFile;
}

/** What the passes of one verification share. */
export interface Verifying {
  readonly store: ObjectStore;
  readonly bucket: OpenBucket;
  readonly view: JobView;
  /** What was opened, by step; null for a step that begins without an opened.json, or that isn't open. */
  readonly opened: readonly (OpenedGather | null)[];
  readonly deep: boolean;
  readonly signal: AbortSignal | undefined;
  readonly findings: Findings;
  readonly warnings: Findings;
  /** Which attempt made which output. */
  readonly attempts: AttemptPlaces;
  /** Names of what isn't as it was published. */
  readonly altered: string[];
  /** Is told all that is seen; null where no evidence is wanted. */
  readonly evidence: EvidenceLog | null;
  /** Tells that so much more was looked at; 0: that there is no more. */
  readonly looked: (count: number) => void;
}

/** What each step of a job was opened with, read once, so that all passes speak of the same. */
export function readAllOpened(store: ObjectStore, { record }: JobView): Promise<readonly (OpenedGather | null)[]> {
  const { steps } = record.spec;
  return Promise.all(
    steps.map(({ name }, index) => (hasBarrier(steps, index) ? readOpened(store, record.job, name) : null)),
  );
}

/** Where the attempts of a job's outputs are noted: none may have made two. */
export function attemptPlaces(view: JobView): AttemptPlaces {
  return new AttemptPlaces(view.record.spec.steps, stepTotals(view));
}

/** Read in one request up to this size; as a stream above it. */
const IN_MEMORY = 1024 * 1024;

/** `sha256:<hex>` of an object's bytes as they are now, and how many; null if it provably isn't there. */
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
