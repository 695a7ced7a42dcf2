import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { makeCertificates } from './certificates.ts';
import { listen } from './listen.ts';

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
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => {
    const upstream = connect(Number(port), hostname);
    socket.on('error', () => upstream.destroy());
    socket.on('close', () => upstream.destroy());
    upstream.on('error', () => socket.destroy());
    upstream.on('close', () => socket.destroy());
    socket.pipe(upstream).pipe(socket);
  });
  const listening = await listen(server, 'localhost');
  return {
    ...{ url: `https://localhost:${listening.port}`, ca },
    close: async () => {
      await listening.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
