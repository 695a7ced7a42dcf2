import { readFileSync } from 'node:fs';
import { createServer as createHttp, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { gunzipSync } from 'node:zlib';
import { type Listening, listen } from './listen.ts';

export interface Post {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** A receiver's response; `hang`: none. */
type Answer = { readonly status: number; readonly text?: string; readonly location?: string } | 'hang' | 'reset';

/** A receiver of notifications: keeps each request, and responds as configured, by default with 200. */
export class HookServer {
  readonly posts: Post[] = [];
  /** The responses to the next requests, one each; all others get `answer`. */
  readonly next: Answer[] = [];
  answer: Answer = { status: 200 };
  readonly port: number;
  readonly close: () => Promise<void>;

  private constructor(server: Server, { port, close }: Listening) {
    this.port = port;
    this.close = close;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#take(request, response));
  }

  /** Uses TLS if a certificate and its key are given, as files. */
  static async start(tls: { readonly cert: string; readonly key: string } | null = null): Promise<HookServer> {
    const server =
      tls === null ? createHttp() : createHttps({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) });
    return new HookServer(server, await listen(server));
  }

  /** The JSON documents that it received, in order. */
  get bodies(): readonly Readonly<Record<string, unknown>>[] {
    return this.posts.map(({ text }) => JSON.parse(text));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', url: path = '', headers } = request;
    const body = Buffer.concat(chunks);
    const plain = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
    this.posts.push({ method, path, headers, text: plain.toString() });
    const answer = this.next.shift() ?? this.answer;
    if (answer === 'hang') return;
    if (answer === 'reset') {
      request.socket.destroy();
      return;
    }
    const { status, text = '', location } = answer;
    response.writeHead(status, location === undefined ? {} : { location }).end(text);
  }
}
