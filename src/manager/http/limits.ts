import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { BOUNDS, type Bound, RATE_WINDOW } from './bounds.ts';
import { networkOf } from './failed-tries.ts';
import { Refusal } from './refusal.ts';
import { whenGone } from './when-gone.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Its body may be large: each half a minute brings some of it. */
    upload?: true;
  }
}

/** Counts a call. Throws a `Refusal`, 429, beyond what is let through in a time. */
type Rate = (request: FastifyRequest) => Promise<void>;

/** Bounds what a caller asks in a time, and holds at once. To be called after `addAuth`, and before any route is made. */
export function addLimits(app: FastifyInstance): void {
  void app.register(rateLimit, { global: false });
  app.addHook('onRequest', rateOf(app, BOUNDS.rate, keyOf));
  boundCalls(app);
}

/** Counts those who have no token where one is needed, by address, and apart from all others there. */
export const strangersRate = (app: FastifyInstance): Rate => rateOf(app, BOUNDS.rateOfNone, ({ ip }) => networkOf(ip));

function rateOf(app: FastifyInstance, { value: max }: Bound, keyGenerator: (request: FastifyRequest) => string): Rate {
  let check: ReturnType<FastifyInstance['createRateLimit']> | null = null;
  app.addHook('onReady', async () => {
    check = app.createRateLimit({ max, timeWindow: RATE_WINDOW, keyGenerator });
  });
  return async (request) => {
    const asked = await check?.(request);
    if (asked === undefined || asked.isAllowed || !asked.isExceeded) return;
    throw tooMuch(`${max} calls in ${RATE_WINDOW / 1_000} s`, asked.ttlInSeconds);
  };
}

/** One token from many places is one caller; who needs none is known by the address. */
const keyOf = ({ caller, ip }: FastifyRequest): string =>
  caller === null ? `address ${networkOf(ip)}` : `token ${caller.id}`;

function tooMuch(what: string, seconds: number): Refusal {
  return new Refusal(429, 'unavailable', `too much at once: at most ${what}`, {
    hint: `try again in ${seconds} s`,
    headers: { 'retry-after': String(seconds) },
  });
}

interface Held {
  calls: number;
  streams: number;
}

function boundCalls(app: FastifyInstance): void {
  const heldBy = new Map<string, Held>();
  let all = 0;
  app.addHook('onRequest', async (request, reply) => {
    const key = keyOf(request);
    const streams = request.routeOptions.config?.streams === true ? 1 : 0;
    const held = heldBy.get(key) ?? { calls: 0, streams: 0 };
    refuseMore(all, held, streams);
    all += 1;
    held.calls += 1;
    held.streams += streams;
    heldBy.set(key, held);
    // Who left while the token was looked up would else be counted for ever.
    whenGone(reply, () => {
      all -= 1;
      held.calls -= 1;
      held.streams -= streams;
      if (held.calls === 0) heldBy.delete(key);
    });
  });
}

/** Throws a `Refusal`: 503 where the manager is full, 429 where one caller has what one may have. */
function refuseMore(all: number, held: Held, streams: number): void {
  if (all >= BOUNDS.calls.value) {
    throw new Refusal(503, 'unavailable', `the manager is busy: ${all} calls are in progress`, {
      hint: 'try again in 2 s',
      headers: { 'retry-after': '2' },
    });
  }
  if (held.calls >= BOUNDS.callsOfOne.value) throw tooMuch(`${BOUNDS.callsOfOne.value} calls in progress`, 2);
  if (streams > 0 && held.streams >= BOUNDS.streamsOfOne.value)
    throw tooMuch(`${BOUNDS.streamsOfOne.value} streams`, 10);
}

/**
 * Ends the connection of a body that does not come: also of one that nobody waits for any more, as its call was refused.
 * To be called before `addAuth`. `ms` is what `bounds.ts` says, unless given.
 */
export function addBodyTime(app: FastifyInstance, ms: number = BOUNDS.bodyTime.value): void {
  app.addHook('onRequest', async (request, reply) => {
    const { raw } = request;
    if (raw.headers['transfer-encoding'] === undefined && Number(raw.headers['content-length'] ?? 0) === 0) return;
    const isUpload = request.routeOptions.config?.upload === true;
    const { socket } = raw;
    let seen = socket.bytesRead;
    const look = (): void => {
      if (raw.complete || socket.destroyed) return;
      const came = socket.bytesRead > seen;
      seen = socket.bytesRead;
      // Only whom somebody knows may take longer.
      if (isUpload && request.caller !== null && came) timer = wait();
      else socket.destroy();
    };
    const wait = (): NodeJS.Timeout => setTimeout(look, ms).unref();
    let timer = wait();
    reply.raw.once('close', () => {
      if (raw.complete) clearTimeout(timer);
    });
  });
}
