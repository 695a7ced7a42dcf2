import { createHash, X509Certificate } from 'node:crypto';

/** A certificate's fingerprint: `sha256:` and the 64 lower-case hex digits of the hash of its DER. */
export const fingerprintOf = (der: Uint8Array): string => `sha256:${createHash('sha256').update(der).digest('hex')}`;

/** The fingerprint of the first certificate in a PEM text. Throws Node's error if there is none. */
export const pemFingerprint = (pem: string | Uint8Array): string => fingerprintOf(new X509Certificate(pem).raw);

/** True if a certificate has this fingerprint, written in either case, with colons as in OpenSSL or without. */
export function hasFingerprint(der: Uint8Array, written: string): boolean {
  return (
    fingerprintOf(der) ===
    `sha256:${written
      .replace(/^sha256:/i, '')
      .replaceAll(':', '')
      .toLowerCase()}`
  );
}
