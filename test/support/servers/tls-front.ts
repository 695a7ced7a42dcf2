import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';
import { makeCertificates } from './certificates.ts';

/** A server's own answers, behind TLS. */
export interface TlsFront {
  /** `https://localhost:...` */
  readonly url: string;
  /** For AWS_CA_BUNDLE: the file of the authority that signed its certificate. */
  readonly ca: string;
  close(): Promise<void>;
}

/** Passes to the server at `target` what comes by TLS, byte for byte. */
export async function startTlsFront(target: string): Promise<TlsFront> {
  const directory = mkdtempSync(join(tmpdir(), 'batchctl-tls-'));
  const { ca, cert, key } = await makeCertificates(directory, {});
  const { hostname, port } = new URL(target);
  const open = new Set<TLSSocket>();
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => {
    const upstream = connect(Number(port), hostname);
    open.add(socket);
    socket.on('error', () => upstream.destroy());
    socket.on('close', () => {
      open.delete(socket);
      upstream.destroy();
    });
    upstream.on('error', () => socket.destroy());
    upstream.on('close', () => socket.destroy());
    socket.pipe(upstream).pipe(socket);
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the TLS front has no port');
  return {
    ...{ url: `https://localhost:${address.port}`, ca },
    close: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
