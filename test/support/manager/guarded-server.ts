import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { createToken } from '../../../src/jobs/tokens.ts';
import type { AuditLine } from '../../../src/manager/http/audit.ts';
import { buildServer } from '../../../src/manager/http/server.ts';
import { SignInCode } from '../../../src/manager/http/sign-in.ts';
import type { Identity } from '../../../src/manager/tls/open-tls.ts';
import type { ApiError, Scope } from '../../../src/model/api.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import type { VerbCall } from '../../../src/verbs/remote-caller.ts';
import type { VerbResponse } from '../../../src/verbs/verb-runner.ts';
import { FakeClock } from '../fake-clock.ts';
import { MemoryStore } from '../memory-store.ts';
import { Workspace } from '../workspace.ts';
import { describedVerbs } from './described-verbs.ts';

interface GuardedServerOptions {
  readonly identity?: Identity;
  readonly bodyMs?: number;
  /** Offers the sign-in link. */
  readonly hasLink?: boolean;
}

/** A manager's server on a port of this machine, to test its guards: its verbs are fakes. */
export class GuardedServer {
  /** Runs a verb; a test may replace it. */
  run: (call: VerbCall) => Promise<VerbResponse> = answerNothing;
  readonly clock = new FakeClock();
  readonly store: ObjectStore = new MemoryStore(() => this.clock.now());
  readonly audit: AuditLine[] = [];
  readonly calls: VerbCall[] = [];
  readonly who = 'test@here';
  readonly signIn = new SignInCode(this);
  #app: FastifyInstance | null = null;
  readonly #sockets: Socket[] = [];
  readonly #agent = new Agent({ keepAlive: true });
  readonly #workspace = new Workspace();

  static async open({ identity, bodyMs, hasLink }: GuardedServerOptions = {}): Promise<GuardedServer> {
    const server = new GuardedServer();
    const verbs = await describedVerbs();
    const app = buildServer({
      verbs: {
        ...verbs,
        call: (call) => {
          server.calls.push(call);
          return server.run(call);
        },
      },
      platform: await server.#workspace.platform(),
      identity: identity ?? null,
      signIn: hasLink === true ? server.signIn : null,
      guards: {
        platform: server,
        onAudit: (line) => server.audit.push(line),
        ...(bodyMs !== undefined && { bodyMs }),
      },
    });
    await app.listen({ host: '127.0.0.1', port: 0 });
    server.#app = app;
    return server;
  }

  get app(): FastifyInstance {
    if (this.#app === null) throw new Error('the server is not open');
    return this.#app;
  }

  get port(): number {
    return (this.app.server.address() as AddressInfo).port;
  }

  async token(scope: Scope, name: string = scope, expiresIn: number | null = null): Promise<string> {
    return (await createToken(this, { name, scope, expiresIn })).text;
  }

  /** Calls with a token, or with none. */
  call(path: string, token: string | null = null, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (token !== null) headers.set('authorization', `Bearer ${token}`);
    return fetch(`http://127.0.0.1:${this.port}${path}`, { ...init, headers });
  }

  /** Needs less CPU than `call`, for many calls, and returns only the status. */
  status(path: string, token: string | null = null, method = 'GET'): Promise<number> {
    const headers = token === null ? {} : { authorization: `Bearer ${token}` };
    return new Promise((resolve, reject) => {
      const { port } = this;
      const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: this.#agent }, (answer) => {
        resolve(answer.statusCode ?? 0);
        // A stream doesn't end by itself.
        if (answer.headers['content-type']?.startsWith('application/json')) answer.resume();
        else answer.destroy();
      });
      sent.on('error', reject).end();
    });
  }

  /** An answer, its body unread, to a call that asks to keep or to close its connection: `fetch` hides both. */
  async answerOn(connection: 'keep-alive' | 'close', path: string, token: string | null): Promise<IncomingMessage> {
    const headers = { connection, ...(token !== null && { authorization: `Bearer ${token}` }) };
    const sent = request({ host: '127.0.0.1', port: this.port, path, headers, agent: false }).end();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    answer.destroy();
    return answer;
  }

  post(path: string, token: string | null, body: object | string = {}): Promise<Response> {
    return this.call(path, token, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }

  command(name: string, input: object, token: string | null): Promise<Response> {
    return this.post('/api/v1/verbs', token, { name, input, yes: true });
  }

  /** A bare connection. */
  async connect(): Promise<Socket> {
    const socket = connect({ host: '127.0.0.1', port: this.port }).on('error', () => {});
    this.#sockets.push(socket);
    await once(socket, 'connect');
    return socket;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#agent.destroy();
    this.app.server.closeAllConnections();
    await this.app.close();
    await this.#workspace.remove();
  }
}

const answerNothing = async (): Promise<VerbResponse> => ({ answer: {}, exitCode: 0, error: null });

/** A verb that prints a notice, and runs until it is stopped. */
export const runUntilStopped = ({ signal, notice }: VerbCall): Promise<VerbResponse> =>
  new Promise((resolve) => {
    notice('as it goes');
    signal.addEventListener('abort', () => resolve({ answer: undefined, exitCode: 130, error: null }));
  });

/** Reads a connection until it is closed, or reset. */
export async function readUntilClosed(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

/** The error in an answer's body. */
export const errorOf = async (answer: Response): Promise<ApiError> =>
  ((await answer.json()) as { readonly error: ApiError }).error;
