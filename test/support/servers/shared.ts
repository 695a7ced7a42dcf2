import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../../../src/errors.ts';
import { until } from '../until.ts';

/** A server that the whole test run shares; tests don't stop it. */
export interface Endpoint {
  readonly url: string;
}

/** Milliseconds that a server of another lane may take to start. */
const START_TIMEOUT = 60_000;

/**
 * Something that all lanes of a test run share by name. The first lane that calls this starts it; it must outlive the lane
 * (`lasting`). The others wait. It ends with the run. Returns the result of `start`, which must be JSON.
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
  const text = await until(`${name} is ready`, () => readIfThere(file), START_TIMEOUT);
  const { value, error } = JSON.parse(text) as { readonly value?: T; readonly error?: string };
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
