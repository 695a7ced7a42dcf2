import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A reverse proxy that shows a manager below a path: all else that is asked of it is not found. */
export class PrefixProxy {
  /** What was asked for outside the path. */
  readonly strays: string[] = [];
  readonly #server: Server;
  readonly #prefix: string;

  private constructor(server: Server, prefix: string) {
    this.#server = server;
    this.#prefix = prefix;
  }

  static async start(manager: string, prefix = '/batch'): Promise<PrefixProxy> {
    const server = createServer((asked, answer) => {
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
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return made;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${this.#prefix}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, 'close');
  }
}
