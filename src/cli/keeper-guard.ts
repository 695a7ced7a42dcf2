import { BatchctlError } from '../errors.ts';
import { freshKeeper, latestKeeper } from '../jobs/keeper.ts';
import { existingRun } from '../jobs/run-claims.ts';
import type { Prepared } from '../jobs/submit/prepare.ts';
import type { Context } from './context.ts';
import type { SubmissionInput } from './submission-flags.ts';

/** A crontab line that looks after this profile: one round per minute, silent unless something is wrong. */
export async function crontabLine(ctx: Context): Promise<string> {
  const { profile, file } = await ctx.config();
  const config = file === null ? '' : ` --config ${quoted(file)}`;
  const root = file === null ? `cd ${quoted(ctx.io.cwd)} && ` : '';
  return `* * * * *  ${root}batchctl tick --quiet --profile ${profile.name}${config}`;
}

/** Quoted for /bin/sh, and for cron, which ends a command at `%`. */
function quoted(path: string): string {
  const plain = /^[\w./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
  return plain.replaceAll('%', String.raw`\%`);
}

/**
 * For an unattended submission: a later start or deadline needs a running manager or tick. Throws `refused` if none was
 * active lately; not for an existing job (`prepared` tells, and is called only then).
 */
export async function requireKeeper(
  ctx: Context,
  input: SubmissionInput,
  prepared: () => Promise<Prepared>,
): Promise<void> {
  const flags = await promises(ctx, input);
  if (flags.length === 0) return;
  const platform = await ctx.platform();
  if (freshKeeper(await latestKeeper(platform), platform.clock.now()) !== null) return;
  const { runKey } = input.runKey === undefined || input.again ? { runKey: null } : await prepared();
  if (runKey !== null && (await existingRun(platform, runKey)) !== null) return;
  const [verb, it] = flags.length === 1 ? ['needs', 'it'] : ['need', 'them'];
  throw new BatchctlError(
    'refused',
    `${flags.join(' and ')} ${verb} a manager or tick to look after ${it}, but none has run within the last 15 minutes`,
    { hint: `add to a crontab: ${await crontabLine(ctx)}    or use --watch and keep it running` },
  );
}

/** On this machine a deadline is only reported; where instances cost money, someone must watch it. */
async function promises(ctx: Context, { at, finishBy, maxCost }: SubmissionInput): Promise<readonly string[]> {
  const later = at === undefined ? [] : ['--at'];
  if ((await ctx.config()).profile.backend === 'local') return later;
  return [
    ...later,
    ...(finishBy === undefined ? [] : ['--finish-by']),
    ...(maxCost === undefined ? [] : ['--max-cost']),
  ];
}
