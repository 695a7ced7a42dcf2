import { createHash } from 'node:crypto';
import { asciiJson } from '../../src/lib/json.ts';
import { outKey, stagedPrefix } from '../../src/model/keys.ts';
import { META, OUTPUT_FORMAT, type OutputFile } from '../../src/model/output.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { attemptOf, metaWith } from '../jobs/published-job.ts';

const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

/** Publishes a manifest of the step `split` that names so many files; the files themselves are not there. */
export async function publishManyFiles({ store }: Platform, job: string, task: number, count: number): Promise<void> {
  const of = { job, step: 'split', task };
  const attempt = attemptOf('split', task);
  const files = Array.from({ length: count }, (_, i): OutputFile => {
    const name = `f${String(i).padStart(5, '0')}`;
    return { name, key: `${stagedPrefix(job, 'split', task, attempt)}files/${name}`, size: 1, checksum: sha256(name) };
  });
  const checksum = sha256(files.map((file) => `${file.checksum} ${file.size} ${file.name}\n`).join(''));
  const metadata = { [META]: asciiJson({ format: OUTPUT_FORMAT, ...of, attempt, manifest: true }) };
  const manifest = {
    format: OUTPUT_FORMAT,
    meta: metaWith(of, count, checksum),
    single: false,
    files,
  };
  await store.put(outKey(job, 'split', task), JSON.stringify(manifest), { ifAbsent: true, metadata });
}
