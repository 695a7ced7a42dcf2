import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { BatchctlError } from '../errors.ts';
import type { FileChecked } from '../jobs/verify/check/check-file.ts';
import type { Finding } from '../model/verify/findings.ts';
import type { Context } from './context.ts';
import { startProgress } from './progress.ts';
import { answer } from './render.ts';
import { checkText } from './verify-text.ts';

/** A file of so many bytes takes long enough to read that progress is worth showing. */
const LONG = 50_000_000;

/**
 * `verify --check FILE`: offline, without a store or a configuration. With a job as well, the store is asked whether it
 * keeps that very proof. Throws `proof` when the file doesn't prove what it states.
 */
export async function checkEvidence(ctx: Context, file: string, job: string | undefined): Promise<void> {
  const { checkFile } = await import('../jobs/verify/check/check-file.ts');
  const path = resolve(ctx.io.cwd, file);
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const progress = size > LONG ? await startProgress(ctx, 'checking', 'bytes') : null;
  const checked = await checkFile(path, {
    signal: ctx.signal,
    ...(progress !== null && { onProgress: (bytes: number) => progress.update(bytes, size) }),
  }).catch((error: unknown) => {
    progress?.failed();
    throw error;
  });
  progress?.done();
  const mismatches = [...checked.mismatches, ...(job === undefined ? [] : await compareWithStore(ctx, checked, job))];
  const unproven = statesFailure(checked, mismatches);
  await answer(ctx, {
    json: documentOf(file, checked, mismatches),
    text: () => checkText(ctx, file, checked, mismatches, unproven),
  });
  const [first] = mismatches;
  if (first === undefined) return;
  if (unproven) {
    throw new BatchctlError('proof', `${file} is intact, but says that its job was not proven: ${first.message}`, {
      hint: 'fix the job, then run batchctl verify JOB -o FILE',
    });
  }
  throw new BatchctlError('proof', `${file} does not prove what it claims: ${first.message}`, {
    hint: 'get the file again from its author: batchctl verify JOB -o FILE',
  });
}

/** True for a file in which nothing is amiss but the job itself: its problems are those that the proof states. */
function statesFailure({ proof }: FileChecked, mismatches: readonly Finding[]): boolean {
  if (proof?.result.verdict !== 'failed' || !mismatches.some(({ code }) => code === 'notProven')) return false;
  const stated = new Set((proof.result.problems ?? []).map(({ message }) => message));
  return mismatches.every(({ code, message }) => code === 'notProven' || stated.has(message));
}

/** Whether the store still keeps the proof that the file holds, byte for byte. */
async function compareWithStore(ctx: Context, checked: FileChecked, job: string): Promise<readonly Finding[]> {
  const [{ findJob }, { bytesChecksum }] = await Promise.all([
    import('../jobs/find.ts'),
    import('../lib/file-checksum.ts'),
  ]);
  const platform = await ctx.platform();
  const { record } = await findJob(platform, job);
  const of = checked.proof?.result.job;
  if (of !== record.job) return [{ code: 'job', message: `the file is for job ${of ?? '?'}, not for ${record.job}` }];
  if (checked.key === null && checked.proof?.result.verdict === 'failed') return []; // only one that holds is kept
  const bytes = checked.key === null ? null : await platform.store.read(checked.key);
  if (bytes === null) return [{ code: 'notKept', message: `the store has no proof at ${checked.key ?? 'any key'}` }];
  if (bytesChecksum(bytes) === checked.checksum) return [];
  return [{ code: 'notKept', message: `the proof in the store at ${checked.key} differs from that in the file` }];
}

/** The proof's own document, with what the check found; little of it where the file holds no proof that can be read. */
function documentOf(file: string, checked: FileChecked, mismatches: readonly Finding[]) {
  const { lines, sha256, key, checksum, proof } = checked;
  const result = proof?.result ?? {
    format: 1,
    job: null,
    runKey: null,
    state: null,
    checked: null,
    steps: [],
    problems: [],
  };
  const check = {
    ...{ file, lines, sha256, checksum, mismatches },
    ...{ who: proof?.who ?? null, when: proof?.when ?? null, version: proof?.version ?? null },
  };
  return { ...result, verdict: mismatches.length === 0 ? 'proven' : 'failed', proof: key, repair: null, check };
}
