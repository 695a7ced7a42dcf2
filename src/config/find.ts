import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { BatchctlError, hasCode } from '../errors.ts';

/** A configuration file as it was found. */
export interface FoundFile {
  readonly path: string;
  readonly text: string;
  readonly how: '--config' | 'BATCHCTL_CONFIG' | 'upward' | 'home' | 'etc';
}

export interface FindOptions {
  readonly flag: string | undefined;
  readonly variable: string | undefined;
  readonly cwd: string;
  readonly home: string;
  /** The machine's own file. */
  readonly etc: string;
}

export const CONFIG_NAME = 'batchctl.config.json';

/**
 * The configuration file that counts, and the places looked in. What `--config` or BATCHCTL_CONFIG names must exist.
 * Throws `config` for a file that is there and can't be read: going on without it could write to the wrong place.
 */
export function findConfig(options: FindOptions): {
  readonly found: FoundFile | null;
  readonly places: readonly string[];
} {
  const { flag, variable, cwd } = options;
  const told = flag ?? (variable === '' ? undefined : variable);
  if (told !== undefined) {
    const how = flag === undefined ? 'BATCHCTL_CONFIG' : '--config';
    const path = resolve(cwd, told);
    const text = readIfThere(path);
    if (text === null) {
      throw new BatchctlError('config', `${how} names ${path}, which doesn't exist`, {
        hint: `leave ${how} out, or write the file: \`batchctl init\``,
      });
    }
    return { found: { path, text, how }, places: [path] };
  }
  const places: string[] = [];
  for (const [path, how] of candidates(options)) {
    places.push(path);
    const text = readIfThere(path);
    if (text !== null) return { found: { path, text, how }, places };
  }
  return { found: null, places };
}

function* candidates({ cwd, home, etc }: FindOptions): Generator<[string, FoundFile['how']]> {
  for (let dir = resolve(cwd); ; dir = dirname(dir)) {
    yield [join(dir, CONFIG_NAME), 'upward'];
    if (dirname(dir) === dir) break;
  }
  if (home !== '') yield [join(home, '.config', 'batchctl', 'config.json'), 'home'];
  yield [etc, 'etc'];
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null;
    const why = error instanceof Error ? error.message : String(error);
    throw new BatchctlError('config', `can't read the configuration ${path}: ${why}`, {
      hint: 'make it readable, or name another with --config',
      cause: error,
    });
  }
}
