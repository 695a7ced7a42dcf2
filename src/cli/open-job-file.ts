import { resolve } from 'node:path';
import { BatchctlError } from '../errors.ts';
import type { JobSpec } from '../model/job.ts';
import type { Context } from './context.ts';

/** Reads a job file, relative to where the command runs. Throws `jobFile` with every mistake, `notFound`. */
export async function openJobFile(ctx: Context, path: string): Promise<JobSpec> {
  await requireProfile(ctx);
  const { loadJobFile } = await import('../jobs/spec/job-file.ts');
  return loadJobFile(resolve(ctx.io.cwd, path));
}

/** Without a configuration and without a terminal (cron), nobody would see where work goes: the profile must be said. */
export async function requireProfile(ctx: Context): Promise<void> {
  const config = await ctx.config();
  if (config.file !== null || config.profileFrom !== 'default' || ctx.io.stderr.isTTY === true) return;
  throw new BatchctlError('config', 'found no batchctl.config.json, and no terminal to ask on', {
    hint: 'say --profile local to keep jobs in .batchctl here, or batchctl init',
  });
}
