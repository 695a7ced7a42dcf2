import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest, FastifyServerOptions } from 'fastify';
import { BOUNDS, RATE_WINDOW } from './bounds.ts';
import { networkOf } from './failed-tries.ts';
import { Refusal } from './refusal.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** It lasts for as long as its caller listens. */
    stream?: boolean;
    /** Its body is no JSON and may be large: each piece of it has as long as a whole JSON body. */
    upload?: boolean;
  }
}

/** How a server is made, so that no caller can hold more of it than is written in `bounds.ts`. */
export const SERVER_OPTIONS = {
  bodyLimit: BOUNDS.body.value,
  keepAliveTimeout: BOUNDS.idle.value,
  // A verb may take long to answer, and an upload to come: what is waited for has a bound of its own each.
  connectionTimeout: 0,
  requestTimeout: 0,
  routerOptions: { maxParamLength: BOUNDS.parameter.value },
  http: {
    maxHeaderSize: BOUNDS.head.value,
    headersTimeout: BOUNDS.headTime.value,
    // Node looks for late headers each so often.
    connectionsCheckingInterval: 2_000,
  },
  clientErrorHandler: refuseUnread,
} as const satisfies FastifyServerOptions & { readonly http: object };

/** Bounds what callers hold at once and ask in a time. To be called after `addAuth`, and before any route is made. */
export function addLimits(app: FastifyInstance): void {
  boundConnections(app.server);
  void app.register(rateLimit, { global: false });
  let check: ReturnType<FastifyInstance['createRateLimit']> | null = null;
  app.addHook('onReady', async () => {
    const options = { max: BOUNDS.rate.value, timeWindow: RATE_WINDOW, keyGenerator: keyOf };
    check = app.createRateLimit(options);
  });
  app.addHook('onRequest', async (request) => {
    const asked = await check?.(request);
    if (asked === undefined || asked.isAllowed) return;
    throw tooMany(`${BOUNDS.rate.value} calls in ${RATE_WINDOW / 1_000} s`, asked.ttlInSeconds);
  });
  boundCalls(app);
  app.addHook('preParsing', async (request, reply, payload) => {
    boundBody(request, request.routeOptions.config.upload === true);
    reply.raw.once('close', () => clearTimeout(timers.get(request)));
    return payload;
  });
}

/** One token from many places is one caller; who needs none is known by the address. */
const keyOf = ({ caller, ip }: FastifyRequest): string =>
  caller === null ? `address ${networkOf(ip)}` : `token ${caller.id}`;

function tooMany(what: string, seconds: number): Refusal {
  return new Refusal(429, 'unavailable', `too much at once: at most ${what}`, {
    hint: `try again in ${seconds} s`,
    headers: { 'retry-after': String(seconds) },
  });
}

/** What can't be answered yet is closed: nothing was read of it, and a handshake costs the most. */
function boundConnections(server: Server): void {
  const held = new Map<string, number>();
  server.maxConnections = BOUNDS.connections.value;
  server.on('connection', (socket: Socket) => {
    const network = networkOf(socket.remoteAddress ?? '');
    const count = (held.get(network) ?? 0) + 1;
    held.set(network, count);
    socket.once('close', () => {
      const left = (held.get(network) ?? 1) - 1;
      if (left === 0) held.delete(network);
      else held.set(network, left);
    });
    if (count > BOUNDS.connectionsOfOne.value) socket.destroy();
  });
}

interface Held {
  calls: number;
  streams: number;
}

function boundCalls(app: FastifyInstance): void {
  const of = new Map<string, Held>();
  let all = 0;
  app.addHook('onRequest', async (request, reply) => {
    const key = keyOf(request);
    const isStream = request.routeOptions.config?.stream === true;
    const held = of.get(key) ?? { calls: 0, streams: 0 };
    if (all >= BOUNDS.calls.value) {
      throw new Refusal(503, 'unavailable', `the manager is busy: ${all} calls are in progress`, {
        hint: 'try again in 2 s',
        headers: { 'retry-after': '2' },
      });
    }
    if (held.calls >= BOUNDS.callsOfOne.value) throw tooMany(`${BOUNDS.callsOfOne.value} calls in progress`, 2);
    if (isStream && held.streams >= BOUNDS.streamsOfOne.value)
      throw tooMany(`${BOUNDS.streamsOfOne.value} streams`, 10);
    all += 1;
    held.calls += 1;
    if (isStream) held.streams += 1;
    of.set(key, held);
    reply.raw.once('close', () => {
      all -= 1;
      held.calls -= 1;
      if (isStream) held.streams -= 1;
      if (held.calls === 0) of.delete(key);
    });
  });
}

const timers = new WeakMap<FastifyRequest, NodeJS.Timeout>();

/** A body that doesn't come ends its connection: who waits in vain for a JSON one is told so. */
function boundBody(request: FastifyRequest, isUpload: boolean): void {
  const { raw } = request;
  if (raw.readableEnded || (raw.headers['content-length'] ?? '0') === '0') {
    if (raw.headers['transfer-encoding'] === undefined) return;
  }
  const timer = setTimeout(() => endUnread(raw.socket), BOUNDS.bodyTime.value);
  timer.unref();
  timers.set(request, timer);
  if (isUpload) raw.on('data', () => timer.refresh());
  raw.once('end', () => clearTimeout(timer));
}

function endUnread(socket: Socket): void {
  if (socket.writable) socket.write(rawAnswer(408, 'usage', 'the request did not come in time'));
  socket.destroySoon();
}

/** What Node itself refuses never becomes a request; it is answered in the same form. */
function refuseUnread(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  socket.write(answerTo(error.code));
  socket.destroySoon();
}

function answerTo(code: string | undefined): string {
  if (code === 'HPE_HEADER_OVERFLOW')
    return rawAnswer(431, 'usage', `expected at most ${BOUNDS.head.value} bytes of request line and headers`);
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return rawAnswer(408, 'usage', 'the request did not come in time');
  return rawAnswer(400, 'usage', 'expected an HTTP/1.1 request, found something else');
}

const REASONS = { 400: 'Bad Request', 408: 'Request Timeout', 431: 'Request Header Fields Too Large' } as const;

function rawAnswer(status: keyof typeof REASONS, kind: string, message: string): string {
  const body = JSON.stringify({ error: { kind, message, hint: null } });
  const headers = `content-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`;
  return `HTTP/1.1 ${status} ${REASONS[status]}\r\n${headers}\r\n\r\n${body}`;
}
