import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { FRAMES_TYPE, type ValueFrame } from '../../../src/model/api.ts';
import { type Listening, listen } from '../servers/listen.ts';

/** A call of a verb as it came. */
interface Heard {
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** It was confirmed. */
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly tz: string | null;
}

type Answer = (response: ServerResponse, heard: Heard) => void;

/** Answers each call of a verb by the next of these, the last again and again: for what no manager does at will. */
export class FakeManager {
  readonly heard: Heard[] = [];
  /** Requests of any kind, and the tokens that came with them. */
  readonly tokens: (string | undefined)[] = [];
  readonly port: number;
  readonly stop: () => Promise<void>;
  #answers: readonly Answer[] = [];

  private constructor(server: Server, { port, close }: Listening) {
    this.port = port;
    this.stop = close;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#take(request, response));
  }

  static async start(secure: { readonly cert: string; readonly key: string } | null = null): Promise<FakeManager> {
    const server = secure === null ? createServer() : createSecureServer(secure);
    return new FakeManager(server, await listen(server));
  }

  answer(...answers: readonly Answer[]): void {
    this.#answers = answers;
    this.heard.length = 0;
    this.tokens.length = 0;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.tokens.push(request.headers.authorization);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const heard = JSON.parse(Buffer.concat(chunks).toString('utf8') || '{}') as Heard;
    this.heard.push(heard);
    const answer = this.#answers[Math.min(this.heard.length, this.#answers.length) - 1];
    answer?.(response, heard);
  }
}

/** These frames, and the end. */
export const frames =
  (...all: readonly ValueFrame[]): Answer =>
  (response) => {
    response.writeHead(200, { 'content-type': FRAMES_TYPE });
    response.end(all.map((frame) => `${JSON.stringify(frame)}\n`).join(''));
  };

/** These frames, and then the connection is gone. */
export const broken =
  (...all: readonly ValueFrame[]): Answer =>
  (response) => {
    if (all.length === 0) {
      response.socket?.destroy();
      return;
    }
    response.writeHead(200, { 'content-type': FRAMES_TYPE });
    const text = all.map((frame) => `${JSON.stringify(frame)}\n`).join('');
    response.write(text, () => setImmediate(() => response.socket?.destroy()));
  };

export const refused =
  (status: number, error: object, headers: Readonly<Record<string, string>> = {}): Answer =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify({ error }));
  };
