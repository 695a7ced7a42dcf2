import { isPlain, type Plain } from './merge.ts';

/** The outer shape of a configuration file; its profiles are checked once they are merged. */
export interface ConfigFile {
  readonly profile: string | null;
  readonly profiles: Readonly<Record<string, Plain>>;
}

/** The file if its outer shape is right; null if not, or in doubt. */
export function asConfigFile(value: unknown): ConfigFile | null {
  if (!isPlain(value)) return null;
  const { $schema, profile, profiles = {}, ...others } = value;
  if (Object.keys(others).length > 0 || !isPlain(profiles)) return null;
  if ($schema !== undefined && typeof $schema !== 'string') return null;
  if (profile !== undefined && (typeof profile !== 'string' || profile.trim() === '')) return null;
  const checked: Record<string, Plain> = {};
  for (const [name, settings] of Object.entries(profiles)) {
    if (!/^[A-Za-z0-9][\w.-]{0,63}$/.test(name) || !isPlain(settings)) return null;
    if (settings.extends !== undefined && typeof settings.extends !== 'string') return null;
    checked[name] = settings;
  }
  return { profile: profile ?? null, profiles: checked };
}
