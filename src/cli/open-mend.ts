import { dirname, resolve } from 'node:path';
import type { Mend } from '../jobs/mend.ts';
import type { Context } from './context.ts';
import { openJobFile } from './open-job-file.ts';

/** Reads and packs the job file of `--with`; null without. Throws `jobFile`, `notFound`. */
export async function openMend(ctx: Context, path: string | undefined): Promise<Mend | null> {
  if (path === undefined) return null;
  const spec = await openJobFile(ctx, path);
  const { attachments } = ctx;
  if (attachments !== null) {
    const { attachedCode } = await import('./attached.ts');
    return { spec, code: await attachedCode(ctx, attachments, spec) };
  }
  const { readMend } = await import('../jobs/mend.ts');
  return readMend(spec, dirname(resolve(ctx.io.cwd, path)));
}
