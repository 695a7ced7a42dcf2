import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import { generate } from 'selfsigned';
import { fingerprintOf } from '../../../src/lib/certificate.ts';

/** A self-signed certificate with its key; `expires` in milliseconds since the epoch, a year ahead by default. */
export async function createCertificate(
  name: string,
  expires?: number,
): Promise<{ readonly cert: string; readonly key: string }> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ...(expires !== undefined && { notAfterDate: new Date(expires) }),
  });
  return { cert, key };
}

/** Creates a certificate and replaces `cert.pem` and `key.pem` of a directory, each by a rename. Returns its fingerprint. */
export async function writeCertificate(directory: string, name: string, expires?: number): Promise<string> {
  const pair = await createCertificate(name, expires);
  for (const part of ['cert', 'key'] as const) {
    const path = join(directory, `${part}.pem`);
    writeFileSync(`${path}.new`, pair[part]);
    renameSync(`${path}.new`, path);
  }
  return fingerprintOf(new X509Certificate(pair.cert).raw);
}

/** The protocol and the certificate that a server uses for a new connection. */
export async function connectTls(
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
