import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';

/** A proxy as companies have them: it knows CONNECT, and hosts that the client can't find. */
export interface ConnectProxy {
  readonly url: string;
  /** `host:port` of each tunnel, in order. */
  readonly tunnels: readonly string[];
  close(): Promise<void>;
}

/** Leads every tunnel to `target`, whatever host was asked for; wants `Basic` authorization if told. */
export async function startConnectProxy(target: string, authorization?: string): Promise<ConnectProxy> {
  const { hostname, port } = new URL(target);
  const tunnels: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((_request, answer) => {
    answer.writeHead(501).end();
  });
  server.on('connect', (incoming, client: Socket) => {
    client.on('error', () => undefined);
    if (authorization !== undefined && incoming.headers['proxy-authorization'] !== authorization) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      return;
    }
    tunnels.push(incoming.url ?? '');
    const upstream = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    }
    upstream.on('error', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    tunnels,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
