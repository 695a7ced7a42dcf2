/**
 * Whether a manager of version `own` serves a caller of version `other`: one of the same major version; before 1.0, where a
 * minor version may change anything, one of the same minor. A text that is no version is not served.
 */
export function isServed(own: string, other: string): boolean {
  const [mine, theirs] = [lineOf(own), lineOf(other)];
  return mine !== null && mine === theirs;
}

/** `0.1` of 0.1.7, `2` of 2.3.4: versions that understand each other. Null for what is no version. */
export function lineOf(version: string): string | null {
  const match = /^(\d{1,6})\.(\d{1,6})\.\d{1,6}(?:[-+][0-9A-Za-z.+-]{1,64})?$/.exec(version);
  if (match?.[1] === undefined) return null;
  return Number(match[1]) === 0 ? `0.${Number(match[2])}` : String(Number(match[1]));
}
