import { isIP } from 'node:net';
// A static import, because the bundler gives a lazily loaded CommonJS package no names.
import { generate } from 'selfsigned';

/** It isn't renewed: callers recognize it by its fingerprint. */
const YEARS = 10;
const DAY_MS = 86_400_000;
/** So that a clock that is a day behind accepts it too. */
const BEFORE_MS = DAY_MS;

/** A self-signed certificate for these names and addresses, with its key, both PEM. `now` in milliseconds. */
export async function makeCertificate(
  names: readonly string[],
  now: number,
): Promise<{ readonly cert: string; readonly key: string }> {
  const altNames = [...new Set(names)].map((name) =>
    isIP(name) === 0 ? ({ type: 2, value: name } as const) : ({ type: 7, ip: name } as const),
  );
  const made = await generate([{ name: 'commonName', value: 'batchctl manager' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(now - BEFORE_MS),
    notAfterDate: new Date(now + YEARS * 365 * DAY_MS),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames },
    ],
  });
  return { cert: made.cert, key: made.private };
}
