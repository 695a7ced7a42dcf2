import { once } from 'node:events';
import { createServer, Agent as HttpAgent, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { listen } from './listen.ts';

/** A request as it was asked, and how it was answered. */
export interface Recorded {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly status: number;
  /** What the account knew of what it names, before the answer; absent where nobody looked. */
  readonly known?: Known;
}

export interface Known {
  /** Of each thing that the request names, by its id or name. */
  readonly tags?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Of the role: its permissions boundary. */
  readonly boundary?: string | null;
  /** The Auto Scaling group that is named, or that holds the instance. */
  readonly group?: string;
  /** The tags that what the group launches is made with, by its kind: `volume`. */
  readonly launches?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Stands between clients and a server, changes nothing, and keeps what was asked. Bodies are held whole. */
export class CallRecorder {
  readonly url: string;
  readonly #close: () => Promise<void>;
  #calls: Recorded[] = [];

  private constructor(url: string, close: () => Promise<void>) {
    this.url = url;
    this.#close = close;
  }

  static async start(target: string): Promise<CallRecorder> {
    const agent = new HttpAgent({ keepAlive: true });
    const server = createServer({ keepAliveTimeout: 60_000 });
    const { url, close } = await listen(server);
    const recorder = new CallRecorder(url, () => {
      agent.destroy();
      return close();
    });
    server.on('request', (incoming: IncomingMessage, answer: ServerResponse) => {
      recorder.#pass(incoming, answer, new URL(target), agent).catch(() => answer.destroy());
    });
    return recorder;
  }

  /** What was asked since the last time. */
  take(): readonly Recorded[] {
    const calls = this.#calls;
    this.#calls = [];
    return calls;
  }

  /** Whether anything was asked, since what was taken, that matches. */
  saw(matches: (call: Recorded) => boolean): boolean {
    return this.#calls.some(matches);
  }

  close(): Promise<void> {
    return this.#close();
  }

  async #pass(incoming: IncomingMessage, answer: ServerResponse, target: URL, agent: HttpAgent): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const { method = 'GET', url = '/', headers } = incoming;
    const { hostname, port } = target;
    // `host` stays as it was signed.
    const outgoing = request({ hostname, port, agent, method, path: url, headers });
    outgoing.end(body);
    const [reply]: IncomingMessage[] = await once(outgoing, 'response');
    if (reply === undefined) throw new Error('no reply');
    const status = reply.statusCode ?? 0;
    this.#calls.push({ method, url: new URL(url, target), headers, body: body.toString('latin1'), status });
    answer.writeHead(status, reply.headers);
    reply.pipe(answer);
    await once(reply, 'end');
  }
}
