import { appendFileSync } from 'node:fs';
import type { FaultKind } from '../../model/faults.ts';

/** Adds a line a fault to a file, before it happens: what kills a worker is counted too. Throws nothing. */
export function tallyInto(file: string): (fault: FaultKind, count?: number) => void {
  return (fault, count = 1) => {
    try {
      appendFileSync(file, `${fault}\n`.repeat(count));
    } catch {
      // The count is for people; the work goes on without it.
    }
  };
}
