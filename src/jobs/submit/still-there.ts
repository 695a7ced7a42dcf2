import type { JobRecord } from '../../model/job.ts';
import { codeKey, JOBS } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { CodeArchive } from '../code-archive.ts';
import { readView } from '../journal.ts';
import { refusePruned } from '../pruned.ts';
import { uploadedMustBeThere } from './upload-inputs.ts';

/**
 * Looks once more, after job.json was put and before the job is committed, at what a prune could have taken meanwhile:
 * the code is put again, inputs that were put and jobs whose outputs are read must be there. A prune writes its decision and then looks for
 * readers; so one of the two finds the other. Throws `notFound` for a source that was pruned.
 */
export async function mustStillBeThere(store: ObjectStore, record: JobRecord, code: CodeArchive | null): Promise<void> {
  if (code !== null && (await store.head(codeKey(code.sha256))) === null) {
    await store.put(codeKey(code.sha256), code.gzip);
  }
  await uploadedMustBeThere(store, record);
  for (const job of sourcesOf(record)) {
    const view = await readView(store, job);
    if (view !== null) refusePruned(view, 'its outputs');
  }
}

/** The jobs whose outputs a job reads. */
function sourcesOf({ inputs }: JobRecord): ReadonlySet<string> {
  const jobs = new Set<string>();
  for (const { source } of inputs) {
    if (source.kind !== 'store' || !source.key.startsWith(JOBS)) continue;
    jobs.add(source.key.slice(JOBS.length).split('/')[0] ?? '');
  }
  return jobs;
}
