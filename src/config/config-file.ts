import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { BatchctlError, hasCode, isBatchctlError, messageOf } from '../errors.ts';
import { isRecord } from '../lib/json.ts';
import { distrustReason, trustedUsers } from '../lib/ownership.ts';
import { readSmallFile } from '../lib/read-file.ts';
import type { PlainObject } from './merge.ts';

export interface FoundFile {
  readonly path: string;
  readonly text: string;
  readonly how: '--config' | 'BATCHCTL_CONFIG' | 'upward' | 'home' | 'etc';
}

interface FindOptions {
  readonly flag: string | undefined;
  readonly variable: string | undefined;
  readonly cwd: string;
  readonly home: string;
  readonly etc: string;
}

const CONFIG_NAME = 'batchctl.config.json';

/**
 * The configuration file to use, and the places searched. A file given by `--config` or BATCHCTL_CONFIG must exist.
 * Throws `config` for an existing file that can't be read, as continuing could write to the wrong place; also for a
 * file in the working directory or above that someone else owns or may write, as a configuration names programs to run
 * (`notify: exec:`) that the user did not choose.
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
    const text = readIfExists(path, readAny);
    if (text === null) {
      throw new BatchctlError('config', `${how} names ${path}, which doesn't exist`, {
        hint: `omit ${how}, or create the file with \`batchctl init\``,
      });
    }
    return { found: { path, text, how }, places: [path] };
  }
  const places: string[] = [];
  for (const [path, how] of candidates(options)) {
    places.push(path);
    const text = readIfExists(path, how === 'upward' ? readTrusted : readAny);
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

const MOST_CONFIG_BYTES = 16 * 2 ** 20;

/** Throws an Error for a pipe or a device, which might never end, and for a file of more than 16 MiB. */
function readAny(path: string): string {
  const file = readSmallFile(path, MOST_CONFIG_BYTES);
  if ('bytes' in file) return file.bytes.toString('utf8');
  throw new Error('found' in file ? `it is ${file.found}` : `it has more than ${MOST_CONFIG_BYTES} bytes`);
}

/** Reads a file that was not given explicitly: checks the same open file that it reads, and never blocks on a pipe. */
function readTrusted(path: string): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const why = distrustReason(fstatSync(file), trustedUsers());
    if (why === null) return readFileSync(file, 'utf8');
    throw new BatchctlError(
      'config',
      `the configuration ${path} ${why}, and is not used automatically, as it could run programs`,
      { hint: `if you trust it, use --config ${path}, or BATCHCTL_CONFIG=${path}` },
    );
  } finally {
    closeSync(file);
  }
}

function readIfExists(path: string, read: (path: string) => string): string | null {
  try {
    return read(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null;
    if (isBatchctlError(error)) throw error;
    throw new BatchctlError('config', `can't read the configuration ${path}: ${messageOf(error)}`, {
      hint: 'make it readable, or use another one with --config',
      cause: error,
    });
  }
}

/** The outer shape of a configuration file; its profiles are checked once they are merged. */
export interface ConfigFile {
  readonly profile: string | null;
  readonly profiles: Readonly<Record<string, PlainObject>>;
}

export const PROFILE_NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;

/** The file if its outer shape is right; null if not, or in doubt. */
export function asConfigFile(value: unknown): ConfigFile | null {
  if (!isRecord(value)) return null;
  const { $schema, profile, profiles = {}, ...others } = value;
  if (Object.keys(others).length > 0 || !isRecord(profiles)) return null;
  if ($schema !== undefined && typeof $schema !== 'string') return null;
  if (profile !== undefined && (typeof profile !== 'string' || profile.trim() === '')) return null;
  const checked: Record<string, PlainObject> = {};
  for (const [name, settings] of Object.entries(profiles)) {
    if (!PROFILE_NAME.test(name) || !isRecord(settings)) return null;
    if (settings.extends !== undefined && typeof settings.extends !== 'string') return null;
    checked[name] = settings;
  }
  return { profile: profile ?? null, profiles: checked };
}
