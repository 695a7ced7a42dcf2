import { signal } from '@preact/signals';
import { VERSION } from '../lib/version.ts';
import { API_ROUTES, type ApiAnswer, type ApiInput, type ApiName, requestOf } from './api-routes.ts';
import { heardClock } from './clock.ts';
import { signOut, token } from './session.ts';
import { parseClean } from './words/text.ts';

/** Why a call came to nothing, in the manager's words or, where there are none, in ours. */
export class CallError extends Error {
  /** 0: no answer came. */
  readonly status: number;
  readonly hint: string | null;

  constructor(status: number, message: string, hint: string | null = null) {
    super(message);
    this.name = 'CallError';
    this.status = status;
    this.hint = hint;
  }
}

/** What was answered, and what the verb warned of. */
interface Answered<T> {
  readonly document: T;
  readonly warnings: readonly string[];
}

/** Asks the manager. Throws `CallError`; a token that is refused is given up. */
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
    throw new CallError(0, 'the answer broke off: the manager, or the way to it, was lost while it came');
  }
}

/** Sends a request with the token, and answers what is no error. Throws `CallError`. */
export async function send(url: string, init: RequestInit): Promise<Response> {
  const used = token.value;
  const headers = new Headers(init.headers);
  headers.set('authorization', `Bearer ${used}`);
  let response: Response;
  try {
    // From where the page is: a reverse proxy may show it below a path of its own.
    response = await fetch(`.${url}`, { ...init, headers, cache: 'no-store', credentials: 'omit', redirect: 'error' });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new CallError(0, 'the manager does not answer', 'is it up? batchctl manager starts it');
  }
  heardClock(response.headers.get('date'));
  heardVersion(response.headers.get('x-batchctl-version'));
  if (response.ok) return response;
  const error = await errorOf(response);
  // Another token may be in use by now.
  if (response.status === 401 && token.value === used) signOut(error.message);
  throw error;
}

async function errorOf(response: Response): Promise<CallError> {
  const { status } = response;
  try {
    const { error } = parseClean(await response.text()) as { error: { message: string; hint: string | null } };
    return new CallError(status, error.message, error.hint);
  } catch {
    return new CallError(status, `the manager answered ${status}, without a reason`);
  }
}

/** The manager's version, where it isn't this page's any more: the page should be loaded again. */
export const otherVersion = signal<string | null>(null);

function heardVersion(version: string | null): void {
  if (version !== null) otherVersion.value = version === VERSION ? null : version;
}
