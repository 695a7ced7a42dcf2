import type { IncomingMessage } from 'node:http';
import { BatchctlError, type ErrorKind, EXIT_CODES } from '../../errors.ts';
import { readStart } from '../../lib/read-start.ts';
import { VERSION } from '../../lib/version.ts';
import { type ApiError, VERSION_HEADER } from '../../model/api.ts';

/** Bytes read of an error's body. */
const LONGEST = 64 * 1024;

/** Turns an unsuccessful answer into an error of its kind. Reads the body. */
export async function readErrorAnswer(answer: IncomingMessage, url: URL): Promise<BatchctlError> {
  const status = answer.statusCode ?? 0;
  // If the body breaks off, the status says enough.
  const said = parseApiError(await readStart(answer, LONGEST).catch(() => ''));
  const hint = said?.hint ?? undefined;
  const withHint = (other: string): { hint: string } => ({ hint: hint ?? other });
  const make = (kind: ErrorKind, message: string, otherHint: string): BatchctlError =>
    new BatchctlError(kind, said?.message ?? message, withHint(otherHint));
  switch (status) {
    case 401:
      return make(
        'credentials',
        `the manager at ${url.origin} requires a token`,
        'its operator creates one with: batchctl manager token create NAME',
      );
    case 403:
      return make('refused', 'the token does not allow this', 'ask its operator for another token');
    case 426: {
      const own = String(answer.headers[VERSION_HEADER] ?? 'another version');
      return make('config', `this is batchctl ${VERSION}, and the manager is ${own}`, `use batchctl ${own}`);
    }
    case 429:
    case 503:
      // Refused before anything was done. An error inside a verb has another form.
      return new ManagerUnavailableError(said?.message ?? `the manager at ${url.origin} is busy`, {
        begun: false,
        after: parseRetryAfter(answer.headers['retry-after']),
        ...withHint('try again later'),
      });
    default:
  }
  if (said !== null) return new BatchctlError(kindOf(said.kind), said.message, hint === undefined ? {} : { hint });
  if (status === 413) {
    const text = `the proxy in front of the manager at ${url.origin} rejects a body of this size`;
    return new BatchctlError('config', text, {
      hint: 'raise its limit to 256 MiB for code, and further for data on the local profile (nginx: client_max_body_size)',
    });
  }
  if (status >= 502) {
    return new ManagerUnavailableError(`the proxy in front of the manager at ${url.origin} answered ${status}`, {
      begun: true,
      ...withHint('check that the manager is running, then try again'),
    });
  }
  return new BatchctlError('config', `expected a manager at ${url.href}, found a server that answers ${status}`, {
    hint: "correct the profile's url",
  });
}

/** A kind that this version knows; `unexpected` for any other. */
export function kindOf(text: string): ErrorKind {
  return Object.hasOwn(EXIT_CODES, text) ? (text as ErrorKind) : 'unexpected';
}

function parseApiError(body: string): ApiError | null {
  try {
    const { error } = JSON.parse(body) as { readonly error?: Partial<ApiError> };
    if (typeof error?.kind !== 'string' || typeof error.message !== 'string') return null;
    return { kind: error.kind, message: error.message, hint: error.hint ?? null };
  } catch {
    return null;
  }
}

function parseRetryAfter(header: string | undefined): number | null {
  const seconds = Number(header ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : null;
}

/** A manager that can't be reached, or broke off: kind `unavailable`. */
export class ManagerUnavailableError extends BatchctlError {
  /** False: the manager provably never began the request. */
  readonly begun: boolean;
  /** Seconds after which the manager wants to be asked again; null if it didn't say. */
  readonly after: number | null;

  constructor(
    message: string,
    { begun, after = null, ...options }: { begun: boolean; after?: number | null; hint?: string; cause?: unknown },
  ) {
    super('unavailable', message, options);
    this.begun = begun;
    this.after = after;
  }
}

/** By its fields, not its class, as errors are recognized everywhere. */
export const isManagerUnavailable = (error: unknown): error is ManagerUnavailableError =>
  error instanceof Error && 'begun' in error && 'kind' in error && error.kind === 'unavailable';
