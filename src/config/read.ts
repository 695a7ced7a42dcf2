import { asConfigFile, type ConfigFile, type FoundFile } from './config-file.ts';

/**
 * Reads the file. The common, correct file costs one `JSON.parse`; only a wrong or doubtful one loads the parser with
 * positions and the schema. Throws `config` with every mistake and its place.
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
  const { reportOuter } = await import('./check.ts');
  return reportOuter(found, failure);
}

/** Counts the keys in the text: more than in the value if one is repeated, which `JSON.parse` doesn't report. */
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
