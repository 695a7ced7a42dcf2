import { resolve } from 'node:path';
import type { JobSpec } from '../model/job.ts';
import type { Context } from './context.ts';

/**
 * Reads a job file, relative to the working directory, or as sent by a remote caller. Throws `jobFile` with every
 * mistake, `notFound`.
 */
export async function openJobFile(ctx: Context, path: string): Promise<JobSpec> {
  if (ctx.attachments !== null) return (await import('./attached.ts')).attachedSpec(ctx.attachments, path);
  const { loadJobFile } = await import('../jobs/spec/job-file.ts');
  return loadJobFile(resolve(ctx.io.cwd, path));
}
