import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isKind } from '../../errors.ts';
import { FRESH_MS, type TokenReader } from '../../jobs/tokens/token-reader.ts';
import type { Clock } from '../../lib/clock.ts';
import { API, covers, type Scope } from '../../model/api.ts';
import type { Token } from '../../model/token.ts';
import { FailedTries, whenGone } from './limits.ts';
import { Refusal } from './refusal.ts';

/** Who calls: a token by its name, its id, and what it lets its holder do. */
type Caller = Pick<Token, 'name' | 'id' | 'scope'>;

/** What a route asks of its caller: a scope, one that its body or query decides, or nothing at all. */
type RouteScope = Scope | 'anyone' | ((request: FastifyRequest) => Scope);

declare module 'fastify' {
  interface FastifyRequest {
    /** Null on a route that anyone may call. */
    caller: Caller | null;
    /** What this call needs; null: nothing, or it isn't known, as nobody was let in. */
    needed: Scope | null;
  }
  interface FastifyContextConfig {
    scope?: RouteScope;
  }
  interface FastifyInstance {
    /** What each route asks of its caller, by `GET /api/v1/jobs`. */
    scopes: ReadonlyMap<string, RouteScope>;
  }
}

interface AuthOptions {
  readonly tokens: TokenReader;
  /** Told of each call that a token was good for. */
  readonly onUsed?: (id: string) => void;
  /** Counts the calls that say no token where one is needed, and throws where they are too many. */
  readonly onNobody?: (request: FastifyRequest) => Promise<void>;
  readonly clock: Clock;
}

/**
 * Lets in who has a token: `Authorization: Bearer bct_...`, and nothing else. To be called before any route is made: a
 * route without `config.scope` is an error as it is made. What lasts is ended within seconds of its token's end.
 */
export function addAuth(app: FastifyInstance, { tokens, onUsed, onNobody, clock }: AuthOptions): void {
  const tries = new FailedTries(clock);
  const open = new Map<FastifyRequest, string>();
  app.decorateRequest('caller', null);
  app.decorateRequest('needed', null);
  const scopes = new Map<string, RouteScope>();
  app.decorate('scopes', scopes);
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.scope === undefined)
      throw new Error(`${String(method)} ${url} does not declare who may call it: config.scope`);
    for (const each of [method].flat()) scopes.set(`${each} ${url}`, config.scope);
  });

  app.addHook('onRequest', async (request, reply) => {
    refuseTokenInUrl(request);
    const scope = scopeOf(request);
    if (scope === 'anyone') return;
    const text = bearerOf(request);
    // Whoever has a token is let in from wherever others guess, too: they may share an address.
    const patience = tries.waitOf(request.ip);
    if (patience > 0 && !tokens.wasGood(text ?? '') && !(await tokens.isListed(text ?? ''))) requirePatience(patience);
    const token = text === null ? null : await find(tokens, text);
    if (token === null || text === null) {
      // Who says nothing has guessed nothing.
      if (text === null) await onNobody?.(request);
      else tries.failed(request.ip);
      throw unknown(text);
    }
    const { name, id, scope: held } = token;
    request.caller = { name, id, scope: held };
    onUsed?.(id);
    if (scope !== null) requireCovered(request, scope);
    open.set(request, text);
    whenGone(reply, () => open.delete(request));
  });

  // What the body says is known only now.
  app.addHook('preHandler', async (request) => {
    const { scope } = request.routeOptions.config;
    if (typeof scope === 'function') requireCovered(request, scope(request));
  });

  const timer = setInterval(() => void endLapsed(open, tokens), FRESH_MS);
  timer.unref();
  app.addHook('onClose', async () => clearInterval(timer));
}

/** Ends the calls of tokens that are good no more. A store that can't be asked is no proof of that. */
async function endLapsed(open: ReadonlyMap<FastifyRequest, string>, tokens: TokenReader): Promise<void> {
  for (const [request, text] of open) {
    const isGood = await tokens.find(text).then(
      (token) => token !== null,
      () => true,
    );
    if (!isGood) request.raw.socket.destroy();
  }
}

function scopeOf(request: FastifyRequest): Scope | 'anyone' | null {
  // What is not there is told to those who may look around; of the page's files there is nothing to hide.
  if (request.is404) return request.url.startsWith(API) ? 'read' : 'anyone';
  const { scope } = request.routeOptions.config;
  return typeof scope === 'function' || scope === undefined ? null : scope;
}

/** URLs end up in logs and histories. */
function refuseTokenInUrl({ url }: FastifyRequest): void {
  if (!/bct_[A-Za-z0-9_-]{20}|[?&](access_?)?token=/i.test(url)) return;
  throw new Refusal(400, 'usage', 'expected no token in the URL, as logs and histories would record it, found one', {
    hint: 'revoke it (batchctl manager token revoke), and send a new one in a header: Authorization: Bearer bct_...',
  });
}

/** Null where nothing was said; '' for what is no bearer token. */
function bearerOf({ headers: { authorization } }: FastifyRequest): string | null {
  if (authorization === undefined) return null;
  return /^Bearer +([^\s,]+)$/i.exec(authorization)?.[1] ?? '';
}

async function find(tokens: TokenReader, text: string): Promise<Token | null> {
  try {
    return await tokens.find(text);
  } catch (error) {
    if (!isKind(error, 'newer', 'corrupt')) throw error;
    throw challenged('invalid_token', `the token can't be read: ${error.message}`, error.hint);
  }
}

function requirePatience(wait: number): void {
  if (wait <= 0) return;
  const seconds = Math.ceil(wait / 1_000);
  throw new Refusal(429, 'unavailable', `too many invalid tokens from this address: try again in ${seconds} s`, {
    hint: 'check the token: batchctl manager token list shows the valid ones',
    headers: { 'retry-after': String(seconds) },
  });
}

const MAKE = 'ask someone with access to the store to run batchctl manager token create NAME --scope read';

function unknown(text: string | null): Refusal {
  return text === null
    ? challenged(null, 'expected a token (Authorization: Bearer bct_...), found none', MAKE)
    : challenged('invalid_token', 'the token is unknown, revoked or expired', MAKE);
}

function challenged(error: string | null, message: string, hint: string | undefined): Refusal {
  const challenge = `Bearer realm="batchctl"${error === null ? '' : `, error="${error}"`}`;
  return new Refusal(401, 'credentials', message, {
    ...(hint !== undefined && { hint }),
    headers: { 'www-authenticate': challenge },
  });
}

function requireCovered(request: FastifyRequest, needed: Scope): void {
  request.needed = needed;
  const held = request.caller?.scope;
  if (held !== undefined && covers(held, needed)) return;
  throw new Refusal(403, 'refused', `expected a token with the scope ${needed}, found one with ${held ?? 'none'}`, {
    hint: `batchctl manager token create NAME --scope ${needed}, with access to the store`,
    headers: { 'www-authenticate': `Bearer realm="batchctl", error="insufficient_scope", scope="${needed}"` },
  });
}

/** The name by which jobs remember a caller. */
function whoOf({ caller }: FastifyRequest): string {
  if (caller === null) throw new Error('a verb has no caller');
  return `token:${caller.name}`;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The verb that a route runs. */
    verb?: string;
    /** It is answered for as long as it lasts. */
    streams?: true;
  }
}

/** The name by which jobs remember who calls. */
export const callerOf = (request: FastifyRequest): string => whoOf(request);
