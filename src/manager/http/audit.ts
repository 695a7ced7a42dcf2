import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { EXIT_HEADER } from '../../model/api.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What the audit tells besides: set by the route, of a verb that ran. */
    audited: Audited;
  }
}

export interface Audited {
  readonly verb?: string;
  readonly input?: Readonly<Record<string, unknown>>;
  readonly exitCode?: number;
}

/** One line of the audit. */
export interface AuditLine {
  readonly audit: 1;
  /** When the call came, ISO-8601 UTC. */
  readonly at: string;
  readonly request: string;
  /** The token's name and id; null: nobody was let in. */
  readonly caller: string | null;
  readonly token: string | null;
  readonly address: string;
  /** The verb, or method and route. */
  readonly verb: string;
  readonly job: string | null;
  readonly input: Readonly<Record<string, unknown>>;
  readonly status: number;
  readonly exitCode: number | null;
  /** `cut` when the caller left before the answer was whole. */
  readonly outcome: 'done' | 'refused' | 'failed' | 'cut';
  readonly ms: number;
  /** Calls of nobody known that were refused before this one and not told, as there were too many. */
  readonly untold: number;
}

/** Lines a minute of calls that nobody was let in for: who floods the manager must not flood its log. */
const STRANGERS = 60;
const MINUTE_MS = 60_000;

/**
 * Tells of each call that may change something, and of each that was refused. To be called first of all, so that what
 * others refuse is told too.
 */
export function addAudit(app: FastifyInstance, log: (line: AuditLine) => void): void {
  app.decorateRequest('audited', null as unknown as Audited);
  const strangers = new Strangers();
  app.addHook('onRequest', async (request, reply) => {
    const [at, began] = [new Date().toISOString(), performance.now()];
    request.audited = {};
    reply.raw.once('close', () => {
      if (!isTold(request, reply) || !strangers.mayTell(request)) return;
      log(lineOf(request, reply, { at, ms: Math.round(performance.now() - began), untold: strangers.untold() }));
    });
  });
}

/** Statuses of calls that nobody was let in for, or not for this. */
const REFUSED = [401, 403, 426, 429];
const LOOKING = ['GET', 'HEAD', 'OPTIONS'];
/** These ask for `read` alone, as they choose nothing; yet who follows a job moves it on, and delivers it, in the token's name. */
const LOOKING_ON = ['watch', 'wait'];

function isTold(request: FastifyRequest, reply: FastifyReply): boolean {
  const { statusCode } = reply.raw;
  if (REFUSED.includes(statusCode) || (statusCode === 400 && request.caller === null)) return true;
  if (LOOKING_ON.includes(request.audited.verb ?? '')) return true;
  return request.needed === null ? !LOOKING.includes(request.method) : request.needed !== 'read';
}

/** Counts the lines of callers that nobody knows. */
class Strangers {
  #minute = Number.NEGATIVE_INFINITY;
  #told = 0;
  #untold = 0;

  mayTell({ caller }: FastifyRequest): boolean {
    if (caller !== null) return true;
    const now = performance.now();
    if (now - this.#minute >= MINUTE_MS) [this.#minute, this.#told] = [now, 0];
    this.#told += 1;
    if (this.#told <= STRANGERS) return true;
    this.#untold += 1;
    return false;
  }

  /** How many were not told since it was asked last. */
  untold(): number {
    const count = this.#untold;
    this.#untold = 0;
    return count;
  }
}

type Facts = Pick<AuditLine, 'at' | 'ms' | 'untold'>;

function lineOf(request: FastifyRequest, reply: FastifyReply, { at, ms, untold }: Facts): AuditLine {
  const { caller, audited } = request;
  const { statusCode, writableFinished } = reply.raw;
  const input = audited.input ?? { ...asObject(request.params), ...beginning(asObject(request.body)) };
  const exitCode = audited.exitCode ?? numberOf(reply.getHeader(EXIT_HEADER));
  return {
    ...{ audit: 1, at, request: request.id },
    ...{ caller: caller?.name ?? null, token: caller?.id ?? null, address: request.ip },
    verb:
      audited.verb ?? request.routeOptions.config?.verb ?? `${request.method} ${request.routeOptions.url ?? 'unknown'}`,
    job: typeof input.job === 'string' ? short(input.job) : null,
    input: told(input),
    status: statusCode,
    exitCode,
    outcome: !writableFinished ? 'cut' : outcomeOf(statusCode, exitCode),
    ...{ ms, untold },
  };
}

function outcomeOf(status: number, exitCode: number | null): AuditLine['outcome'] {
  if (REFUSED.includes(status) || exitCode === 7) return 'refused';
  return status < 400 && (exitCode ?? 0) === 0 ? 'done' : 'failed';
}

/** Characters of a value, and fields of an input, that are told. */
const LONGEST = 200;
const MOST = 40;

/**
 * An input as it is told: bounded, and of `NAME=VALUE` the name alone, as values may be secrets. What is no text, number or
 * true is told of by its kind.
 */
export function told(input: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const fields = Object.entries(beginning(input)).filter(
    ([name, value]) => (name !== 'job' || typeof value !== 'string') && name !== '*',
  );
  return Object.fromEntries(fields.map(([name, value]) => [short(name), toldValue(name, value)]));
}

function toldValue(name: string, value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'string') return short(name === 'set' ? value.replace(/=.*$/s, '=...') : value);
  if (!Array.isArray(value)) return typeof value;
  return value.slice(0, MOST).map((each) => (Array.isArray(each) ? 'array' : toldValue(name, each)));
}

const short = (text: string): string => {
  const safe = text.replaceAll(/bct_[A-Za-z0-9_-]+/g, 'bct_...');
  return safe.length > LONGEST ? `${safe.slice(0, LONGEST)}...` : safe;
};

const asObject = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};

/** The first fields: a body may have very many. */
const beginning = (fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.keys(fields)
      .slice(0, MOST)
      .map((name) => [name, fields[name]]),
  );

function numberOf(header: unknown): number | null {
  const value = Number(header);
  return header === undefined || header === null || Number.isNaN(value) ? null : value;
}
