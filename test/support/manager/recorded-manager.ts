import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Overview, Status } from '../../../src/dashboard/api-routes.ts';

const BUILT = fileURLToPath(new URL('../../../dist/dashboard/', import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};
const API = '/api/v1';
const ME = {
  name: 'anna',
  scope: 'operate',
  version: '0.1.0',
  profile: 'prod',
  location: 'aws 123456789012 eu-west-1',
};

/** Serves the built page with recorded answers: for grids that tests don't have, and for many events in a short time. */
export class RecordedManager {
  readonly #server: Server;
  readonly #streams = new Map<string, Set<ServerResponse>>();
  /** The last event of each path. */
  readonly #events = new Map<string, string>();
  readonly #answers = new Map<string, unknown>([[`${API}/me`, ME]]);

  private constructor() {
    this.#server = createServer((request, response) => this.#take(request, response));
  }

  static async start(): Promise<RecordedManager> {
    const made = new RecordedManager();
    made.#server.listen(0, '127.0.0.1');
    await once(made.#server, 'listening');
    return made;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Sets the answer to a GET below the API. */
  answer(path: string, document: unknown): void {
    this.#answers.set(`${API}${path}`, document);
  }

  overview(overview: Overview): void {
    this.#tell(`${API}/events`, 'overview', overview);
  }

  status(status: Status): void {
    this.#tell(`${API}/jobs/${status.job}/events`, 'status', status);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #tell(path: string, event: string, document: object): void {
    const text = `event: ${event}\ndata: ${JSON.stringify(document)}\n\n`;
    this.#events.set(path, text);
    for (const stream of this.#streams.get(path) ?? []) stream.write(text);
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const event = this.#events.get(path);
    if (event !== undefined) this.#open(path, event, response);
    else if (path.startsWith(API)) this.#json(this.#answers.get(path), response);
    else this.#file(path, response);
  }

  #open(path: string, event: string, response: ServerResponse): void {
    const streams = this.#streams.get(path) ?? new Set();
    this.#streams.set(path, streams.add(response));
    response.once('close', () => streams.delete(response));
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(event);
  }

  #json(document: unknown, response: ServerResponse): void {
    const none = { error: { kind: 'notFound', message: 'not recorded', hint: null } };
    response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(document ?? none));
  }

  #file(path: string, response: ServerResponse): void {
    const name = path === '/' ? 'index.html' : path.slice(1);
    const there = readdirSync(BUILT, { recursive: true }).map(String);
    if (!there.includes(name)) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream' });
    response.end(readFileSync(join(BUILT, name)));
  }
}
