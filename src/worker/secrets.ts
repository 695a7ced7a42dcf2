/** Names to values; in a job file, to references. */
export type Secrets = Readonly<Record<string, string>>;

/** Shorter values occur in too many places to be distinguished from other text. */
const SHORTEST = 4;

/** Replaces every secret's value (of at least four characters) in a text by asterisks. */
export function maskSecrets(text: string, secrets: Secrets): string {
  const values = new Set(Object.values(secrets).flatMap(tellingParts));
  // Longest first: otherwise the rest of a value that contains another would be visible.
  const sorted = [...values].filter((value) => value.length >= SHORTEST).sort((a, b) => b.length - a.length);
  return sorted.reduce((masked, value) => masked.replaceAll(value, '****'), text);
}

/**
 * The forms of a value in a log: all of it; one line of a key file; one field of a JSON document, as used in Secrets
 * Manager.
 */
function tellingParts(value: string): readonly string[] {
  return [value, value.trim(), ...value.split(/\r?\n/), ...(value.trimStart().startsWith('{') ? fieldsOf(value) : [])];
}

function fieldsOf(value: string): readonly string[] {
  try {
    return texts(JSON.parse(value));
  } catch {
    return [];
  }
}

function texts(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value, ...value.split(/\r?\n/)];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(texts) : [];
}
