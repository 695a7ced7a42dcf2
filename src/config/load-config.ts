import { homedir } from 'node:os';
import { dirname } from 'node:path';
import { BatchctlError } from '../errors.ts';
import type { Environment } from '../lib/environment.ts';
import { isZone } from '../lib/instant.ts';
import { isRecord, ownValue } from '../lib/json.ts';
import { isSecretKey, type Path, unknownNameMessage, withoutUserInfo } from '../lib/problems.ts';
import { BACKENDS, type Backend } from './backends.ts';
import { asConfigFile, type ConfigFile, type FoundFile, findConfig } from './config-file.ts';
import { ENDPOINT_VARIABLES } from './endpoints.ts';
import { type Layer, type Merged, mergeLayers, type PlainObject, pathKey } from './merge.ts';
import { parseSimpleLocal, placeProfile } from './place.ts';
import type { Profile } from './profile.ts';

export type * from './profile.ts';

/** The configuration of a process: frozen, valid, complete. */
export interface Config {
  /** The file used; null: none was found. */
  readonly file: string | null;
  /** How that file was found; null: none was. */
  readonly foundBy: FoundFile['how'] | null;
  readonly profile: Profile;
  /** How the profile was selected. `default`: nothing selected one, so it is `local`. */
  readonly profileFrom: 'flag' | 'env' | 'file' | 'default';
  /** Every profile that can be selected. */
  readonly profiles: readonly string[];
  /** The profile's values as they were written, with their origins: `explainConfig` completes them. */
  readonly written: Merged;
}

export interface LoadConfigOptions {
  readonly flags?: {
    readonly config?: string | undefined;
    readonly profile?: string | undefined;
    readonly tz?: string | undefined;
  };
  readonly env: Environment;
  readonly cwd: string;
  /** The user's home directory; by default the process's own, none if empty. */
  readonly home?: string | undefined;
  /** The machine-wide file, `/etc/batchctl/config.json`. */
  readonly etc?: string | undefined;
}

/**
 * Precedence: flags, environment, file, defaults. Throws `config` for a file that can't be read or has mistakes (with
 * all of them), and for a profile that doesn't exist.
 */
export async function loadConfig(options: LoadConfigOptions): Promise<Config> {
  const { flags = {}, env, cwd, home = env.HOME ?? homedir(), etc = '/etc/batchctl/config.json' } = options;
  const { found, places } = findConfig({ flag: flags.config, variable: env.BATCHCTL_CONFIG, cwd, home, etc });
  const file = found === null ? { profile: null, profiles: {} } : await readConfig(found);
  const picked = pickProfile(flags.profile, env.BATCHCTL_PROFILE, file.profile);
  const { name, from } = picked;
  const chain = await chainOf(picked, file, found, places);

  const written = chain.map((link): Layer => {
    const { extends: _base, ...value } = link.settings;
    return {
      origin: link.builtIn ? 'default' : `${found?.path} (${link.name})`,
      profile: link.builtIn ? null : link.name,
      value,
    };
  });
  const { backend } = mergeLayers(written).value;
  const known = BACKENDS.find((each) => each === backend) ?? 'local';
  const merged = mergeLayers([
    ...environmentDefaults(known, env),
    ...written,
    ...environmentOverrides(known, env),
    ...(flags.tz === undefined ? [] : [layer('--tz', { tz: requireZone(flags.tz) })]),
  ]);

  const plain = parseSimpleLocal(merged.value);
  if (plain === null && found === null) throw new TypeError('the built-in profile is invalid');
  const fields = plain ?? (await (await import('./check.ts')).checkProfile(found as FoundFile, name, merged));

  const dir = found === null ? cwd : dirname(found.path);
  const profile = placeProfile(name, fields, dir, rootDirectory(found, merged.value.root, dir, cwd));
  return deepFreeze({
    file: found?.path ?? null,
    foundBy: found?.how ?? null,
    profile,
    profileFrom: from,
    profiles: profileNames(file),
    written: merged,
  });
}

