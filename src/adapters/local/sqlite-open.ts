import { setTimeout as sleep } from 'node:timers/promises';
import { BatchctlError, hasCode, messageOf } from '../../errors.ts';
import { type Durability, isSqliteBusy, openShared, type Sqlite, sqliteCode } from '../../lib/sqlite.ts';

export interface Schema {
  /** Incremented with each change of the tables; kept in `user_version`. */
  readonly version: number;
  /** Creates the tables in an empty file. */
  readonly create: string;
}

/** How long SQLite itself may wait for a lock, milliseconds. That wait blocks the event loop, heartbeats included. */
const BLOCKING_MS = 15;
/** Shortest and longest wait between retries, milliseconds, with jitter. */
const RETRY_MS = { first: 1, last: 25 } as const;

/**
 * Opens a database that many processes share, creating it if needed, even if several do so at once. Throws `newer` for
 * a file of a later version, `unavailable` when it stays locked for `waitMs`.
 */
export async function openVersioned(
  file: string,
  schema: Schema,
  { durability, waitMs }: { readonly durability: Durability; readonly waitMs: number },
): Promise<Sqlite> {
  return await retryBusy(file, waitMs, () => {
    const db = openShared(file, { busyMs: BLOCKING_MS, durability });
    try {
      if (versionOf(db) !== schema.version) create(db, file, schema);
      return db;
    } catch (error) {
      db.close();
      throw error;
    }
  });
}

/**
 * Runs a short piece of work, and retries it while another process holds the lock, for at most `waitMs` or until the
 * signal aborts. Between tries the event loop is free, and the jitter gives every process its turn (SQLite's own
 * waiting starves some of them). Throws the project's errors.
 */
export async function retryBusy<T>(file: string, waitMs: number, work: () => T, signal?: AbortSignal): Promise<T> {
  const start = performance.now();
  let pause: number = RETRY_MS.first;
  for (;;) {
    try {
      return work();
    } catch (error) {
      const late = signal?.aborted === true || performance.now() - start >= waitMs;
      if (late || !isSqliteBusy(error)) throw translateSqlite(error, file);
    }
    await sleep(pause * (0.5 + Math.random()));
    pause = Math.min(pause * 2, RETRY_MS.last);
  }
}

/** Decided again under the write lock: another process may have been first. */
function create(db: Sqlite, file: string, schema: Schema): void {
  db.transaction('immediate', () => {
    const found = versionOf(db);
    if (found === schema.version) return;
    if (found > schema.version) {
      throw new BatchctlError('newer', `${file} has version ${found}; this batchctl knows ${schema.version}`, {
        hint: 'install the batchctl that wrote it, or a newer one',
      });
    }
    db.exec(schema.create);
    db.exec(`PRAGMA user_version = ${schema.version}`);
  });
}

function versionOf(db: Sqlite): number {
  return Number(db.pragma('user_version'));
}

/** Error codes of a directory that can't be created. */
const UNREACHABLE = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'EIO', 'ENAMETOOLONG'] as const;

/** Translates errors of SQLite, and of creating its directory, into batchctl's kinds; returns any other unchanged. */
export function translateSqlite(error: unknown, file: string): unknown {
  const code = sqliteCode(error);
  if (error instanceof BatchctlError) return error;
  if (isSqliteBusy(error)) {
    return new BatchctlError('unavailable', `${file} stayed locked by another process`, {
      cause: error,
      hint: 'see which process holds it (lsof), and try again',
    });
  }
  if (code === 'SQLITE_FULL' || hasCode(error, 'ENOSPC', 'EDQUOT')) {
    return new BatchctlError('full', `no disk space is left for ${file}`, {
      cause: error,
      hint: 'free some space on that disk (batchctl prune) and try again: nothing is lost',
    });
  }
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') {
    return new BatchctlError('corrupt', `${file} is damaged or not a SQLite database (${code})`, {
      cause: error,
      hint: 'stop the workers and move the file away; batchctl verify JOB --repair re-sends what is missing',
    });
  }
  if (code === '' && !hasCode(error, ...UNREACHABLE)) return error;
  return new BatchctlError('unavailable', `${file} could not be read or written (${messageOf(error)})`, {
    cause: error,
    hint: 'check the disk, and that this user may write there',
  });
}
