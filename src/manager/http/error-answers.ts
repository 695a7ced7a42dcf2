import type { Socket } from 'node:net';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { BatchctlError, type ErrorKind, hasCode, isBatchctlError } from '../../errors.ts';
import { API, type ApiError } from '../../model/api.ts';

/** The status of each kind of error. An error with a status of its own is a `Refusal`. */
export const STATUSES: Readonly<Record<ErrorKind, number>> = {
  usage: 400,
  notFound: 404,
  jobFailed: 409,
  notFinished: 409,
  refused: 409,
  late: 409,
  finding: 409,
  changed: 409,
  proof: 409,
  config: 422,
  jobFile: 422,
  unexpected: 500,
  corrupt: 500,
  credentials: 503,
  unavailable: 503,
  newer: 503,
  interrupted: 503,
  full: 507,
};

/** The public part of an error, and the part for the manager's log only. */
interface PublicError {
  readonly status: number;
  readonly error: ApiError;
  readonly headers: Readonly<Record<string, string>>;
  /** For the log: an unexpected error. */
  readonly hidden: unknown;
}

/** The public form of an error. For an unexpected one it has only the request's id: the text may contain anything. */
export function publicError(error: unknown, requestId: string): PublicError {
  if (isBatchctlError(error) && error.kind !== 'unexpected') {
    const { kind, message, hint = null } = error;
    const known = error instanceof Refusal ? error : { statusCode: STATUSES[kind], headers: {} };
    return { status: known.statusCode, error: { kind, message, hint }, headers: known.headers, hidden: null };
  }
  const framework = frameworkError(error);
  if (framework !== null) return { ...framework, headers: {}, hidden: null };
  const told = { kind: 'unexpected', message: `unexpected error in request ${requestId}`, hint: IN_THE_LOG };
  return { status: 500, error: told, headers: {}, hidden: error };
}

const IN_THE_LOG = "the manager's log shows it under the request's id";

export const statusOfKind = (kind: string): number => STATUSES[kind as ErrorKind] ?? STATUSES.unexpected;

/** A verb's own text for an unexpected error stays in the log, too. */
export function publicVerbError(error: ApiError, requestId: string): ApiError {
  return error.kind === 'unexpected' ? publicError(null, requestId).error : error;
}

const FRAMEWORK_MESSAGES: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'expected a body of content-type application/json',
  FST_ERR_CTP_INVALID_JSON_BODY: 'the body is not valid JSON',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'expected a JSON body, found an empty one',
  FST_ERR_CTP_BODY_TOO_LARGE: 'the body is too large',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'the length of the body differs from its content-length',
  FST_ERR_BAD_URL: 'the URL has an invalid encoding',
};

/** Errors of the HTTP framework: invalid bodies and URLs. */
function frameworkError(error: unknown): Pick<PublicError, 'status' | 'error'> | null {
  if (!(error instanceof Error)) return null;
  const { statusCode, code, validation } = error as Partial<FastifyError>;
  if (statusCode === undefined || statusCode < 400 || statusCode > 499) return null;
  const isJson = error instanceof SyntaxError || code === 'FST_ERR_CTP_INVALID_JSON_BODY';
  const message = isJson ? 'the body is not valid JSON' : (FRAMEWORK_MESSAGES[code ?? ''] ?? error.message);
  const hint = validation === undefined ? API_HINT : null;
  return { status: statusCode, error: { kind: 'usage', message, hint } };
}

const API_HINT = `GET ${API}/openapi.json describes what each path accepts`;

/** Called with an unexpected error and the request's id, which is all that callers get. */
export type OnHidden = (error: unknown, requestId: string) => void;

/** Answers every error, including those of HTTP itself, in one form: `{"error":{"kind","message","hint"}}`. */
export function addErrors(app: FastifyInstance, onHidden: OnHidden): void {
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply, onHidden));
  app.setNotFoundHandler((request) => {
    const path = request.url.split('?')[0] ?? '';
    throw new BatchctlError('notFound', `expected a path of the API, found ${request.method} ${shown(path)}`, {
      hint: API_HINT,
    });
  });
}

export function sendError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  onHidden: OnHidden,
): FastifyReply {
  const visible = publicError(error, request.id);
  const isTooLarge = hasCode(error, 'FST_ERR_CTP_BODY_TOO_LARGE');
  const answer = { error: isTooLarge ? { ...visible.error, hint: smallerBodyHint(request) } : visible.error };
  // A caller that left before the end isn't an error.
  const left = reply.raw.destroyed && hasCode(error, 'ERR_STREAM_PREMATURE_CLOSE');
  if (visible.hidden !== null && !left) onHidden(visible.hidden, request.id);
  return reply.code(visible.status).headers(visible.headers).type('application/json').send(answer);
}

const shown = (path: string): string => (path.length > 100 ? `${path.slice(0, 100)}...` : path);

/** Answers 405 for the other methods of every existing path. Call it after all routes are added. */
export function addWrongMethods(app: FastifyInstance, methods: ReadonlyMap<string, ReadonlySet<string>>): void {
  for (const [url, known] of [...methods]) {
    const others = METHODS.filter((method) => !known.has(method));
    if (url === '*' || others.length === 0) continue;
    const allow = [...known].sort().join(', ');
    app.route({
      method: others,
      url,
      config: { scope: url.startsWith(API) ? 'read' : 'anyone' },
      // Before the body is parsed, which may be of any type.
      onRequest: async (request) => {
        throw new Refusal(405, 'usage', `expected ${allow} of this path, found ${request.method}`, {
          hint: API_HINT,
          headers: { allow },
        });
      },
      handler: () => null,
    });
  }
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/** The paths of all routes, with their methods. Call it before any is added. */
export function collectMethods(app: FastifyInstance): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const of = found.get(url) ?? new Set();
    found.set(url, of);
    for (const each of [method].flat()) of.add(each);
  });
  return found;
}

const BROKEN_REQUESTS: Readonly<Record<string, readonly [status: number, reason: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'the request line and headers are too long'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'the request did not arrive in time'],
};

/** Answers input that isn't HTTP, and closes the connection. */
export function answerBroken(error: Error & { readonly code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, reason, message] = BROKEN_REQUESTS[error.code ?? ''] ?? [
    400,
    'Bad Request',
    'this is not a valid HTTP request',
  ];
  const body = JSON.stringify({ error: { kind: 'usage', message, hint: null } satisfies ApiError });
  const head = ['content-type: application/json', `content-length: ${Buffer.byteLength(body)}`, 'connection: close'];
  socket.end(`HTTP/1.1 ${status} ${reason}\r\n${head.join('\r\n')}\r\n\r\n${body}`);
}

/** An error with an HTTP status of its own, whatever its kind, and with headers. */
export class Refusal extends BatchctlError {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    statusCode: number,
    kind: ErrorKind,
    message: string,
    { hint, headers = {} }: { readonly hint?: string; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(kind, message, hint === undefined ? {} : { hint });
    this.statusCode = statusCode;
    this.headers = headers;
  }
}

export function smallerBodyHint({ routeOptions }: FastifyRequest): string {
  return routeOptions.url === VERBS
    ? 'for many local inputs: batchctl upload DIR --to PREFIX, then --input store:PREFIX/'
    : 'move long lists into an input, split by list';
}

/** Where command lines call any verb, which the body names. */
export const VERBS = `${API}/verbs`;
