import type { OutputFile, OutputMeta } from '../output.ts';

const CHECKSUM = /^sha256:[0-9a-f]{64}$/;

type Judged = Pick<
  OutputMeta,
  'attempt' | 'round' | 'number' | 'bytesOut' | 'checksum' | 'seconds' | 'bytesIn' | 'counters'
>;

/** What is wrong with a published output's metadata, in words; null if nothing is. `round` is the job's last. */
export function metaProblem(meta: Judged, round: number): string | null {
  if (typeof meta.attempt !== 'string' || meta.attempt === '') return 'it has no attempt id';
  if (!isCount(meta.round) || meta.round > round) return `it is from round ${meta.round}, which the job never had`;
  if (!isCount(meta.number) || meta.number < 1) return 'its attempt has no number';
  if (!isCount(meta.bytesOut)) return 'it has no size';
  if (typeof meta.checksum !== 'string' || !CHECKSUM.test(meta.checksum)) return 'it has no checksum';
  if (typeof meta.seconds !== 'number' || !isCount(meta.bytesIn)) return 'it has no totals';
  if (typeof meta.counters !== 'object' || meta.counters === null) return 'it has no counters';
  return null;
}

/** What is wrong with the files that a manifest names; their keys are looked at where it is read. */
export function manifestProblem(meta: OutputMeta, files: readonly OutputFile[]): string | null {
  let bytes = 0;
  for (const file of files) {
    if (!isCount(file.size) || !CHECKSUM.test(file.checksum)) return `${file.key} lacks a size or checksum`;
    bytes += file.size;
  }
  return bytes === meta.bytesOut ? null : `its files have ${bytes} bytes, but it says ${meta.bytesOut}`;
}

/** The text whose SHA-256 is the checksum of an output of many files. */
export function manifestLines(files: readonly OutputFile[]): string {
  return files.map(({ checksum, size, name }) => `${checksum} ${size} ${name}\n`).join('');
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
