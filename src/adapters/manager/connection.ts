import {
  type Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import { BatchctlError, hasCode } from '../../errors.ts';
import { isCertificateError } from '../../lib/certificate.ts';
import { VERSION } from '../../lib/version.ts';
import { jitter, wait } from '../../lib/wait.ts';
import { VERSION_HEADER } from '../../model/api.ts';
import { managerAgent } from './agent.ts';
import { isManagerUnavailable, ManagerUnavailableError, readErrorAnswer } from './manager-errors.ts';

export interface ConnectionOptions {
  readonly url: string;
  /** Null: no token is sent. */
  readonly token: string | null;
  readonly fingerprint: string | null;
}

export interface Call {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Created anew for each try. */
  readonly body?: () => Readable | Uint8Array | string;
  /** Statuses besides 2xx that aren't errors. */
  readonly also?: readonly number[];
  /**
   * The call may be sent again after the manager may have received it. A call that may not gets a new connection: on a
   * kept one, a close by the other side looks the same as a lost answer.
   */
  readonly again: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Tries of a call while the manager is away or busy: about 5 s in all, or as long as it asks for, up to 30 s. */
export const TRIES = 4;
export const FIRST_PAUSE = 500;
const LONGEST_AFTER = 30;
/** Kept connections: somewhat more than files put or fetched at a time. */
const MAX_SOCKETS = 16;
/** Time limit to connect, milliseconds. */
const CONNECT = 10_000;

export function isAccepted({ statusCode = 0 }: IncomingMessage, { also = [] }: Pick<Call, 'also'>): boolean {
  return (statusCode >= 200 && statusCode < 300) || also.includes(statusCode);
}

/** Ends the request with its body. If the body can't be read, the request fails with that error. */
export function sendBody(request: ClientRequest, body: Readable | Uint8Array | string | undefined): void {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) request.end(body);
  else body.once('error', (error) => request.destroy(error)).pipe(request);
}

export class ManagerConnection {
  readonly url: URL;
  readonly #token: string | null;
  readonly #kept: Agent;
  readonly #fresh: Agent;

  constructor({ url, token, fingerprint }: ConnectionOptions) {
    this.url = new URL(`${url}/`);
    this.#token = token;
    this.#kept = managerAgent(this.url, fingerprint, { keepAlive: true, maxSockets: MAX_SOCKETS });
    this.#fresh = managerAgent(this.url, fingerprint, { keepAlive: false });
  }

  /** Returns the answer, its body unread. Throws the manager's error with its kind; `ManagerUnavailableError` after some tries. */
  async request(call: Call): Promise<IncomingMessage> {
    for (let pause = FIRST_PAUSE, left = TRIES; ; pause *= 2) {
      left -= 1;
      try {
        return await this.#once(call);
      } catch (error) {
        call.signal?.throwIfAborted();
        if (left === 0 || !isManagerUnavailable(error) || (error.begun && !call.again)) throw error;
        if (error.after !== null && error.after > LONGEST_AFTER) throw error;
        await wait(error.after === null ? jitter(pause) : error.after * 1_000, call.signal);
        call.signal?.throwIfAborted();
      }
    }
  }

  async json(call: Call): Promise<unknown> {
    const answer = await this.request({ ...call, headers: { accept: 'application/json', ...call.headers } });
    return json(answer);
  }

  close(): void {
    this.#kept.destroy();
    this.#fresh.destroy();
  }

  async #once(call: Call): Promise<IncomingMessage> {
    const answer = await this.#send(call);
    if (isAccepted(answer, call)) return answer;
    throw await readErrorAnswer(answer, this.url);
  }

  #send({ method, path, headers = {}, body, again, signal }: Call): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      let connected = false;
      const options: RequestOptions = {
        method,
        agent: again ? this.#kept : this.#fresh,
        headers: {
          [VERSION_HEADER]: VERSION,
          ...(this.#token !== null && { authorization: `Bearer ${this.#token}` }),
          ...headers,
        },
        ...(signal && { signal }),
      };
      const send = this.url.protocol === 'http:' ? httpRequest : httpsRequest;
      const asked = send(new URL(path.replace(/^\//, ''), this.url), options, resolve);
      // A request without a connection doesn't report its abort, so that is done here.
      const giveUp = (error: Error): void => {
        asked.destroy(error);
        reject(error);
      };
      const late = setTimeout(() => {
        giveUp(this.#connectionError(new Error(`no connection within ${CONNECT / 1_000} s`), false));
      }, CONNECT);
      const onAbort = (): void => giveUp(signal?.reason as Error);
      signal?.addEventListener('abort', onAbort, { once: true });
      asked.once('socket', (socket) => {
        const onConnected = (): void => {
          connected = true;
          clearTimeout(late);
        };
        // A kept connection, or one that its agent has compared already, is connected.
        if (socket.connecting) socket.once(this.url.protocol === 'http:' ? 'connect' : 'secureConnect', onConnected);
        else onConnected();
      });
      asked.once('close', () => {
        clearTimeout(late);
        signal?.removeEventListener('abort', onAbort);
      });
      asked.once('error', (error) => {
        if (signal?.aborted === true) reject(signal.reason as Error);
        else reject(this.#connectionError(error, connected));
      });
      sendBody(asked, body?.());
    });
  }

  /** An error for people: why a request got no answer. */
  #connectionError(error: Error, connected: boolean): BatchctlError {
    if (error.name === 'BatchctlError') return error as BatchctlError;
    const where = this.url.origin;
    if ('code' in error && isCertificateError(String(error.code))) {
      return new BatchctlError('config', `the certificate of ${where} is not accepted: ${error.message}`, {
        hint: 'set fingerprint in the profile to the one that the manager prints at its start; or set NODE_EXTRA_CA_CERTS to the authority that signed it',
        cause: error,
      });
    }
    const why = hasCode(error, 'ECONNREFUSED') ? 'nothing listens there' : error.message;
    return new ManagerUnavailableError(`the manager at ${where} can't be reached: ${why}`, {
      begun: connected,
      hint: 'check that it is running and accepts this address; batchctl doctor shows more',
      cause: error,
    });
  }
}
