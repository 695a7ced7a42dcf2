import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import { makeCertificates } from './certificates.ts';
import { type Listening, listen, serve } from './listen.ts';

interface TlsFront {
  /** `https://localhost:...` */
  readonly url: string;
  /** The certificate of the authority that signed the proxy's, a file, for AWS_CA_BUNDLE. */
  readonly ca: string;
  close(): Promise<void>;
}

/** Starts a proxy that decrypts TLS and forwards the bytes to the server at `target`. */
export async function startTlsFront(target: string): Promise<TlsFront> {
  const directory = mkdtempSync(join(tmpdir(), 'batchctl-tls-'));
  const { ca, cert, key } = await makeCertificates(directory, {});
  const { hostname, port } = new URL(target);
  const server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => {
    tunnel(socket, connect(Number(port), hostname));
  });
  const listening = await listen(server, 'localhost');
  return {
    url: `https://localhost:${listening.port}`,
    ca,
    close: async () => {
      await listening.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A company's proxy, which supports CONNECT and resolves hosts that the client can't. */
interface ConnectProxy extends Listening {
  /** The requested `host:port` of each tunnel, in order. */
  readonly tunnels: readonly string[];
}

/** Starts a proxy whose tunnels all lead to `target`. Requires `authorization`, a `Basic` header, if it is given. */
export async function startConnectProxy(target: string, authorization?: string): Promise<ConnectProxy> {
  const { hostname, port } = new URL(target);
  const tunnels: string[] = [];
  const server = createHttpServer((_request, answer) => {
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
      tunnel(client, upstream);
    });
    upstream.on('error', () => client.destroy());
  });
  return { ...(await listen(server)), tunnels };
}

/** Forwards bytes between two sockets until either ends. */
function tunnel(client: Socket, upstream: Socket): void {
  pipeline(client, upstream, client, () => undefined);
}

/** A reverse proxy that serves a manager below a path, and 404 elsewhere. */
export class PrefixProxy {
  /** Requested URLs outside the path. */
  readonly strays: string[] = [];
  readonly url: string;
  readonly stop: () => Promise<void>;

  private constructor({ url, close }: Listening, prefix: string) {
    this.url = `${url}${prefix}`;
    this.stop = close;
  }

  static async start(manager: string, prefix = '/batch'): Promise<PrefixProxy> {
    const server = await serve((asked, answer) => {
      const { method, headers, url = '' } = asked;
      if (!url.startsWith(`${prefix}/`)) {
        proxy.strays.push(url);
        answer.writeHead(404).end();
        return;
      }
      const passed = request(new URL(url.slice(prefix.length), manager), { method, headers }, (response) => {
        answer.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(answer);
      });
      passed.once('error', () => answer.destroy());
      answer.once('close', () => passed.destroy());
      asked.pipe(passed);
    });
    const proxy = new PrefixProxy(server, prefix);
    return proxy;
  }
}
