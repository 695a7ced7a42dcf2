import { homedir } from 'node:os';
import { dirname } from 'node:path';
import { BatchctlError } from '../errors.ts';
import { type FoundFile, findConfig } from './config-file.ts';
import { environmentAbove, environmentBelow } from './environment.ts';
import { type ExplainedValue, explainValues } from './explain.ts';
import { type Layer, mergeLayers, withDefaults } from './merge.ts';
import { asPlainLocal, normalizeProfile } from './normalize.ts';
import type { Profile } from './profile.ts';
import { readConfig } from './read.ts';
import { chainOf, pickProfile, profileNames } from './select.ts';

export type { ExplainedValue } from './explain.ts';
export type * from './profile.ts';

/** The configuration of a process: frozen, valid, complete. */
export interface Config {
  /** The file used; null: none was found. */
  readonly file: string | null;
  readonly profile: Profile;
  /** What selected the profile. `default`: nothing, it is `local`. */
  readonly profileFrom: 'flag' | 'env' | 'file' | 'default';
  /** Every profile that can be selected. */
  readonly profiles: readonly string[];
  /** Each value with its origin, secrets hidden (`explain`). */
  readonly values: readonly ExplainedValue[];
}

export interface LoadConfigOptions {
  readonly flags?: {
    readonly config?: string | undefined;
    readonly profile?: string | undefined;
    readonly tz?: string | undefined;
  };
  readonly env: Readonly<Record<string, string | undefined>>;
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
  const backend = mergeLayers(written).value.backend;
  const known = backend === 'local' || backend === 'aws' || backend === 'manager' ? backend : 'local';
  const merged = mergeLayers([
    ...environmentBelow(known, env),
    ...written,
    ...environmentAbove(known, env),
    ...(flags.tz === undefined ? [] : [{ origin: '--tz', profile: null, value: { tz: checkedZone(flags.tz) } }]),
  ]);

  const { tz: _zone, ...withoutZone } = merged.value;
  const plain = asPlainLocal(flags.tz === undefined ? merged.value : withoutZone);
  if (plain === null && found === null) throw new TypeError('the built-in profile is not right');
  const checked =
    plain ?? (found === null ? null : await (await import('./check.ts')).checkProfile(found, name, merged));
  if (checked === null) throw new TypeError('a profile without a file must be the built-in one');
  const complete = withDefaults(checked.backend, merged.value);

  const dir = found === null ? cwd : dirname(found.path);
  const profile = normalizeProfile(
    name,
    complete as typeof checked,
    dir,
    rootDirectory(found, merged.value.root, dir, cwd),
  );
  return deepFreeze({
    file: found?.path ?? null,
    profile,
    profileFrom: from,
    profiles: profileNames(file),
    values: [
      { path: 'profile', value: name, origin: originOfProfile(from, found) },
      ...explainValues(complete, merged.origins),
    ],
  });
}

/** The output of `batchctl config show`: each value with its origin, secrets hidden. */
export const explain = (config: Config): readonly ExplainedValue[] => config.values;

/**
 * A root in a file is relative to it; the default root is relative to the project's file, or else to the working
 * directory.
 */
function rootDirectory(found: FoundFile | null, root: unknown, dir: string, cwd: string): string {
  if (found === null) return cwd;
  return root === undefined && (found.how === 'home' || found.how === 'etc') ? cwd : dir;
}

function originOfProfile(from: Config['profileFrom'], found: FoundFile | null): string {
  if (from === 'flag') return '--profile';
  if (from === 'env') return 'BATCHCTL_PROFILE';
  return from === 'file' ? (found?.path ?? 'default') : 'default';
}

function checkedZone(zone: string): string {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone;
  } catch (error) {
    throw new BatchctlError(
      'usage',
      `--tz: found ${JSON.stringify(zone)}, allowed: a time zone such as Europe/London`,
      {
        hint: 'the zones are those of the IANA database',
        cause: error,
      },
    );
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
