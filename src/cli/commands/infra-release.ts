import type { AwsProfile } from '../../config/load-config.ts';
import { BatchctlError } from '../../errors.ts';
import type { ReleaseGrid } from '../../infra/release-grid.ts';
import { type RollProgress, rollGroup } from '../../jobs/release/roll.ts';
import type { BootChoice, Release, StackRelease } from '../../jobs/release/stack-release.ts';
import type { JsonSchema } from '../../lib/json.ts';
import { MANAGER_GROUP } from '../../lib/stack-names.ts';
import { formatDuration, parseDuration } from '../../lib/units.ts';
import { MAX_TIMER_MS } from '../../lib/wait.ts';
import { type CommandDefinition, type CommandInput, defineCommand, objectOf, parsed } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { awsProfile, openReleases } from '../infra-stack.ts';
import { printAnswer } from '../render.ts';

const RELEASE: JsonSchema = {
  type: ['object', 'null'],
  required: ['number', 'sha256', 'version', 'at', 'by'],
  properties: {
    number: { type: 'integer', description: 'its number; the highest is current' },
    sha256: { type: 'string', description: 'of the uncompressed archive of the bundle' },
    version: { type: 'string', description: "the program's version" },
    at: { type: 'string', format: 'date-time', description: 'time of creation' },
    by: { type: 'string', description: 'author' },
  },
};

const OPTIONS = {
  '--new-only': 'only for instances that start from now on (the default)',
  '--roll': 'replace running instances, a quarter of each group at a time',
  '--rollback': 'roll the current release back to the one before',
  '--timeout <duration>': parsed(
    'with --roll: stop waiting after this time; run the same command to continue',
    parseDuration,
  ),
};

export function infraReleaseCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: OPTIONS,
    writes: true,
    output: objectOf({
      release: { ...RELEASE, description: 'the current release; null in a dry run that would create the first' },
      before: { ...RELEASE, description: 'the previous release; null: none' },
      rolled: { type: 'boolean', description: 'whether running instances were replaced too' },
      dryRun: { type: 'boolean', description: 'true: nothing was changed' },
      groups: {
        type: 'array',
        items: objectOf({
          group: { type: 'string', description: "its name; manager: the manager's instance" },
          state: { enum: ['pointed', 'absent'], description: 'absent: infra up has not created it yet' },
          version: { type: ['string', 'null'], description: 'launch template version for new instances' },
          changes: { type: 'array', items: { type: 'string' }, description: 'changes for new instances' },
          old: { type: 'integer', description: 'running instances of an older version' },
          replaced: { type: 'integer', description: 'replaced instances' },
        }),
        description: "each group, and the manager's if there is one",
      },
    }),
    help: {
      about:
        "Puts this program into the store as the workers' bundle, makes it the current release, and configures each group to start new instances with it. --roll also replaces running instances, a quarter of the group at a time. Each instance finishes its tasks first, so no attempt is lost; the next quarter waits until new workers are up. The roll stops if a new instance cannot be set up. If interrupted, run the same command to continue. It needs the permissions of infra policies --for admin, and --roll also those of an operator. infra up also makes a release if the program differs, but replaces no instances.",
      examples: [
        'batchctl infra release',
        'batchctl infra release --roll --yes',
        'batchctl infra release --rollback --roll',
      ],
      exitCodes: {
        0: true,
        3: true,
        6: '--timeout passed; run the same command to continue',
        7: 'not confirmed, no earlier release, or a new instance could not be set up',
        8: true,
      },
      related: ['infra up', 'infra status', 'workers', 'infra user-data'],
    },
    run: (input) => infraRelease(ctx, input),
  });
}

