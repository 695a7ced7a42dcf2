import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { LocalProfile } from '../config.ts';
import { hasCode } from '../errors.ts';
import { type Check, type Finding, pass } from '../ports/check.ts';

/**
 * Whether the disk of a local root answers at all. All else that looks at it blocks the process, so where this one gets
 * no answer nothing else is tried.
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

/** What must hold of a local profile's root before anything can be opened there. */
export async function localChecks({ root }: LocalProfile): Promise<readonly Check[]> {
  const [{ fileChecks }, { databaseChecks }] = await Promise.all([
    import('../adapters/local/check-files.ts'),
    import('../adapters/local/check-databases.ts'),
  ]);
  return [...fileChecks(root), ...(existsSync(root) ? databaseChecks(root) : [])];
}
