import { BatchctlError } from '../errors.ts';
import type { ReleaseGrid } from '../infra/release-grid.ts';
import { type RollProgress, rollGroup } from '../jobs/release/roll.ts';
import { MANAGER_GROUP } from '../lib/stack-names.ts';
import { formatDuration } from '../lib/units.ts';
import { LONGEST_MS } from '../lib/wait.ts';
import type { Context } from './context.ts';
import { formatMany } from './format.ts';

/** The result of a release for a group. */
export interface ReleasedGroup {
  readonly group: string;
  readonly state: 'pointed' | 'absent';
  readonly version: string | null;
  readonly changes: readonly string[];
  readonly old: number;
  readonly replaced: number;
}

/** Configures each group to start new instances with the release; in a dry run, returns what that would change. */
export async function pointGroups(ctx: Context, grid: ReleaseGrid): Promise<readonly ReleasedGroup[]> {
  const done: ReleasedGroup[] = [];
  for (const group of grid.groups) {
    const { state, changes } = await grid.look(group);
    if (state === 'absent') {
      ctx.warn(`group ${group} does not exist yet; create it with batchctl infra up`);
      done.push({ group, state, version: null, changes, old: 0, replaced: 0 });
      continue;
    }
    if (state === 'toPoint' && !ctx.flags.dryRun) await grid.point(group);
    const version = await grid.version(group);
    done.push({ group, state: 'pointed', version, changes, old: await oldOf(ctx, group, version), replaced: 0 });
  }
  return done;
}

/** Replaces old instances in all groups at once. Throws `notFinished` after `timeout` seconds. */
export async function rollGroups(
  ctx: Context,
  grid: ReleaseGrid,
  groups: readonly ReleasedGroup[],
  timeout: number | undefined,
): Promise<readonly ReleasedGroup[]> {
  const late = timeout === undefined ? null : AbortSignal.timeout(Math.min(timeout * 1_000, LONGEST_MS));
  const failed = new AbortController();
  const signal = AbortSignal.any([ctx.signal, failed.signal, ...(late === null ? [] : [late])]);
  const platform = await ctx.platform();
  const said = new Map<string, string>();
  const onProgress = (progress: RollProgress): void => {
    const line = progressText(progress);
    if (said.get(progress.group) !== line) ctx.notice(line);
    said.set(progress.group, line);
  };
  const roll = async (each: ReleasedGroup): Promise<ReleasedGroup> => {
    const { group, version } = each;
    if (version === null || group === MANAGER_GROUP) return each;
    const end = (instance: string): Promise<void> => grid.end(instance);
    const replaced = await rollGroup({ platform, group, version, end, onProgress, signal });
    return { ...each, replaced, old: await oldOf(ctx, group, version) };
  };
  const rolls = groups.map((each) =>
    roll(each).catch((error: unknown) => {
      // The others stop between two quarters, so nothing is half done.
      failed.abort();
      throw error;
    }),
  );
  const ended = await Promise.allSettled(rolls);
  if (ctx.signal.aborted) throw stopped('interrupted', 'interrupted');
  const reasons = ended.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
  const reason = reasons.find((each) => each instanceof BatchctlError) ?? reasons[0];
  if (reason instanceof BatchctlError) throw reason;
  if (late?.aborted)
    throw stopped('notFinished', `not all instances were replaced within ${formatDuration(timeout ?? 0)}`);
  if (reason !== undefined) throw reason;
  return ended.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
}

/** None for a group without a service that reports its instances. */
async function oldOf(ctx: Context, group: string, version: string | null): Promise<number> {
  if (group === MANAGER_GROUP) return 0;
  const machines = await (await (await ctx.platform()).group(group)).machines();
  return machines.filter((machine) => !machine.state.startsWith('Terminat') && machine.version !== version).length;
}

const stopped = (kind: 'interrupted' | 'notFinished', why: string): BatchctlError =>
  new BatchctlError(kind, `${why}: instances already told to leave will do so and be replaced`, {
    hint: 'batchctl infra release --roll goes on',
  });

function progressText({ group, old, leaving, ready, awaited, trouble }: RollProgress): string {
  const why = trouble === null ? '' : `; none starts: ${trouble.message}`;
  return `group ${group}: ${leaving} finishing, ${ready} of ${awaited} new ready, ${formatMany(old, 'old instance')} to go${why}`;
}

/** The result, one line per group. */
export function textOf(groups: readonly ReleasedGroup[], dryRun: boolean): string {
  return groups
    .map(({ group, state, version, changes, old, replaced }) => {
      if (state === 'absent') return `group ${group}: does not exist yet`;
      const did = dryRun ? 'would change' : 'changed';
      const what = changes.length === 0 ? 'new instances already use it' : `${did} ${changes.join(', ')}`;
      const rolled = replaced === 0 ? '' : `; ${formatMany(replaced, 'instance')} replaced`;
      const left = old === 0 ? '' : `; ${formatMany(old, 'older instance')} still running`;
      return `group ${group}: version ${version}: ${what}${rolled}${left}`;
    })
    .join('\n');
}
