import type { EvidenceLine } from '../../../model/verify/evidence-lines.ts';
import type { JobView } from '../../../model/view.ts';
import type { EvidenceSum } from '../evidence-sum.ts';
import type { EndsCheck } from './ends-check.ts';

/** The kinds of lines before the proof, in the order in which they stand in a file. */
export const ORDER = ['evidence', 'input', 'decision', 'part', 'opened', 'end', 'file'] as const;
/** A line before the proof. */
export type BodyLine = Exclude<EvidenceLine, { readonly line: 'proof' | 'seal' }>;

/** What the lines of a file come to, by themselves. */
export interface Claimed {
  readonly view: JobView;
  readonly sum: EvidenceSum;
  readonly scanned: { readonly parts: number; readonly inputs: number; readonly bytes: number };
  readonly ends: readonly EndsCheck[];
}
