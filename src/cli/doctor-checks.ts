import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import type { Config } from '../config.ts';
import { isOurs } from '../errors.ts';
import { machineChecks } from '../jobs/doctor/machine-checks.ts';
import { type CheckResult, runChecks } from '../jobs/doctor/run-checks.ts';
import type { Context } from './context.ts';

/**
 * Every check that can be made, in the order in which they build on each other. Where the configuration is wrong there is
 * no profile to look at, and where the root is, no platform: what doesn't need them is checked all the same.
 */
export async function examine(ctx: Context): Promise<readonly CheckResult[]> {
  let config: Config | null = null;
  let configuration: CheckResult;
  try {
    config = await ctx.config();
    const where =
      config.file === null ? 'no configuration file, the built-in profile' : relative(ctx.io.cwd, config.file);
    const message = `${where}: profile ${config.profile.name}, by ${config.profileFrom}`;
    configuration = { check: 'configuration', status: 'pass', message, mend: null };
  } catch (error) {
    configuration = failed('configuration', error, 'batchctl config schema describes what is allowed');
  }
  const machine = runChecks(
    machineChecks({
      nodeVersion: process.versions.node,
      env: ctx.io.env,
      tz: config?.profile.tz ?? null,
      platform: process.platform,
    }),
  );
  const profile = config === null ? [] : await checkProfile(ctx, config);
  return [configuration, ...(await machine), ...profile];
}

async function checkProfile(ctx: Context, { profile }: Config): Promise<readonly CheckResult[]> {
  if (profile.backend !== 'local') {
    const message = `profile ${profile.name} has the backend ${profile.backend}, which this version does not run yet`;
    return [{ check: 'backend', status: 'fail', message, mend: 'use --profile local' }];
  }
  const { diskAnswers, localChecks } = await import('../platform/local-checks.ts');
  const disk = await runChecks([diskAnswers(profile)]);
  if (disk.some(({ status }) => status === 'fail')) return disk;
  const root = [...disk, ...(await runChecks(await localChecks(profile)))];
  // Opening makes the root: looking must not.
  if (!existsSync(profile.root)) return root;
  try {
    const [platform, { gridChecks }] = await Promise.all([ctx.platform(), import('../jobs/doctor/grid-checks.ts')]);
    return [...root, ...(await runChecks(gridChecks(platform)))];
  } catch (error) {
    return [...root, failed('store', error, 'mend what failed above, and look again')];
  }
}

function failed(check: string, error: unknown, mend: string): CheckResult {
  if (!isOurs(error)) throw error;
  return { check, status: 'fail', message: error.message, mend: error.hint ?? mend };
}
