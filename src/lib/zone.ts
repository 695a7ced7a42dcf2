import { BatchctlError } from '../errors.ts';
import { canonicalZone, isZone } from './instant.ts';

/** The canonical name of the zone of `--tz`. Throws `usage` if there is no such zone. */
export function parseZone(zone: string): string {
  const canonical = canonicalZone(zone);
  if (canonical !== null) return canonical;
  throw new BatchctlError('usage', `--tz: expected the name of a time zone, found "${zone}"`, {
    hint: 'use a name like UTC or Europe/London',
  });
}

/** This machine's zone, and whether TZ was understood. An unknown TZ counts as UTC, as in Node and libc. */
interface MachineZone {
  readonly zone: string;
  readonly understood: boolean;
}

/** By the TZ of this process and the one asked for: a manager asks for each call, and Intl takes half a millisecond. */
const machineZones = new Map<string, MachineZone>();

/** Reads the zone for the TZ value `tz`. POSIX allows a leading colon, which isn't part of the name. */
export function machineZone(tz: string | undefined): MachineZone {
  const asked = JSON.stringify([process.env.TZ, tz]);
  const known = machineZones.get(asked) ?? readMachineZone(tz);
  machineZones.set(asked, known);
  return known;
}

function readMachineZone(tz: string | undefined): MachineZone {
  const named: string | undefined = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (named !== undefined && isZone(named)) return { zone: named, understood: true };
  const written = (tz ?? '').replace(/^:/, '');
  if (isZone(written)) return { zone: written, understood: true };
  return { zone: 'UTC', understood: /^(UTC|GMT)?0?$/.test(written) };
}
