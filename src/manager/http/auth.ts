import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isKind } from '../../errors.ts';
import { createToken, FRESH_MS, listTokens, revokeTokens, type TokenReader } from '../../jobs/tokens.ts';
import type { Clock } from '../../lib/clock.ts';
import { randomId } from '../../lib/id.ts';
import { API, hasScope, type Scope } from '../../model/api.ts';
import { isExpired, type Token } from '../../model/token.ts';
import type { Platform } from '../../ports/platform.ts';
import { isLoopback } from '../tls/open-tls.ts';
import { Refusal } from './error-answers.ts';
import { FailedTries, onConnectionEnd } from './limits.ts';

/** The caller: the token's name, id and scope. */
type Caller = Pick<Token, 'name' | 'id' | 'scope'>;

/** What a route requires of its caller: a scope, one that depends on its body or query, or nothing at all. */
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
    /** What each route requires, by `GET /api/v1/jobs`. */
    scopes: ReadonlyMap<string, RouteScope>;
  }
}

interface AuthOptions {
  readonly tokens: TokenReader;
  /** Called for each call with a valid token. */
  readonly onUsed?: (id: string) => void;
  /** Counts calls without a token where one is needed, and throws if there are too many. */
  readonly onNobody?: (request: FastifyRequest) => Promise<void>;
  readonly clock: Clock;
}

/**
 * Authenticates callers by their token only: `Authorization: Bearer bct_...`. Call it before any route is added: a
 * route without `config.scope` is an error. Long-lasting calls end within seconds of their token's end.
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
    // A valid token works even from an address from which others guess: they may share it.
    const waitMs = tries.waitOf(request.ip);
    if (waitMs > 0 && !tokens.wasGood(text ?? '') && !(await tokens.isListed(text ?? ''))) refuseWhileBlocked(waitMs);
    const token = text === null ? null : await find(tokens, text);
    if (token === null || text === null) {
      // A call without a token isn't a guess.
      if (text === null) await onNobody?.(request);
      else tries.noteFailure(request.ip);
      throw invalidTokenError(text);
    }
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

  const timer = setInterval(() => void endExpiredCalls(open, tokens), FRESH_MS);
  timer.unref();
  app.addHook('onClose', async () => clearInterval(timer));
}

/** Ends calls whose tokens are no longer valid. A store that can't be read doesn't prove that. */
async function endExpiredCalls(open: ReadonlyMap<FastifyRequest, string>, tokens: TokenReader): Promise<void> {
  for (const [request, text] of open) {
    const isGood = await tokens.find(text).then(
      (token) => token !== null,
      () => true,
    );
    if (!isGood) request.raw.socket.destroy();
  }
}

function scopeOf(request: FastifyRequest): Scope | 'anyone' | null {
  // What doesn't exist is only revealed to callers with `read`; the page's files are no secret.
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

/** The caller's name in jobs. */
export function callerOf({ caller }: FastifyRequest): string {
  if (caller === null) throw new Error('a verb has no caller');
  return `token:${caller.name}`;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The verb that a route runs. */
    verb?: string;
    /** True: it is answered for as long as it runs. */
    streams?: true;
  }
}

/** How long a code can be used, and how long the token lasts that it is exchanged for, seconds. */
export const [CODE_SECONDS, SESSION_SECONDS] = [300, 12 * 3_600];

/** Tokens that were created for a code. */
const SIGN_IN_NAME = /^sign-in-[a-z2-7]{10}$/;

/**
 * The code of a sign-in link. It works once, within five minutes, for a caller on this machine. It exists in this
 * process's memory and in the link only: whoever logs must log neither.
 */
export class SignInCode {
  readonly #platform: Pick<Platform, 'store' | 'clock' | 'who'>;
  /** The hash, so that all guesses are compared in the same time, whatever their length; null: none, or it was used. */
  #hash: Buffer | null = null;
  /** Monotonic milliseconds. */
  #expiresAt = 0;

  constructor(platform: Pick<Platform, 'store' | 'clock' | 'who'>) {
    this.#platform = platform;
  }

  /** A new code of 256 random bits. The one before no longer works. */
  createCode(): string {
    const code = randomBytes(32).toString('base64url');
    this.#hash = sha256(code);
    this.#expiresAt = this.#platform.clock.monotonic() + CODE_SECONDS * 1_000;
    return code;
  }

  /** The text of a new token with the scope `operate`, once; null for a wrong, used or late code. */
  async exchange(code: string): Promise<string | null> {
    const hash = this.#hash;
    if (hash === null || !timingSafeEqual(hash, sha256(code))) return null;
    // Used before anything else happens, so that two callers at once don't both get a token.
    this.#hash = null;
    if (this.#platform.clock.monotonic() > this.#expiresAt) return null;
    try {
      await this.#revokeExpired();
      const made = { name: `sign-in-${randomId(10)}`, scope: 'operate', expiresIn: SESSION_SECONDS } as const;
      return (await createToken(this.#platform, made)).text;
    } catch (error) {
      // Without a token the code was not used.
      this.#hash = hash;
      throw error;
    }
  }

  /** Revokes expired tokens of earlier codes, which nothing else removes. */
  async #revokeExpired(): Promise<void> {
    const { store, clock } = this.#platform;
    const tokens = await listTokens(store, () => {});
    const ended = tokens.filter(
      ({ token }) => token !== null && SIGN_IN_NAME.test(token.name) && isExpired(token, clock.now()),
    );
    if (ended.length > 0) await revokeTokens({ store }, ended);
  }
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * `POST /sign-in` with `Authorization: Code ...` answers `{"token": "bct_..."}`. The code is in a header, because the
 * audit names URLs and bodies. A reverse proxy's calls are not from this machine, although its connections are.
 */
export function addSignIn(app: FastifyInstance, code: SignInCode): void {
  app.post('/sign-in', { config: { scope: 'anyone' } }, async ({ ip, headers }) => {
    const isForwarded = headers.forwarded !== undefined || headers['x-forwarded-for'] !== undefined;
    const given = /^Code +([A-Za-z0-9_-]{1,100})$/.exec(headers.authorization ?? '')?.[1];
    const isHere = isLoopback(ip) && !isForwarded;
    const token = isHere && given !== undefined ? await code.exchange(given) : null;
    if (token !== null) return { token };
    const why = isHere ? 'the link was used already, or has expired' : "the link works on the manager's machine only";
    throw new Refusal(401, 'credentials', why, {
      hint: 'enter a token (batchctl manager token create NAME --scope operate), or start the manager again for a new link',
      headers: { 'www-authenticate': 'Code realm="batchctl"' },
    });
  });
}
