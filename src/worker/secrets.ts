/** Names to values; in a job file, to references. */
export type Secrets = Readonly<Record<string, string>>;

/** Shorter values are found in too many places to be told from other text. */
const SHORTEST = 4;

/** Replaces every secret's value (of four characters or more) in a text by stars. */
export function maskSecrets(text: string, secrets: Secrets): string {
  const values = new Set(Object.values(secrets).flatMap(tellingParts));
  // The longest first: what holds another one must not be told by the rest of it.
  const sorted = [...values].filter((value) => value.length >= SHORTEST).sort((a, b) => b.length - a.length);
  return sorted.reduce((masked, value) => masked.replaceAll(value, '****'), text);
}

/**
 * What a log may hold of a value: all of it; one line of a key file; one field of a JSON document, which is what
 * Secrets Manager keeps.
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
