import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isRecord } from '../../lib/json.ts';
import { EXIT_HEADER } from '../../model/api.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Further facts for the audit, set by the route of a verb. */
    audited: AuditFacts;
  }
}

export interface AuditFacts {
  readonly verb?: string;
  readonly input?: Readonly<Record<string, unknown>>;
  readonly exitCode?: number;
}

export interface AuditLine {
  readonly audit: 1;
  /** When the call arrived, ISO-8601 UTC. */
  readonly at: string;
  readonly request: string;
  /** The token's name and id; null: not authenticated. */
  readonly caller: string | null;
  readonly token: string | null;
  readonly address: string;
  /** The verb, or method and route. */
  readonly verb: string;
  readonly job: string | null;
  readonly input: Readonly<Record<string, unknown>>;
  readonly status: number;
  readonly exitCode: number | null;
  /** `cut` if the caller left before the answer was complete. */
  readonly outcome: 'done' | 'refused' | 'failed' | 'cut';
  readonly ms: number;
  /** Refused calls without authentication before this one that were not logged because there were too many. */
  readonly untold: number;
}

/** Lines per minute for calls without authentication: a flood of calls must not flood the log. */
const MAX_UNAUTHENTICATED = 60;
const MINUTE_MS = 60_000;

/** Logs each call that may change something, and each refused one. Call it first: other hooks refuse calls too. */
export function addAudit(app: FastifyInstance, log: (line: AuditLine) => void): void {
  app.decorateRequest('audited', null as unknown as AuditFacts);
  const strangers = new UnauthenticatedLimit();
  app.addHook('onRequest', async (request, reply) => {
    const [at, began] = [new Date().toISOString(), performance.now()];
    request.audited = {};
    reply.raw.once('close', () => {
      if (!shouldLog(request, reply) || !strangers.mayLog(request)) return;
      log(lineOf(request, reply, { at, ms: Math.round(performance.now() - began), untold: strangers.takeUnlogged() }));
    });
  });
}

const REFUSED = [401, 403, 426, 429];
const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS'];
/** These need only `read`, yet following a job moves it on, and delivers its outputs, in the token's name. */
const FOLLOWING_VERBS = ['watch', 'wait'];

function shouldLog(request: FastifyRequest, reply: FastifyReply): boolean {
  const { statusCode } = reply.raw;
  if (REFUSED.includes(statusCode) || (statusCode === 400 && request.caller === null)) return true;
  if (FOLLOWING_VERBS.includes(request.audited.verb ?? '')) return true;
  return request.needed === null ? !SAFE_METHODS.includes(request.method) : request.needed !== 'read';
}

/** Counts the lines of unauthenticated callers. */
class UnauthenticatedLimit {
  #minute = Number.NEGATIVE_INFINITY;
  #logged = 0;
  #unlogged = 0;

  mayLog({ caller }: FastifyRequest): boolean {
    if (caller !== null) return true;
    const now = performance.now();
    if (now - this.#minute >= MINUTE_MS) [this.#minute, this.#logged] = [now, 0];
    this.#logged += 1;
    if (this.#logged <= MAX_UNAUTHENTICATED) return true;
    this.#unlogged += 1;
    return false;
  }

  /** How many were not logged since the last call. */
  takeUnlogged(): number {
    const count = this.#unlogged;
    this.#unlogged = 0;
    return count;
  }
}

type Facts = Pick<AuditLine, 'at' | 'ms' | 'untold'>;

function lineOf(request: FastifyRequest, reply: FastifyReply, { at, ms, untold }: Facts): AuditLine {
  const { caller, audited } = request;
  const { statusCode, writableFinished } = reply.raw;
  const input = audited.input ?? { ...asObject(request.params), ...firstFields(asObject(request.body)) };
  const exitCode = audited.exitCode ?? numberOf(reply.getHeader(EXIT_HEADER));
  return {
    audit: 1,
    at,
    request: request.id,
    caller: caller?.name ?? null,
    token: caller?.id ?? null,
    address: request.ip,
    verb:
      audited.verb ?? request.routeOptions.config?.verb ?? `${request.method} ${request.routeOptions.url ?? 'unknown'}`,
    job: typeof input.job === 'string' ? short(input.job) : null,
    input: loggedInput(input),
    status: statusCode,
    exitCode,
    outcome: !writableFinished ? 'cut' : outcomeOf(statusCode, exitCode),
    ms,
    untold,
  };
}

function outcomeOf(status: number, exitCode: number | null): AuditLine['outcome'] {
  if (REFUSED.includes(status) || exitCode === 7) return 'refused';
  return status < 400 && (exitCode ?? 0) === 0 ? 'done' : 'failed';
}

/** Characters of a value, and fields of an input, that are logged. */
const LONGEST = 200;
const MOST = 40;

/**
 * An input in its logged form: bounded, and for `NAME=VALUE` only the name, because values may be secrets. For values
 * other than texts, numbers and true, only the type is logged.
 */
export function loggedInput(input: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const fields = Object.entries(firstFields(input)).filter(
    ([name, value]) => (name !== 'job' || typeof value !== 'string') && name !== '*',
  );
  return Object.fromEntries(fields.map(([name, value]) => [short(name), loggedValue(name, value)]));
}

function loggedValue(name: string, value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'string') return short(name === 'set' ? value.replace(/=.*$/s, '=...') : value);
  if (!Array.isArray(value)) return typeof value;
  return value.slice(0, MOST).map((each) => (Array.isArray(each) ? 'array' : loggedValue(name, each)));
}

const short = (text: string): string => {
  const safe = text.replaceAll(/bct_[A-Za-z0-9_-]+/g, 'bct_...');
  return safe.length > LONGEST ? `${safe.slice(0, LONGEST)}...` : safe;
};

const asObject = (value: unknown): Readonly<Record<string, unknown>> => (isRecord(value) ? value : {});

/** The first fields: a body may have very many. */
const firstFields = (fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.keys(fields)
      .slice(0, MOST)
      .map((name) => [name, fields[name]]),
  );

function numberOf(header: unknown): number | null {
  const value = Number(header);
  return header === undefined || header === null || Number.isNaN(value) ? null : value;
}
