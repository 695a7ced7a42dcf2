import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { text } from 'node:stream/consumers';
import { FRAMES_TYPE, type ValueFrame } from '../../../src/model/api.ts';
import { type Listening, listen } from '../servers/listen.ts';

/** A call of a verb, as received. */
interface ReceivedCall {
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** It was confirmed. */
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly tz: string | null;
}

type Answer = (response: ServerResponse) => void;

/** Answers each call of a verb with the next of a list of answers, and further calls with the last one. */
export class FakeManager {
  readonly calls: ReceivedCall[] = [];
  /** The token of each request, of any kind. */
  readonly tokens: (string | undefined)[] = [];
  readonly port: number;
  readonly stop: () => Promise<void>;
  #answers: readonly Answer[] = [];

  private constructor(server: Server, { port, close }: Listening) {
    this.port = port;
    this.stop = close;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#respond(request, response));
  }

  static async start(secure: { readonly cert: string; readonly key: string } | null = null): Promise<FakeManager> {
    const server = secure === null ? createServer() : createSecureServer(secure);
    return new FakeManager(server, await listen(server));
  }

  answer(...answers: readonly Answer[]): void {
    this.#answers = answers;
    this.calls.length = 0;
    this.tokens.length = 0;
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.tokens.push(request.headers.authorization);
    this.calls.push(JSON.parse((await text(request)) || '{}'));
    this.#answers[Math.min(this.calls.length, this.#answers.length) - 1]?.(response);
  }
}

const linesOf = (all: readonly ValueFrame[]): string => all.map((frame) => `${JSON.stringify(frame)}\n`).join('');

/** Sends these frames, and ends the answer. */
export const frames =
  (...all: readonly ValueFrame[]): Answer =>
  (response) =>
    response.writeHead(200, { 'content-type': FRAMES_TYPE }).end(linesOf(all));

/** Sends these frames, and leaves the answer open. */
export const openFrames =
  (...all: readonly ValueFrame[]): Answer =>
  (response) =>
    response.writeHead(200, { 'content-type': FRAMES_TYPE }).write(linesOf(all));

/** Sends these frames, and closes the connection before the answer is complete. */
export const brokenFrames =
  (...all: readonly ValueFrame[]): Answer =>
  (response) => {
    const close = (): unknown => response.socket?.destroy();
    if (all.length === 0) close();
    else response.writeHead(200, { 'content-type': FRAMES_TYPE }).write(linesOf(all), () => setImmediate(close));
  };

/** Answers with an error. */
export const errorAnswer =
  (status: number, error: object, headers: Readonly<Record<string, string>> = {}): Answer =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ error }));
