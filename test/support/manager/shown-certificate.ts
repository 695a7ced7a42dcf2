import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import { generate } from 'selfsigned';
import { fingerprintOf } from '../../../src/lib/certificate.ts';

/** A certificate that nobody signed, with its key. */
export async function pair(name: string): Promise<{ readonly cert: string; readonly key: string }> {
  const made = await generate([{ name: 'commonName', value: name }], { keyType: 'ec', algorithm: 'sha256' });
  return { cert: made.cert, key: made.private };
}

/** Puts a new one into `cert.pem` and `key.pem` of a directory, each whole at once, as whoever renews does it; answers its fingerprint. */
export async function layPair(directory: string, name: string): Promise<string> {
  const { cert, key } = await pair(name);
  for (const [at, text] of [
    ['cert.pem', cert],
    ['key.pem', key],
  ] as const) {
    writeFileSync(join(directory, `${at}.new`), text);
    renameSync(join(directory, `${at}.new`), join(directory, at));
  }
  return fingerprintOf(new X509Certificate(cert).raw);
}

/** What a server shows of itself to a new connection. */
export async function shownBy(
  port: number,
  options: object = {},
): Promise<{ readonly protocol: string | null; readonly peer: PeerCertificate }> {
  const socket: TLSSocket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  try {
    await once(socket, 'secureConnect');
    return { protocol: socket.getProtocol(), peer: socket.getPeerCertificate() };
  } finally {
    socket.destroy();
  }
}
