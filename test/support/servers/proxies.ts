import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { makeCertificates } from './certificates.ts';
import { type Listening, listen, serve } from './listen.ts';

/** A server's own answers, behind TLS. */
interface TlsFront {
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
  const server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => {
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

/** A proxy as companies have them: it knows CONNECT, and hosts that the client can't find. */
interface ConnectProxy extends Listening {
  /** `host:port` of each tunnel, in order. */
  readonly tunnels: readonly string[];
}

/** Leads every tunnel to `target`, whatever host was asked for; wants `Basic` authorization if told. */
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
      upstream.pipe(client).pipe(upstream);
    });
    client.on('close', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  return { ...(await listen(server)), tunnels };
}

/** A reverse proxy that shows a manager below a path: all else that is asked of it is not found. */
export class PrefixProxy {
  /** What was asked for outside the path. */
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
        made.strays.push(url);
        answer.writeHead(404).end();
        return;
      }
      const passed = request(new URL(url.slice(prefix.length), manager), { method, headers }, (said) => {
        answer.writeHead(said.statusCode ?? 502, said.headers);
        said.pipe(answer);
      });
      passed.once('error', () => answer.destroy());
      answer.once('close', () => passed.destroy());
      asked.pipe(passed);
    });
    const made = new PrefixProxy(server, prefix);
    return made;
  }
}
