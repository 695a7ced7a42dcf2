import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../../../src/errors.ts';
import { until } from '../until.ts';

/** A server that the whole run shares: nobody stops it. */
export interface Endpoint {
  readonly url: string;
}

/** Milliseconds that a server of another lane may take to serve. */
const UP = 60_000;

/**
 * What the whole test run shares under a name: the first lane that asks starts it (it must outlast the lane, `lasting`), the
 * others wait for it. It ends with the run. Answers what `start` answered, which must be JSON.
 */
export async function shared<T extends object>(name: string, start: () => Promise<T>): Promise<T> {
  const { BATCHCTL_TEST_RUN: run } = process.env;
  if (run === undefined) throw new Error('expected a test run (watched.mjs)');
  const file = join(run, `shared-${name}.json`);
  if (isFirst(join(run, `shared-${name}`))) {
    const result = await start().then(
      (value) => ({ value }),
      (error: Error) => ({ error: error.message }),
    );
    writeFileSync(`${file}.new`, JSON.stringify(result));
    renameSync(`${file}.new`, file);
  }
  const said = await until(`${name} serves`, () => readIfThere(file), UP);
  const { value, error } = JSON.parse(said) as { readonly value?: T; readonly error?: string };
  if (value === undefined) throw new Error(`${name} could not be started: ${error}`);
  return value;
}

function isFirst(directory: string): boolean {
  try {
    mkdirSync(directory);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}
