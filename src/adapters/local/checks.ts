import { existsSync, linkSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { hasCode, isBatchctlError, messageOf } from '../../errors.ts';
import { systemClock } from '../../lib/clock.ts';
import { randomId } from '../../lib/id.ts';
import { namesIn } from '../../lib/if-exists.ts';
import { isAlive, LOG_KEPT_MS, listLeftovers } from '../../lib/leftovers.ts';
import { distrustReason, isTrustedOwner, trustedUsers } from '../../lib/ownership.ts';
import { shellWord } from '../../lib/shell-word.ts';
import { isSqliteBusy, openSqlite, requireSqlite, type Sqlite, sqliteCode } from '../../lib/sqlite.ts';
import { userName } from '../../lib/this-machine.ts';
import { type Finding, fail, pass, warn } from '../../model/finding.ts';
import type { Check } from '../../ports/check.ts';
import { networkFileSystem } from './fs-root.ts';
import { nearestExisting } from './insight.ts';
import { readFormatFile, requireMadeHere, requireOwnRoot } from './root-trust.ts';

/** The file system's clock may differ from this process's by this much, milliseconds. */
const SKEW_MS = 2_000;
/** A killed process's file in `tmp/` counts as a leftover after this long, milliseconds. */
const LEFTOVER_MS = 3_600_000;

/**
 * Checks whether a store can live in a local root by trying it in `tmp/`, which nothing else reads. If the root doesn't
 * exist yet, its location is tried: what makes a run refuse must be known before the first job. `now`: milliseconds since
 * the epoch.
 */
export function fileChecks(root: string, now = systemClock.now()): readonly Check[] {
  const found = rootCheck(root);
  const place: readonly Check[] = [
    { code: 'root', run: () => found },
    { code: 'fileSystem', run: () => fileSystemCheck(root) },
  ];
  // The other checks would fail for the same reason.
  if (found.severity === 'fail') return place;
  if (!existsSync(root)) {
    const above: Check = { code: 'rootMode', run: () => locationCheck(root) };
    const links: Check = { code: 'hardLinks', run: () => linkCheck(root) };
    return [...place, above, links];
  }
  return [
    ...place,
    { code: 'rootMode', run: () => modeCheck(root) },
    { code: 'hardLinks', run: () => linkCheck(root) },
    { code: 'clock', run: () => clockCheck(root) },
    { code: 'leftovers', run: () => leftoverCheck(root, now) },
    { code: 'scratch', run: () => scratchCheck(root, now) },
  ];
}

/** Whether this user can use the root, or create it. */
function rootCheck(root: string): Finding {
  const place = nearestExisting(root);
  try {
    if (!statSync(place).isDirectory())
      return fail(`${place} is not a directory`, 'use another "root" in batchctl.config.json');
    if (place === root) for (const name of ['', 'store', 'work']) namesIn(join(root, name));
    withProbeFile(root, () => undefined);
    return pass(place === root ? `${root} can be read and written` : `${root} does not exist yet, but can be created`);
  } catch (error) {
    if (hasCode(error, 'EROFS'))
      return fail(`${place} can't be written: its file system is read-only`, 'use another "root"');
    return hasCode(error, 'EACCES', 'EPERM')
      ? closedFinding(root, error)
      : fail(`${place} can't be written: ${messageOf(error)}`, 'use another "root" in batchctl.config.json');
  }
}

/** Names the closed file or directory, its owner, and the command that opens it. */
function closedFinding(root: string, error: unknown): Finding {
  const closed = nearestExisting(error instanceof Error && 'path' in error ? String(error.path) : root);
  const trusted = trustedUsers();
  const { uid, mode } = statSync(closed);
  const owner = uid === trusted.uid ? 'this user' : uid === 0 ? 'root' : `user ${uid}`;
  const found = `${closed} belongs to ${owner} (mode ${(mode & 0o7777).toString(8).padStart(4, '0')})`;
  const message = `expected a root that user ${userName()} can read and write, found that ${found}`;
  if (uid === trusted.uid) return fail(message, `chmod u+rwx ${shellWord(closed)}`);
  const other = 'set "root" in batchctl.config.json to a directory of your own, or work in another directory';
  const isInside = closed === root || closed.startsWith(join(root, sep));
  // Jobs of any other user could choose what runs as this one, and what is above the root is not batchctl's.
  if (!isInside || !isTrustedOwner(uid, trusted)) return fail(message, other);
  return fail(
    message,
    `if its jobs are yours, sudo chown -R ${shellWord(userName())} ${shellWord(root)}; otherwise ${other}`,
  );
}

/** Checks the place of a root that doesn't exist yet, as a run would. */
function locationCheck(root: string): Finding {
  const refusal = refusalOf(() => requireOwnRoot(root));
  return refusal ?? replaceableWarning(root) ?? pass(`no other user can replace ${root}`);
}

function refusalOf(requirement: () => void): Finding | null {
  try {
    requirement();
    return null;
  } catch (error) {
    if (!isBatchctlError(error)) throw error;
    return fail(error.message, error.hint ?? '');
  }
}

function modeCheck(root: string): Finding {
  const refusal = refusalOf(() => {
    requireOwnRoot(root);
    requireMadeHere(root, readFormatFile(root));
  });
  if (refusal !== null) return refusal;
  const { mode } = statSync(root);
  const open = mode & 0o077;
  const shown = (mode & 0o777).toString(8).padStart(3, '0');
  if ((open & 0o022) !== 0) return warn(`a group can write to ${root} (mode ${shown})`, `chmod 700 ${root}`);
  if ((open & 0o044) !== 0)
    return warn(`others can read ${root} (mode ${shown}), including data of jobs`, `chmod 700 ${root}`);
  const replaceable = replaceableWarning(root);
  if (replaceable !== null) return replaceable;
  // Commands that run as a user of their own pass through it to their slot; everything else in it is closed to them.
  if (open !== 0) return pass(`others can pass through ${root} (mode ${shown}), but read nothing in it`);
  return pass(`only its owner can access ${root}`);
}

/** Null if only trusted users may rename what is in the directory above the root, or will be. */
function replaceableWarning(root: string): Finding | null {
  const above = nearestExisting(dirname(root));
  const { uid, gid, mode } = statSync(above);
  // The sticky bit lets only owners rename.
  const why = distrustReason({ uid, gid, mode: (mode & 0o1000) === 0 ? mode : 0 }, trustedUsers());
  if (why === null) return null;
  return warn(`${above} ${why}: others may replace the root in it`, `chmod go-w ${above}, or use another "root"`);
}

function fileSystemCheck(root: string): Finding {
  const network = networkFileSystem(statfsSync(nearestExisting(root)).type);
  return network === null
    ? pass(`${root} is on a local file system`)
    : fail(
        `${root} is on ${network}, a network file system`,
        'set "root" in batchctl.config.json to a directory on a local disk',
      );
}

/** Publishing hard-links a file to a name that must not exist yet. */
function linkCheck(root: string): Finding {
  const fix = 'set "root" in batchctl.config.json to a local disk with hard links (ext4, xfs, APFS)';
  return withProbeFile(root, (file) => {
    const twin = `${file}-link`;
    try {
      linkSync(file, twin);
      linkSync(file, twin);
      return fail('a second link to a name replaced the first', fix);
    } catch (error) {
      if (hasCode(error, 'EEXIST')) return pass('hard links work, and never replace existing files');
      return fail(`hard links don't work there: ${messageOf(error)}`, fix);
    } finally {
      rmSync(twin, { force: true });
    }
  });
}

function clockCheck(root: string): Finding {
  return withProbeFile(root, (file) => {
    const skew = statSync(file).mtimeMs - systemClock.now();
    if (Math.abs(skew) <= SKEW_MS) return pass('the clocks of the disk and of this process agree');
    const how = `${Math.round(Math.abs(skew) / 1_000)} s ${skew > 0 ? 'ahead of' : 'behind'}`;
    return warn(
      `files written now have times ${how} this process's clock`,
      'set the clock (timedatectl), and look for libfaketime',
    );
  });
}

/** Files that a killed process left half written. Nothing ever reads them. */
function leftoverCheck(root: string, now: number): Finding {
  const directory = join(root, 'tmp');
  const left = namesIn(directory).filter((name) => {
    const pid = Number(/^(\d+)-/.exec(name)?.[1]);
    const stats = statSync(join(directory, name), { throwIfNoEntry: false });
    return pid > 0 && !isAlive(pid) && stats !== undefined && now - stats.ctimeMs > LEFTOVER_MS;
  });
  if (left.length === 0) return pass('no leftovers of killed processes in tmp/');
  return warn(
    `${left.length} files of killed processes in ${directory}`,
    'they are removed automatically after a day; nothing uses them',
  );
}

/** Scratch files that the next worker removes when it starts. */
function scratchCheck(root: string, now: number): Finding {
  const directory = join(root, 'work');
  const left = listLeftovers(directory, now - LOG_KEPT_MS);
  if (left.length === 0) return pass('no scratch directories or old logs of dead workers');
  const logs = left.filter(({ what }) => what === 'log').length;
  const counts = [
    [left.length - logs, 'scratch directory', 'scratch directories'],
    [logs, 'old log', 'old logs'],
  ] as const;
  const said = counts.flatMap(([count, one, many]) => (count === 0 ? [] : [`${count} ${count === 1 ? one : many}`]));
  const named = left.slice(0, 2).map(({ path }) => relative(directory, path));
  return warn(
    `${said.join(' and ')} of dead workers in ${directory}: ${named.join(', ')}`,
    'the next worker removes them when it starts: batchctl worker --until-empty',
  );
}

/** A file of this process in `tmp/`, or above a root that doesn't exist yet; removed afterwards. */
function withProbeFile<T>(root: string, use: (file: string) => T): T {
  const directory = existsSync(join(root, 'tmp')) ? join(root, 'tmp') : nearestExisting(root);
  const file = join(directory, `${existsSync(root) ? '' : '.batchctl-'}${process.pid}-doctor-${randomId(8)}`);
  try {
    writeFileSync(file, 'x', { flag: 'wx', mode: 0o600 });
    return use(file);
  } finally {
    rmSync(file, { force: true });
  }
}

/** Bytes. A larger file isn't read through: a check must take only seconds. */
const MAX_CHECKED_BYTES = 256 * 2 ** 20;

/** Whether databases can be opened at all, which a run needs before its first job. */
export const SQLITE_CHECK: Check = {
  code: 'sqlite',
  run: () => {
    try {
      requireSqlite();
      return pass('SQLite is there');
    } catch (error) {
      if (!isBatchctlError(error)) throw error;
      return fail(`${error.message}: batchctl run will refuse to start`, error.hint ?? '');
    }
  },
};

/** Whether the two SQLite files of a root are sound, if `SQLITE_CHECK` passes. The check writes nothing. */
export function databaseChecks(root: string): readonly Check[] {
  const ledger =
    'stop the workers (batchctl scale 0), move it away and run batchctl ledger rebuild: the store has everything that matters';
  const queue =
    'stop the workers (batchctl scale 0) and move it away; batchctl verify JOB --repair re-sends what is missing';
  return [
    { code: 'ledgerFile', run: () => databaseCheck(join(root, 'ledger.db'), ledger) },
    { code: 'queueFile', run: () => databaseCheck(join(root, 'queue.db'), queue) },
  ];
}

function databaseCheck(file: string, fix: string): Finding {
  if (!existsSync(file)) return pass(`${file} does not exist yet`);
  const { size } = statSync(file);
  let db: Sqlite | null = null;
  try {
    db = openSqlite(file, { busyMs: 1_000, readOnly: true });
    const mode = String(db.pragma('journal_mode'));
    if (size > MAX_CHECKED_BYTES) {
      db.prepare('SELECT count(*) FROM sqlite_schema').get();
      return pass(
        `${file} opens; its ${Math.round(size / 1e6)} MB are too large to check here (use PRAGMA quick_check)`,
      );
    }
    const problem = db.pragma('quick_check(1)');
    if (problem !== 'ok') return fail(`${file} is damaged: ${String(problem).split('\n').join(' ')}`, fix);
    if (mode !== 'wal')
      return warn(
        `${file} is in journal mode ${mode}, not WAL, so readers and writers block each other`,
        'any command that opens it sets WAL mode; if this persists, the file system lacks shared memory: use a local disk',
      );
    return pass(`${file} is intact, in WAL mode`);
  } catch (error) {
    const message = messageOf(error);
    if (isSqliteBusy(error)) return warn(`${file} is locked by another process`, `find the process with fuser ${file}`);
    // Another error says nothing about what is in the file, so it stays where it is.
    return /^SQLITE_(CORRUPT|NOTADB|FORMAT)/.test(sqliteCode(error))
      ? fail(`${file} is damaged: ${message}`, fix)
      : fail(
          `${file} can't be read: ${message}`,
          `check who may read it (ls -l ${file}), and its disk; leave it there`,
        );
  } finally {
    db?.close();
  }
}