/** Makes a release or rolls one back, then configures the groups to use it. Throws `refused`, `notFinished`. */
async function infraRelease(ctx: Context, input: CommandInput<typeof OPTIONS>): Promise<void> {
  const { newOnly, roll, rollback, timeout } = input;
  if (newOnly && roll) throw new BatchctlError('usage', 'expected --new-only or --roll, found both');
  if (timeout !== undefined && !roll) throw new BatchctlError('usage', '--timeout requires --roll');
  const { dryRun } = ctx.flags;
  const profile = await awsProfile(ctx);
  const releases = await openReleases(ctx, profile);
  const before = await releases.current();
  const goesBack = rollback && !(await isRollbackUnfinished(profile, releases, before));
  const target = goesBack ? (await releases.rollbackTarget()).before : before;
  const what =
    rollback && target !== null ? `start new instances with release ${nameOf(target)}` : 'release this program';
  await confirm(ctx, `${what}${roll ? ', and replace running instances' : ''}?`);
  const setRelease = (): Promise<Release | null> => {
    if (!rollback) return releases.make({ anew: true });
    return goesBack ? releases.rollBack() : releases.continueRollback();
  };
  const release = dryRun ? before : await setRelease();
  if (release !== null && release.number !== before?.number) ctx.notice(`release ${nameOf(release)} is current`);

  const { openReleaseGrid } = await import('../../infra/release-grid.ts');
  /** The release that new instances will boot. */
  const chooseBoot = async (): Promise<BootChoice> => {
    if (!dryRun) return releases.inForce();
    return rollback && target !== null ? releases.bootChoiceOf(target) : releases.wanted({ anew: true });
  };
  const grid = await openReleaseGrid(profile, chooseBoot);
  try {
    let groups = await pointGroups(ctx, grid);
    if (roll && !dryRun) groups = await rollGroups(ctx, grid, groups, timeout);
    const json = { release: shown(release), before: shown(before), rolled: roll && !dryRun, dryRun, groups };
    await printAnswer(ctx, { json, text: textOf(groups, dryRun) });
  } finally {
    await grid.close();
  }
}

/** Whether an interrupted rollback has not reached all groups. If so, it continues and goes back no further. */
async function isRollbackUnfinished(
  profile: AwsProfile,
  releases: StackRelease,
  current: Release | null,
): Promise<boolean> {
  if (current === null || current.tookBack === null) return false;
  const { openReleaseGrid } = await import('../../infra/release-grid.ts');
  const grid = await openReleaseGrid(profile, () => releases.inForce());
  try {
    const looks = await Promise.all(grid.groups.map((group) => grid.look(group)));
    return looks.some(({ state }) => state === 'toPoint');
  } finally {
    await grid.close();
  }
}

const nameOf = ({ number, version, sha256 }: Release): string => `${number}: ${version} (${sha256.slice(0, 12)})`;

function shown(release: Release | null) {
  if (release === null) return null;
  const { number, sha256, version, at, by } = release;
  return { number, sha256, version, at: new Date(at).toISOString(), by };
}

interface ReleasedGroup {
  readonly group: string;
  readonly state: 'pointed' | 'absent';
  readonly version: string | null;
  readonly changes: readonly string[];
  readonly old: number;
  readonly replaced: number;
}

/** Configures each group to start new instances with the release; in a dry run, returns what that would change. */
async function pointGroups(ctx: Context, grid: ReleaseGrid): Promise<readonly ReleasedGroup[]> {
  const done: ReleasedGroup[] = [];
  for (const group of grid.groups) {
    const { state, changes } = await grid.look(group);
    if (state === 'absent') {
      ctx.warn(`group ${group} does not exist yet; create it with batchctl infra up`);
      done.push({ group, state, version: null, changes, old: 0, replaced: 0 });
      continue;
    }
    if (state === 'toPoint' && !ctx.flags.dryRun) await grid.applyRelease(group);
    const version = await grid.version(group);
    const old = group === MANAGER_GROUP ? 0 : await grid.countOldInstances(group, version);
    done.push({ group, state: 'pointed', version, changes, old, replaced: 0 });
  }
  return done;
}

/** Replaces old instances in all groups at once. Throws `notFinished` after `timeout` seconds. */
async function rollGroups(
  ctx: Context,
  grid: ReleaseGrid,
  groups: readonly ReleasedGroup[],
  timeout: number | undefined,
): Promise<readonly ReleasedGroup[]> {
  const late = timeout === undefined ? null : AbortSignal.timeout(Math.min(timeout * 1_000, MAX_TIMER_MS));
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
    const end = (instance: string): Promise<void> => grid.endInstance(instance);
    const replaced = await rollGroup({ platform, group, version, end, onProgress, signal });
    return { ...each, replaced, old: await grid.countOldInstances(group, version) };
  };
  const rolls = groups.map((each) =>
    roll(each).catch((error: unknown) => {
      // The others stop between two quarters, so no quarter is half done.
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

const stopped = (kind: 'interrupted' | 'notFinished', why: string): BatchctlError =>
  new BatchctlError(kind, `${why}: instances that are already draining will finish and be replaced`, {
    hint: 'batchctl infra release --roll continues',
  });

function progressText({ group, old, leaving, ready, awaited, trouble }: RollProgress): string {
  const why = trouble === null ? '' : `; none starts: ${trouble.message}`;
  return `group ${group}: ${leaving} finishing, ${ready} of ${awaited} new ready, ${formatMany(old, 'old instance')} to go${why}`;
}

function textOf(groups: readonly ReleasedGroup[], dryRun: boolean): string {
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
