import { createPrivateKey, X509Certificate } from 'node:crypto';
import { BatchctlError } from '../../errors.ts';
import { fingerprintOf } from '../../lib/fingerprint.ts';

/** What a manager proves to callers who it is with. */
export interface Identity {
  /** PEM; the manager's own certificate first, then those between it and its authority. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  /** `sha256:` and 64 hex digits. */
  readonly fingerprint: string;
  /** From when on who goes by dates refuses it, ISO-8601 UTC. */
  readonly expires: string;
}

/** Puts certificate and key together. Throws `config`, naming where they are from, for what is none, or no pair. */
export function identityOf(cert: string, key: string, from: string): Identity {
  const leaf = read(`a certificate (PEM) in ${from}`, () => new X509Certificate(cert));
  const secret = read(`a private key (PEM, without a passphrase) in ${from}`, () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(secret)) {
    throw new BatchctlError(
      'config',
      `expected the key of the certificate ${oneLine(leaf.subject)}, found another key in ${from}`,
      {
        hint: 'use two files that belong together: --tls-cert F --tls-key F',
      },
    );
  }
  return { cert, key, fingerprint: fingerprintOf(leaf.raw), expires: new Date(leaf.validTo).toISOString() };
}

/** Not the error's own text: it may tell of the key. */
function read<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    throw new BatchctlError('config', `expected ${what}, found none`, {
      hint: 'openssl x509 -in CERT -noout -subject; openssl pkey -in KEY -noout -check',
    });
  }
}

const oneLine = (text: string | undefined): string => (text ?? '').replaceAll('\n', ', ').slice(0, 200);
