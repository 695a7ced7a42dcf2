import { dirname, resolve } from 'node:path';
import type { Context } from '../context.ts';
import { openJobFile } from '../open-job-file.ts';
import type { OwnJob } from './attach-job.ts';

/** Reads a job file of this machine. Throws `jobFile` with every mistake, `notFound`. */
export async function openOwnJob(ctx: Context, path: string): Promise<OwnJob> {
  return { path, spec: await openJobFile(ctx, path), directory: dirname(resolve(ctx.io.cwd, path)) };
}
