import { BatchctlError } from '../../errors.ts';
import { bytesChecksum } from '../../lib/file-checksum.ts';
import type { JournalEntry } from '../../model/journal.ts';
import { journalKey } from '../../model/keys.ts';
import type { DecisionLine } from '../../model/verify/evidence-lines.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { parseEntry } from '../journal.ts';

/** A journal entry with its bytes, from which it can be told later that nobody changed it. */
export interface Decision {
  readonly line: DecisionLine;
  readonly entry: JournalEntry;
}

/** The entries that a view was made of. Throws `corrupt` for one that is gone or no JSON. */
export async function readDecisions(store: ObjectStore, view: JobView): Promise<readonly Decision[]> {
  const decisions: Decision[] = [];
  for (let n = 0; n < view.next; n += 1) {
    const key = journalKey(view.record.job, n);
    const bytes = await store.read(key);
    if (bytes === null) {
      throw new BatchctlError('corrupt', `${key} is gone, and was there a moment ago`, {
        hint: 'restore it from a backup of the store',
      });
    }
    const entry = parseEntry(key, bytes);
    const text = new TextDecoder().decode(bytes);
    decisions.push({ entry, line: { line: 'decision', n, checksum: bytesChecksum(bytes), text } });
  }
  return decisions;
}