/** A root in a file is relative to it; the default root to the project's file, or else to the working directory. */
function rootDirectory(found: FoundFile | null, root: unknown, dir: string, cwd: string): string {
  if (found === null) return cwd;
  return root === undefined && (found.how === 'home' || found.how === 'etc') ? cwd : dir;
}

function originOfProfile(from: Config['profileFrom'], file: string | null): string {
  if (from === 'flag') return '--profile';
  if (from === 'env') return 'BATCHCTL_PROFILE';
  return from === 'file' ? (file ?? 'default') : 'default';
}

function requireZone(zone: string): string {
  if (isZone(zone)) return zone;
  throw new BatchctlError('usage', `--tz: found ${JSON.stringify(zone)}, allowed: a time zone such as Europe/London`, {
    hint: 'the zones are those of the IANA database',
  });
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}

/** Environment settings that the file overrides: a region, if the profile has none. */
function environmentDefaults(backend: Backend, env: Environment): Layer[] {
  if (backend !== 'aws') return [];
  for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION']) {
    const region = env[name];
    if (region === undefined || region === '') continue;
    if (!/^[a-z]{2,}(-[a-z]+)+-\d+$/.test(region)) throw badVariable(name, region, 'an AWS region such as eu-west-1');
    return [layer(name, { region })];
  }
  return [];
}

/** Environment settings that override the file: endpoints, in the SDK's own variables. */
function environmentOverrides(backend: Backend, env: Environment): Layer[] {
  if (backend !== 'aws') return [];
  return Object.entries(ENDPOINT_VARIABLES).flatMap(([service, suffix]) => {
    const name = [`AWS_ENDPOINT_URL_${suffix}`, 'AWS_ENDPOINT_URL'].find((variable) => (env[variable] ?? '') !== '');
    const url = name === undefined ? undefined : env[name];
    if (name === undefined || url === undefined) return [];
    if (!/^https?:\/\/[^\s/]+\S*$/.test(url)) throw badVariable(name, url, 'a URL such as http://127.0.0.1:5000');
    return [layer(name, { endpoints: { [service]: url } })];
  });
}

const layer = (origin: string, value: PlainObject): Layer => ({ origin, profile: null, value });

const badVariable = (name: string, found: string, allowed: string): BatchctlError =>
  new BatchctlError('config', `${name}: found ${JSON.stringify(found)}, allowed: ${allowed}`, {
    hint: `correct or unset ${name}`,
  });

interface ProfileLink {
  readonly name: string;
  readonly settings: PlainObject;
  /** True for `local` if no file defines it. */
  readonly builtIn: boolean;
}

const BUILT_IN: PlainObject = { backend: 'local' };

interface PickedProfile {
  readonly name: string;
  readonly from: Config['profileFrom'];
}

/** The profile's name, and what selected it; an empty variable is ignored. */
function pickProfile(flag: string | undefined, variable: string | undefined, file: string | null): PickedProfile {
  if (flag !== undefined) return { name: flag, from: 'flag' };
  if (variable !== undefined && variable !== '') return { name: variable, from: 'env' };
  return file === null ? { name: 'local', from: 'default' } : { name: file, from: 'file' };
}

/** Every profile that can be selected, always including `local`. */
const profileNames = (file: ConfigFile): readonly string[] => [...new Set(['local', ...Object.keys(file.profiles)])];

/**
 * The profile and those it extends, the base first. Throws `config` if the profile doesn't exist (with the places
 * searched), and for a base that doesn't exist or a cycle of extends (with its place in the file).
 */
