import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type Listening, listen } from './listen.ts';

/** A proxy as companies have them: it knows CONNECT, and hosts that the client can't find. */
export interface ConnectProxy extends Listening {
  /** `host:port` of each tunnel, in order. */
  readonly tunnels: readonly string[];
}

/** Leads every tunnel to `target`, whatever host was asked for; wants `Basic` authorization if told. */
export async function startConnectProxy(target: string, authorization?: string): Promise<ConnectProxy> {
  const { hostname, port } = new URL(target);
  const tunnels: string[] = [];
  const server = createServer((_request, answer) => {
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
    client.on('close', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  return { ...(await listen(server)), tunnels };
}
