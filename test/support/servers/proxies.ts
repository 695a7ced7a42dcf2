import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
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
  /** From now on, on new connections, presents a certificate of an authority that `ca` doesn't contain; or again of `ca`. */
  present(which: 'unknown' | 'trusted'): Promise<void>;
  close(): Promise<void>;
}

/** Starts a proxy that decrypts TLS and forwards the bytes to the server at `target`. */
export async function startTlsFront(target: string): Promise<TlsFront> {
  const directory = mkdtempSync(join(tmpdir(), 'batchctl-tls-'));
  const { ca, cert, key } = await makeCertificates(directory, {});
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  const trusted = { cert: readFileSync(cert), key: readFileSync(key) };
  const server = createTlsServer(trusted, (socket) => {
    track(open, socket);
    tunnel(socket, connect(Number(port), hostname));
  });
  const listening = await listen(server, 'localhost');
  return {
    url: `https://localhost:${listening.port}`,
    ca,
    present: async (which) => {
      if (which === 'trusted') server.setSecureContext(trusted);
      else {
        const others = join(directory, 'others');
        mkdirSync(others);
        const other = await makeCertificates(others, {});
        server.setSecureContext({ cert: readFileSync(other.cert), key: readFileSync(other.key) });
      }
      for (const socket of open) socket.destroy();
    },
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
  /** How many tunnels were refused for want of the header. */
  readonly refused: number;
  /** Ends all tunnels; new ones need this header, or none (null). */
  demand(authorization: string | null): void;
}

function track(open: Set<Socket>, socket: Socket): void {
  if (open.has(socket)) return;
  open.add(socket);
  socket.once('close', () => open.delete(socket));
}

/** Starts a proxy whose tunnels all lead to `target`. Requires `authorization`, a `Basic` header, if it is given. */
export async function startConnectProxy(target: string, authorization?: string): Promise<ConnectProxy> {
  const { hostname, port } = new URL(target);
  const tunnels: string[] = [];
  const open = new Set<Socket>();
  let demanded = authorization ?? null;
  let refused = 0;
  const server = createHttpServer((_request, answer) => {
    answer.writeHead(501).end();
  });
  server.on('connect', (incoming, client: Socket) => {
    client.on('error', () => undefined);
    if (demanded !== null && incoming.headers['proxy-authorization'] !== demanded) {
      refused += 1;
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      return;
    }
    tunnels.push(incoming.url ?? '');
    track(open, client);
    const upstream = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      tunnel(client, upstream);
    });
    upstream.on('error', () => client.destroy());
  });
  return {
    ...(await listen(server)),
    tunnels,
    get refused() {
      return refused;
    },
    demand: (wanted) => {
      demanded = wanted;
      for (const client of open) client.destroy();
    },
  };
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
