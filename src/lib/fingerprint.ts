import { createHash, X509Certificate } from 'node:crypto';

/** What a certificate is known by: `sha256:` and the 64 lower-case hex digits of the hash of its DER. */
export const fingerprintOf = (der: Uint8Array): string => `sha256:${createHash('sha256').update(der).digest('hex')}`;

/** The fingerprint of the first certificate of a PEM text. Throws what Node throws for a text that holds none. */
export const pemFingerprint = (pem: string | Uint8Array): string => fingerprintOf(new X509Certificate(pem).raw);

/** Whether a certificate has a fingerprint as people write it: capitals or not, with colons as OpenSSL has them or without. */
export function hasFingerprint(der: Uint8Array, written: string): boolean {
  return (
    fingerprintOf(der) ===
    `sha256:${written
      .replace(/^sha256:/i, '')
      .replaceAll(':', '')
      .toLowerCase()}`
  );
}
