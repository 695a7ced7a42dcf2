import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { type Check, type Finding, fail, pass, warn } from '../../ports/check.ts';
import { isBusy } from './sqlite-errors.ts';

/** A larger file isn't read through: looking must take seconds. */
const READ_THROUGH = 256 * 2 ** 20;

/** Whether the two SQLite files of a root are sound. Looking writes nothing. */
export function databaseChecks(root: string): readonly Check[] {
  const ledger =
    'stop the workers (batchctl scale 0), move it away and run batchctl ledger rebuild: the store has everything that matters';
  const queue =
    'stop the workers (batchctl scale 0) and move it away; batchctl verify JOB --repair re-sends what is missing';
  return [
    { check: 'ledgerFile', run: () => databaseCheck(join(root, 'ledger.db'), ledger) },
    { check: 'queueFile', run: () => databaseCheck(join(root, 'queue.db'), queue) },
  ];
}

function databaseCheck(file: string, mend: string): Finding {
  if (!existsSync(file)) return pass(`${file} does not exist yet`);
  const { size } = statSync(file);
  let db: Database.Database | null = null;
  try {
    db = new Database(file, { readonly: true, fileMustExist: true, timeout: 1_000 });
    const mode = String(db.pragma('journal_mode', { simple: true }));
    if (size > READ_THROUGH) {
      db.prepare('SELECT count(*) FROM sqlite_schema').get();
      return pass(
        `${file} opens; its ${Math.round(size / 1e6)} MB are too large to check here (use PRAGMA quick_check)`,
      );
    }
    const [problem] = db.prepare('PRAGMA quick_check(1)').pluck().all();
    if (problem !== 'ok') return fail(`${file} is damaged: ${String(problem).split('\n').join(' ')}`, mend);
    if (mode !== 'wal')
      return warn(
        `${file} is in journal mode ${mode}, not WAL, so readers and writers block each other`,
        'any command that opens it sets WAL mode; if it stays, the file system lacks shared memory: use a local disk',
      );
    return pass(`${file} is intact, in WAL mode`);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (isBusy(error)) return warn(`${file} is locked by another process`, `find the process with fuser ${file}`);
    return fail(`${file} can't be read: ${message}`, mend);
  } finally {
    db?.close();
  }
}
