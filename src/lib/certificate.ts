import { createHash } from 'node:crypto';

/** A certificate's fingerprint: `sha256:` and the 64 lower-case hex digits of the hash of its DER. */
export const fingerprintOf = (der: Uint8Array): string => `sha256:${createHash('sha256').update(der).digest('hex')}`;

/** True if a certificate has this fingerprint, written in either case, with colons as in OpenSSL or without. */
export function hasFingerprint(der: Uint8Array, written: string): boolean {
  const digits = written.replace(/^sha256:/i, '').replaceAll(':', '');
  return fingerprintOf(der) === `sha256:${digits.toLowerCase()}`;
}

/** Whether the code of a TLS error means that the other side's certificate is not trusted, or not its own. */
export function isCertificateError(code: string): boolean {
  return /^(CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO_SELF_SIGNED|INVALID_CA|ERR_TLS_CERT_)/.test(code);
}
