/** The canonical name of an IANA time zone; null if there is no such zone. */
export function canonicalZone(name: string): string | null {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return null;
  }
}

export const isZone = (name: string): boolean => canonicalZone(name) !== null;
