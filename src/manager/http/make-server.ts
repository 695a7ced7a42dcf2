import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Identity } from '../tls/identity.ts';
import { BOUNDS } from './bounds.ts';
import { networkOf } from './failed-tries.ts';

/** How Node is told what `bounds.ts` says of connections and headers. */
const OPTIONS = {
  maxHeaderSize: BOUNDS.head.value,
  headersTimeout: BOUNDS.headTime.value,
  keepAliveTimeout: BOUNDS.idle.value,
  // A verb may take long to answer, and an upload to come: `limits.ts` bounds bodies.
  requestTimeout: 0,
  // Node looks for late headers each so often.
  connectionsCheckingInterval: 2_000,
} as const;

/** Makes the server of an app: with TLS where there is a certificate, else plain. */
export function makeServer(handler: RequestListener, identity: Identity | null): Server {
  const server = identity === null ? createServer(OPTIONS, handler) : secure(handler, identity);
  // Of more than these nothing is read: to tell them so would cost the handshake that is to be spared.
  server.maxConnections = BOUNDS.connections.value;
  boundConnectionsOfOne(server);
  return server;
}

function secure(handler: RequestListener, { cert, key }: Identity): Server {
  const tls = { cert, key, minVersion: 'TLSv1.2', handshakeTimeout: BOUNDS.handshake.value } as const;
  const server = createSecureServer({ ...OPTIONS, ...tls }, handler);
  // Nothing can be said to one whose handshake failed, or did not come; what is tried to be said would hold it open.
  server.on('tlsClientError', (_, socket) => socket.destroy());
  return server;
}

function boundConnectionsOfOne(server: Server): void {
  const held = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const network = networkOf(socket.remoteAddress ?? '');
    const count = (held.get(network) ?? 0) + 1;
    held.set(network, count);
    socket.once('close', () => {
      const left = (held.get(network) ?? 1) - 1;
      if (left === 0) held.delete(network);
      else held.set(network, left);
    });
    if (count > BOUNDS.connectionsOfOne.value) socket.destroy();
  });
}