async function chainOf(
  { name, from }: PickedProfile,
  file: ConfigFile,
  found: FoundFile | null,
  places: readonly string[],
): Promise<readonly ProfileLink[]> {
  const names = profileNames(file);
  if (!names.includes(name)) {
    if (found !== null && file.profile === name && from === 'file') {
      throw await problemIn(found, ['profile'], unknownNameMessage('profile', name, names));
    }
    throw new BatchctlError(
      'config',
      `${unknownNameMessage('profile', name, names)}; looked in ${found === null ? places.join(', ') : found.path}`,
      { hint: 'use another profile with --profile, or another file with --config' },
    );
  }
  const chain: ProfileLink[] = [];
  for (let next: string | null = name; next !== null; ) {
    const current: string = next;
    const settings: PlainObject = ownValue(file.profiles, current) ?? BUILT_IN;
    chain.unshift({ name: current, settings, builtIn: !Object.hasOwn(file.profiles, current) });
    const base: unknown = settings.extends;
    next = typeof base === 'string' ? base : null;
    if (next === null || found === null) continue;
    const path = ['profiles', current, 'extends'];
    if (!names.includes(next)) {
      throw await problemIn(found, path, unknownNameMessage('profile', next, names));
    }
    if (chain.some((link) => link.name === next)) {
      const order = chain.map((link) => link.name).reverse();
      const circle = [...order.slice(order.indexOf(next)), next];
      throw await problemIn(found, path, `extends form a cycle: ${circle.join(' -> ')}`);
    }
  }
  return chain;
}

async function problemIn(found: FoundFile, path: Path, message: string): Promise<BatchctlError> {
  return (await import('./check.ts')).configProblems(found, [{ path, message }]);
}

/**
 * Reads the file. The common, correct file costs one `JSON.parse`; only a wrong or doubtful one loads the parser with
 * positions and the schema. Throws `config` with every mistake and its place.
 */
async function readConfig(found: FoundFile): Promise<ConfigFile> {
  let value: unknown;
  let failure: unknown = null;
  try {
    value = JSON.parse(found.text.replace(/^\ufeff/, ''));
  } catch (error) {
    failure = error;
  }
  const file = failure === null ? asConfigFile(value) : null;
  if (file !== null && !found.text.includes('__proto__') && countKeysInText(found.text) === countKeys(value))
    return file;
  const { checkOuterShape } = await import('./check.ts');
  return checkOuterShape(found, failure);
}

/** Counts the keys in the text: more than in the value if one is repeated, which `JSON.parse` doesn't report. */
function countKeysInText(text: string): number {
  let count = 0;
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) if (match[1] !== undefined) count += 1;
  return count;
}

function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inner = Object.values(value).reduce<number>((sum, item) => sum + countKeys(item), 0);
  return inner + (Array.isArray(value) ? 0 : Object.keys(value).length);
}

export interface ExplainedValue {
  /** `profile`, `groups.default.max` */
  readonly path: string;
  /** As written; `(hidden)` for a secret. */
  readonly value: unknown;
  /** A flag, an environment variable, a file and profile, or `default`. */
  readonly origin: string;
}

/** The selected profile, and its values with the defaults: one row per leaf, each with its origin; secrets are hidden. */
export async function explainConfig({ profile, profileFrom, file, written }: Config): Promise<ExplainedValue[]> {
  const { withDefaults } = await import('./table.ts');
  const selected = { path: 'profile', value: profile.name, origin: originOfProfile(profileFrom, file) };
  const { value, origins } = written;
  const rows = Array.from(leavesOf(withDefaults(profile.backend, value), []), ([path, leaf]) => ({
    path: path.join('.'),
    value: maskSecrets(path, leaf),
    origin: origins.get(pathKey(path))?.origin ?? 'default',
  }));
  return [selected, ...rows];
}

function* leavesOf(value: PlainObject, path: readonly string[]): Generator<[string[], unknown]> {
  for (const [key, item] of Object.entries(value)) {
    if (isRecord(item) && Object.keys(item).length > 0) yield* leavesOf(item, [...path, key]);
    else yield [[...path, key], item];
  }
}

function maskSecrets(path: readonly string[], value: unknown): unknown {
  if (isSecretKey(path.at(-1) ?? '')) return '(hidden)';
  if (typeof value === 'string') return withoutUserInfo(value);
  if (Array.isArray(value)) return value.map((item) => maskSecrets([], item));
  if (isRecord(value))
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, maskSecrets([key], item)]));
  return value;
}
