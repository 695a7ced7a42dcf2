import { networkInterfaces, hostname as thisHost } from 'node:os';
import { BatchctlError } from '../../errors.ts';
import { parseStored } from '../../lib/json.ts';
import { CERTIFICATE } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { type Identity, identityOf } from './certificate-files.ts';

/** The stack's own certificate, as stored. */
interface StoredCertificate {
  readonly format: 1;
  /** PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  readonly who: string;
  /** When it was created, ISO-8601 UTC. */
  readonly at: string;
}

/**
 * The certificate that all managers of a store share, so that its fingerprint stays when an instance is replaced. It is
 * created if there is none (create-if-absent). `names` are its host names and addresses, in addition to this machine's.
 */
export async function ownCertificate(
  platform: Pick<Platform, 'store' | 'clock' | 'who'>,
  names: readonly string[],
): Promise<Identity> {
  const { store, clock, who } = platform;
  const found = await readCertificate(store);
  if (found !== null) return found;
  const now = clock.now();
  // Loaded only if one must be made.
  const { makeCertificate } = await import('./make-certificate.ts');
  const made = await makeCertificate([...names, ...namesHere()], now);
  const stored: StoredCertificate = { format: 1, ...made, who, at: new Date(now).toISOString() };
  await store.put(CERTIFICATE, JSON.stringify(stored), { ifAbsent: true });
  // The winner of the race, perhaps another manager.
  const winner = await readCertificate(store);
  if (winner !== null) return winner;
  throw new BatchctlError('changed', `${CERTIFICATE} was removed while it was created`, {
    hint: 'start the manager again',
  });
}

/** Null if no manager has made one. Throws `newer`, `corrupt`, `config` for one that can't be used. */
export async function readCertificate(store: Pick<ObjectStore, 'read'>): Promise<Identity | null> {
  const bytes = await store.read(CERTIFICATE);
  if (bytes === null) return null;
  const { cert, key } = parseStored<StoredCertificate>(CERTIFICATE, bytes);
  return identityOf(String(cert), String(key), CERTIFICATE);
}

/** A name longer than DNS allows, or with other characters, would make an invalid certificate. */
function namesHere(): readonly string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  // A link-local address means nothing to other machines.
  const own = addresses.map(({ address }) => address).filter((address) => !/^fe80:/i.test(address));
  const host = /^[A-Za-z0-9.-]{1,253}$/.test(thisHost()) ? [thisHost()] : [];
  return ['localhost', '127.0.0.1', '::1', ...host, ...own];
}
