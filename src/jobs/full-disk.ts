import { BatchctlError, isKind, nullIfBatchctlError } from '../errors.ts';
import { formatMany, formatSize } from '../lib/units.ts';
import type { DiskSpace } from '../model/machine-facts.ts';
import type { Platform } from '../ports/platform.ts';

/**
 * Adds to an error of a full disk what is free on the profile's disks, and the command that continues. Returns any other
 * error unchanged.
 */
export async function explainFullDisk(
  open: () => Promise<Pick<Platform, 'insight'>>,
  error: unknown,
  goOn: string,
): Promise<unknown> {
  if (!isKind(error, 'full')) return error;
  const disks = await open()
    .then(({ insight }) => insight?.disks() ?? [])
    .catch(nullIfBatchctlError);
  const free = (disks ?? []).map(freeText).join('; ');
  return new BatchctlError('full', free === '' ? error.message : `${error.message} (${free})`, {
    hint: `free space there, then ${goOn}: what is done is kept`,
    cause: error,
  });
}

/** Fewer free files than this may be what is missing. */
const FEW_FILES = 1_000;

function freeText({ path, free, freeFiles }: DiskSpace): string {
  const files = freeFiles === null || freeFiles >= FEW_FILES ? '' : `, ${formatMany(freeFiles, 'file')}`;
  return `free at ${path}: ${formatSize(free)}${files}`;
}
