/** This machine's zone, and whether its TZ said so: what names no zone is taken for UTC, as Node and libc do. */
export interface MachineZone {
  readonly zone: string;
  readonly understood: boolean;
}

/** Reads the zone of a machine whose environment has `tz` as TZ. A leading colon is POSIX's, and part of no name. */
export function machineZone(tz: string | undefined): MachineZone {
  const named: string | undefined = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (named !== undefined && isZone(named)) return { zone: named, understood: true };
  const written = (tz ?? '').replace(/^:/, '');
  if (isZone(written)) return { zone: written, understood: true };
  return { zone: 'UTC', understood: /^(UTC|GMT)?0?$/.test(written) };
}

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
