import { signal } from '@preact/signals';
import { VERSION } from '../lib/version.ts';
import { API_ROUTES, type ApiAnswer, type ApiInput, type ApiName, requestOf } from './api-routes.ts';
import { syncClock } from './clock.ts';
import { signOut, token } from './session.ts';
import { parseClean } from './words/text.ts';

/** A failed call: the manager's message, or the page's own if no answer arrived. */
export class CallError extends Error {
  /** HTTP status; 0 without an answer. */
  readonly status: number;
  readonly hint: string | null;

  constructor(status: number, message: string, hint: string | null = null) {
    super(message);
    this.name = 'CallError';
    this.status = status;
    this.hint = hint;
  }
}

export const asCallError = (error: unknown): CallError =>
  error instanceof CallError ? error : new CallError(0, error instanceof Error ? error.message : String(error));

interface Answered<T> {
  readonly document: T;
  readonly warnings: readonly string[];
}

/** Calls the manager. Throws `CallError`; a refused token signs the page out. */
export async function call<Name extends ApiName>(
  name: Name,
  input: ApiInput<Name>,
  signal?: AbortSignal,
): Promise<Answered<ApiAnswer<Name>>> {
  const { method, url, body } = requestOf(API_ROUTES[name], input as Readonly<Record<string, unknown>>);
  const response = await send(url, {
    method,
    ...(signal && { signal }),
    ...(body !== null && { body, headers: { 'content-type': 'application/json' } }),
  });
  const warnings = parseClean(response.headers.get('x-batchctl-warnings') ?? '[]') as readonly string[];
  return { document: (await textOf(response)) as ApiAnswer<Name>, warnings };
}

async function textOf(response: Response): Promise<unknown> {
  try {
    return parseClean(await response.text());
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new CallError(0, 'the connection to the manager was lost before the answer was complete');
  }
}

/** Sends a request with the token and returns a successful response. Throws `CallError`. */
export async function send(url: string, init: RequestInit): Promise<Response> {
  const used = token.value;
  const headers = new Headers(init.headers);
  headers.set('authorization', `Bearer ${used}`);
  let response: Response;
  try {
    // Relative to the page, because a reverse proxy may serve it below a path of its own.
    response = await fetch(`.${url}`, { ...init, headers, cache: 'no-store', credentials: 'omit', redirect: 'error' });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new CallError(0, 'the manager does not answer', 'start it with batchctl manager, if it is not running');
  }
  syncClock(response.headers.get('date'));
  noteVersion(response.headers.get('x-batchctl-version'));
  if (response.ok) return response;
  const error = await errorOf(response);
  // By now, the page may use another token.
  if (response.status === 401 && token.value === used) signOut(error.message);
  throw error;
}

async function errorOf(response: Response): Promise<CallError> {
  const { status } = response;
  try {
    const { error } = parseClean(await response.text()) as { error: { message: string; hint: string | null } };
    return new CallError(status, error.message, error.hint);
  } catch {
    return new CallError(status, `the manager answered ${status} and gave no reason`);
  }
}

/** The manager's version if it differs from the page's, so that the page must be reloaded; otherwise null. */
export const newVersion = signal<string | null>(null);

function noteVersion(version: string | null): void {
  if (version !== null) newVersion.value = version === VERSION ? null : version;
}
