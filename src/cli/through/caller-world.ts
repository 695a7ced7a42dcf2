import type { CallerTerminal, VerbFlags } from '../../ports/verbs.ts';
import type { Context } from '../context.ts';

/** This command's flags as a manager takes them: times are read and shown in this machine's zone, not in the manager's. */
export async function flagsOf({ flags, zone }: Pick<Context, 'flags' | 'zone'>): Promise<VerbFlags> {
  const { json, quiet, verbose, yes, dryRun } = flags;
  return { json, quiet, verbose, yes, dryRun, tz: await zone() };
}

/** Columns that a manager draws for. */
const [NARROWEST, WIDEST] = [20, 1_000];

/** The terminal that this command writes to; null: it writes to files and pipes, or to one that can't be drawn on. */
export function terminalOf({ io, flags }: Pick<Context, 'io' | 'flags'>): CallerTerminal | null {
  const { stdout, stderr, env } = io;
  const shows: ('out' | 'err')[] = [];
  if (stdout.isTTY === true) shows.push('out');
  if (stderr.isTTY === true) shows.push('err');
  if (shows.length === 0 || env.TERM === 'dumb') return null;
  const columns = Math.min(WIDEST, Math.max(NARROWEST, stdout.columns ?? stderr.columns ?? 80));
  return { columns, color: flags.color && (env.NO_COLOR ?? '') === '', shows };
}
