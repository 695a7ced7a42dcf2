import { isPlain, type Plain } from './merge.ts';
import type { FoundFile } from './find.ts';

/** A configuration file's own shape; its profiles are checked once they are merged. */
export interface ConfigFile {
  readonly profile: string | null;
  readonly profiles: Readonly<Record<string, Plain>>;
}

/**
 * Reads the file. The common, right one costs a `JSON.parse`; only what is wrong, or in doubt, loads the parser with positions
 * and the schema. Throws `config`, naming every mistake with its place.
 */
export async function readConfig(found: FoundFile): Promise<ConfigFile> {
  let value: unknown;
  let failure: unknown = null;
  try {
    value = JSON.parse(found.text.replace(/^\ufeff/, ''));
  } catch (error) {
    failure = error;
  }
  const file = failure === null ? asConfigFile(value) : null;
  if (file !== null && !found.text.includes('__proto__') && keysWritten(found.text) === keysIn(value)) return file;
  const { reportOuter } = await import('./report.ts');
  return reportOuter(found, failure);
}

/** The file when its outer shape is right; null when not, or in doubt. */
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

/** How many keys the text writes: more than its value has when one is written twice, which `JSON.parse` doesn't say. */
function keysWritten(text: string): number {
  let count = 0;
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) if (match[1] !== undefined) count += 1;
  return count;
}

function keysIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inner = Object.values(value).reduce<number>((sum, item) => sum + keysIn(item), 0);
  return inner + (Array.isArray(value) ? 0 : Object.keys(value).length);
}

