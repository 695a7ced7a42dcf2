import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isKind } from '../../errors.ts';
import { FRESH_MS, type TokenReader } from '../../jobs/tokens.ts';
import type { Clock } from '../../lib/clock.ts';
import { API, hasScope, type Scope } from '../../model/api.ts';
import type { Token } from '../../model/token.ts';
import { Refusal } from './error-answers.ts';
import { FailedTries, onConnectionEnd } from './limits.ts';

/** The caller: the token's name, id and scope. */
type Caller = Pick<Token, 'name' | 'id' | 'scope'>;

/** The scope that a route requires of its caller: fixed, by its body or query, or none. */
type RouteScope = Scope | 'anyone' | ((request: FastifyRequest) => Scope);

declare module 'fastify' {
  interface FastifyRequest {
    /** Null on a route that anyone may call. */
    caller: Caller | null;
    /** The scope that this call needs; null: none, or unknown because the caller wasn't authenticated. */
    needed: Scope | null;
  }
  interface FastifyContextConfig {
    scope?: RouteScope;
  }
  interface FastifyInstance {
    /** The scope of each route, by `GET /api/v1/jobs`. */
    scopes: ReadonlyMap<string, RouteScope>;
  }
}

interface AuthOptions {
  readonly tokens: TokenReader;
  /** Called for each call with a valid token. */
  readonly onUsed?: (id: string) => void;
  /** Counts calls without a token where one is needed, and throws if there are too many. */
  readonly onMissingToken?: (request: FastifyRequest) => Promise<void>;
  readonly clock: Clock;
}

/**
 * Authenticates callers by their token only: `Authorization: Bearer bct_...`. Call it before any route is added: a
 * route without `config.scope` is an error. Long-lasting calls end within `FRESH_MS` of their token's end.
 */
export function addAuth(app: FastifyInstance, { tokens, onUsed, onMissingToken, clock }: AuthOptions): void {
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

  /** Connections with a call whose token isn't proven: further calls there are not even looked up, and they are closed. */
  const unproven = new WeakSet<Socket>();
  // Not set and removed again: an answer without the header that Node writes would not tell how long a connection is kept,
  // nor that it is closed, and a proxy would send its next call there.
  app.addHook('onSend', async ({ raw }, reply) => {
    if (unproven.has(raw.socket)) reply.header('connection', 'close');
  });
  app.addHook('onRequest', async (request, reply) => {
    refuseTokenInUrl(request);
    const scope = scopeOf(request);
    if (scope === 'anyone') return;
    const { socket } = request.raw;
    if (unproven.has(socket)) refusePipelined(socket);
    unproven.add(socket);
    const text = bearerOf(request);
    // A valid token works even from an address from which others guess: they may share it.
    const waitMs = tries.waitOf(request.ip);
    if (waitMs > 0 && !tokens.wasGood(text ?? '') && !(await tokens.isListed(text ?? ''))) refuseWhileBlocked(waitMs);
    const token = text === null ? null : await find(tokens, text);
    if (token === null || text === null) {
      // A call without a token isn't a guess.
      if (text === null) await onMissingToken?.(request);
      else tries.noteFailure(request.ip);
      throw invalidTokenError(text);
    }
    unproven.delete(socket);
    const { name, id, scope: held } = token;
    request.caller = { name, id, scope: held };
    onUsed?.(id);
    if (scope !== null) requireScope(request, scope);
    open.set(request, text);
    onConnectionEnd(reply, () => open.delete(request));
  });

  // The body is known only now.
  app.addHook('preHandler', async (request) => {
    const { scope } = request.routeOptions.config;
    if (typeof scope === 'function') requireScope(request, scope(request));
  });

  const timer = setInterval(() => void endExpiredCalls(open, tokens), LOOK_MS);
  timer.unref();
  app.addHook('onClose', async () => clearInterval(timer));
}

/** Interval of looks at the tokens of open calls: with the age of an answer it makes `FRESH_MS`. */
const LOOK_MS = 1_000;

/**
 * Ends calls whose tokens are no longer valid. A store that can't be read doesn't prove that. All at once, because one slow
 * answer must not delay the others.
 */
async function endExpiredCalls(open: ReadonlyMap<FastifyRequest, string>, tokens: TokenReader): Promise<void> {
  await Promise.all(
    [...open].map(async ([request, text]) => {
      const isGood = await tokens.find(text, FRESH_MS - LOOK_MS).then(
        (token) => token !== null,
        () => true,
      );
      if (!isGood) request.raw.socket.destroy();
    }),
  );
}

function scopeOf(request: FastifyRequest): Scope | 'anyone' | null {
  // Only callers with `read` learn that something doesn't exist; the page's files are no secret.
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

/** Null without the header; '' if it isn't a bearer token. */
function bearerOf({ headers: { authorization } }: FastifyRequest): string | null {
  if (authorization === undefined) return null;
  return /^Bearer +([^\s,]+)$/i.exec(authorization)?.[1] ?? '';
}

/**
 * Ends a connection on which calls come before the first one is answered. Each would be a guess that no limit has
 * counted yet; no client sends them.
 */
function refusePipelined(socket: Socket): never {
  socket.destroy();
  throw new Refusal(401, 'credentials', 'expected one call at a time until a token is accepted, found several');
}

async function find(tokens: TokenReader, text: string): Promise<Token | null> {
  try {
    return await tokens.find(text);
  } catch (error) {
    if (!isKind(error, 'newer', 'corrupt')) throw error;
    throw challengeError('invalid_token', `the token can't be read: ${error.message}`, error.hint);
  }
}

function refuseWhileBlocked(waitMs: number): never {
  const seconds = Math.ceil(waitMs / 1_000);
  throw new Refusal(429, 'unavailable', `too many invalid tokens from this address: try again in ${seconds} s`, {
    hint: 'check the token: batchctl manager token list shows the valid ones',
    headers: { 'retry-after': String(seconds) },
  });
}

const CREATE_TOKEN_HINT = 'ask someone with access to the store to run batchctl manager token create NAME --scope read';

function invalidTokenError(text: string | null): Refusal {
  return text === null
    ? challengeError(null, 'expected a token (Authorization: Bearer bct_...), found none', CREATE_TOKEN_HINT)
    : challengeError('invalid_token', 'the token is unknown, revoked or expired', CREATE_TOKEN_HINT);
}

function challengeError(error: string | null, message: string, hint: string | undefined): Refusal {
  const challenge = `Bearer realm="batchctl"${error === null ? '' : `, error="${error}"`}`;
  return new Refusal(401, 'credentials', message, {
    ...(hint !== undefined && { hint }),
    headers: { 'www-authenticate': challenge },
  });
}

function requireScope(request: FastifyRequest, needed: Scope): void {
  request.needed = needed;
  const held = request.caller?.scope;
  if (held !== undefined && hasScope(held, needed)) return;
  throw new Refusal(403, 'refused', `expected a token with the scope ${needed}, found one with ${held ?? 'none'}`, {
    hint: `batchctl manager token create NAME --scope ${needed}, with access to the store`,
    headers: { 'www-authenticate': `Bearer realm="batchctl", error="insufficient_scope", scope="${needed}"` },
  });
}

/** The caller's name in jobs, and what it may do. */
export function callerOf({ caller }: FastifyRequest): { readonly who: string; readonly scope: Scope } {
  if (caller === null) throw new Error('a verb has no caller');
  return { who: `token:${caller.name}`, scope: caller.scope };
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The verb that a route runs. */
    verb?: string;
    /** True: it is answered for as long as it runs. */
    streams?: true;
  }
}
