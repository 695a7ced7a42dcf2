import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { LocalProfile } from '../config.ts';
import { hasCode } from '../errors.ts';
import { type Check, type Finding, pass } from '../ports/check.ts';

/**
 * Whether the disk of a local root responds at all. All other checks of it block the process, so they run only after
 * this one.
 */
export function diskAnswers({ root }: LocalProfile): Check {
  const run = async (): Promise<Finding> => {
    const there = await stat(root).catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return null;
      throw error;
    });
    return pass(there === null ? `${root} does not exist yet; the first job creates it` : `${root} responds`);
  };
  return { check: 'disk', run };
}

/** Requirements for a local profile's root before anything is opened there. */
export async function localChecks({ root }: LocalProfile): Promise<readonly Check[]> {
  const [{ fileChecks }, { databaseChecks }] = await Promise.all([
    import('../adapters/local/check-files.ts'),
    import('../adapters/local/check-databases.ts'),
  ]);
  return [...fileChecks(root), ...(existsSync(root) ? databaseChecks(root) : [])];
}
