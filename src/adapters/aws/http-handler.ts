import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { HttpProxyAgent, HttpsProxyAgent } from 'hpagent';
import { BatchctlError } from '../../errors.ts';
import { proxyFor } from '../../lib/proxy.ts';
import type { RateLimits } from './rate-limits.ts';

type Environment = Readonly<Record<string, string | undefined>>;
type Request = Parameters<NodeHttpHandler['handle']>[0];
type Options = Parameters<NodeHttpHandler['handle']>[1];
type Answer = ReturnType<NodeHttpHandler['handle']>;

interface Agents {
  readonly httpAgent: HttpAgent;
  readonly httpsAgent: HttpsAgent;
}

interface Route extends Agents {
  readonly handler: NodeHttpHandler;
}

/** Timeouts in milliseconds, and sockets per host. An omitted timeout never fires. */
export interface HttpLimits {
  /** Until the connection is made, including the wait for a free socket. */
  readonly connect: number;
  /** Until the answer begins, not counting its body. For requests with a small body. */
  readonly answer?: number;
  /** Without a byte in either direction. */
  readonly idle: number;
  readonly sockets: number;
}

/**
 * Sends each request directly or through the proxy that the environment names for its host (`proxyFor`), and trusts the
 * certificates in AWS_CA_BUNDLE if set. A timeout ends the request with a TimeoutError.
 */
export class RoutedHandler {
  readonly metadata = { handlerProtocol: 'http/1.1' };
  readonly #limits: HttpLimits;
  readonly #rates: RateLimits | null;
  readonly #env: Environment;
  /** By the proxy's URL; '' for direct requests. */
  readonly #routes = new Map<string, Route>();
  readonly #ca: string | undefined;
  /** The `Date` of the last answer, and this machine's time at its arrival, milliseconds. */
  #date: string | undefined;
  #dateAt = 0;
  #destroyed = false;

  /** Requests obey `rates`, if given. Throws `config` when AWS_CA_BUNDLE can't be read. */
  constructor(limits: HttpLimits, env: Environment, rates: RateLimits | null = null) {
    this.#limits = limits;
    this.#env = env;
    this.#rates = rates;
    this.#ca = caBundle(env);
  }

  async handle(request: Request, options?: Options): Answer {
    // Before any of its timeouts begins.
    if (this.#rates?.isOn) await this.#rates.waitForTurn(request, options?.abortSignal as AbortSignal | undefined);
    // When its socket closes, a request in flight fails; its client would retry it and keep the process alive.
    if (this.#destroyed) throw Object.assign(new Error('the client was closed'), { name: 'AbortError' });
    const proxy = proxyFor(request, this.#env);
    const answer = await this.#route(proxy).handler.handle(request, options);
    const { statusCode, headers } = answer.response;
    this.#rates?.recordStatus(request, statusCode);
    // An error may be a proxy's.
    if (statusCode < 300) {
      this.#date = headers.date;
      this.#dateAt = Date.now();
    }
    return answer;
  }

  /** How far the service's clock is ahead, milliseconds, to half a second; null if no answer said so. */
  clockOffset(): number | null {
    const date = Date.parse(this.#date ?? '');
    // A `Date` has whole seconds.
    return Number.isNaN(date) ? null : date + 500 - this.#dateAt;
  }

  /** The agent for requests without the SDK (SimpleDB), with the same proxies and certificates. */
  agentFor(url: URL): HttpAgent {
    const port = url.port === '' ? undefined : Number(url.port);
    const proxy = proxyFor({ protocol: url.protocol, hostname: url.hostname, port }, this.#env);
    const { httpAgent, httpsAgent } = this.#route(proxy);
    return url.protocol === 'https:' ? httpsAgent : httpAgent;
  }

  destroy(): void {
    this.#destroyed = true;
    for (const { handler, httpAgent, httpsAgent } of this.#routes.values()) {
      for (const each of [handler, httpAgent, httpsAgent]) each.destroy();
    }
    this.#routes.clear();
  }

  /** The SDK's runtime extensions call these two; we set nothing that way. */
  updateHttpClientConfig(): void {}

  httpHandlerConfigs(): Record<string, never> {
    return {};
  }

  #route(proxy: string | null): Route {
    const known = this.#routes.get(proxy ?? '');
    if (known !== undefined) return known;
    const { connect, answer, idle, sockets } = this.#limits;
    const options = { keepAlive: true, maxSockets: sockets, ...(this.#ca && { ca: this.#ca }) };
    const agents =
      proxy === null
        ? { httpAgent: new HttpAgent(options), httpsAgent: new HttpsAgent(options) }
        : viaProxy(proxy, options, this.#ca);
    const handler = new NodeHttpHandler({
      ...agents,
      connectionTimeout: connect,
      socketTimeout: idle,
      // Without this flag the SDK only warns about a late answer.
      ...(answer !== undefined && { requestTimeout: answer, throwOnRequestTimeout: true }),
      logger: SILENT,
    });
    const route = { ...agents, handler };
    this.#routes.set(proxy ?? '', route);
    return route;
  }
}

function viaProxy(proxy: string, options: object, ca: string | undefined): Agents {
  try {
    const own = { ...options, proxy: new URL(proxy), ...(ca && { proxyRequestOptions: { ca: [ca] } }) };
    return { httpAgent: new HttpProxyAgent(own), httpsAgent: new HttpsProxyAgent(own) };
  } catch (cause) {
    throw new BatchctlError('config', 'Expected HTTPS_PROXY and HTTP_PROXY to be URLs, found one that is not', {
      hint: 'set it like http://proxy.example.com:3128, or unset it',
      cause,
    });
  }
}

function caBundle(env: Environment): string | undefined {
  const path = env.AWS_CA_BUNDLE;
  if (path === undefined || path === '') return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new BatchctlError('config', `AWS_CA_BUNDLE: expected a file of certificates, but ${path} can't be read`, {
      hint: 'correct or unset AWS_CA_BUNDLE',
      cause,
    });
  }
}

const nothing = (): void => undefined;
/** Only the command line prints: the SDK's warnings don't help an operator. */
export const SILENT = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };
