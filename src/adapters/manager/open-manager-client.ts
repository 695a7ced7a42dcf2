import { BatchctlError, isKind } from '../../errors.ts';
import { API, type ApiError, FRAMES_TYPE, type FrameEnd, type ValueFrame, VERSION_HEADER } from '../../model/api.ts';
import type { ManagerHealth } from '../../model/manager-health.ts';
import type { Manager } from '../../ports/manager.ts';
import type { VerbRequest } from '../../ports/verbs.ts';
import { type ConnectionOptions, ManagerConnection } from './connection.ts';
import { kindOf, ManagerUnavailableError } from './manager-errors.ts';
import { RemoteStore } from './remote-store.ts';

/** A manager through its HTTP API. Connects at the first call. */
export function openManagerClient(options: ConnectionOptions): Manager {
  const connection = new ManagerConnection(options);
  return {
    url: options.url,
    call: (asked, signal) => framesOf(connection, asked, signal),
    store: new RemoteStore(connection),
    hello: async (signal) => {
      const begun = Date.now();
      const answer = await connection.request({ method: 'GET', path: '/healthz', again: true, signal });
      answer.resume();
      const said = Date.parse(answer.headers.date ?? '');
      const version = answer.headers[VERSION_HEADER];
      // The Date header has whole seconds: take the middle of that second.
      const ahead = Number.isNaN(said) ? null : said + 500 - (begun + Date.now()) / 2;
      return { version: version === undefined ? null : String(version), ahead };
    },
    health: async (signal) => {
      try {
        return (await connection.json({ method: 'GET', path: `${API}/health`, again: true, signal })) as ManagerHealth;
      } catch (error) {
        if (isKind(error, 'notFound')) return null;
        throw error;
      }
    },
    close: async () => connection.close(),
  };
}

/** Milliseconds without a frame until a connection counts as dead; a manager sends a sign of life every 15 s. */
const SILENCE = 60_000;

/** Runs a verb, frame by frame. Throws as `Manager.call`; `ManagerUnavailableError` if the stream ends without its last frame. */
async function* framesOf(
  connection: ManagerConnection,
  asked: VerbRequest,
  signal: AbortSignal,
): AsyncGenerator<ValueFrame> {
  const body = JSON.stringify(asked);
  const answer = await connection.request({
    method: 'POST',
    path: `${API}/verbs`,
    headers: { 'content-type': 'application/json', accept: FRAMES_TYPE },
    body: () => body,
    again: false,
    signal,
  });
  const type = answer.headers['content-type'] ?? '';
  if (!type.startsWith(FRAMES_TYPE)) {
    answer.destroy();
    throw new BatchctlError('config', `expected a manager at ${connection.url.href}, found an answer of ${type}`, {
      hint: "correct the profile's url",
    });
  }
  answer.setTimeout(SILENCE, () => answer.destroy(new Error('it sent nothing for a minute')));
  let broken: unknown = null;
  try {
    for await (const line of linesOf(answer)) {
      const frame = JSON.parse(line) as ValueFrame;
      yield 'exit' in frame ? withKnownKind(frame) : frame;
      if ('exit' in frame) return;
    }
  } catch (error) {
    broken = error;
  } finally {
    answer.destroy();
  }
  signal.throwIfAborted();
  throw brokenStreamError(connection, broken);
}

/** Error kinds that this version doesn't know become `unexpected`. */
function withKnownKind(end: FrameEnd): FrameEnd {
  if (end.error === null) return end;
  const error: ApiError = { ...end.error, kind: kindOf(end.error.kind) };
  return { ...end, error };
}

/** Yields whole lines. `readline` would also break lines at U+2028. */
async function* linesOf(stream: AsyncIterable<unknown>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

function brokenStreamError({ url }: ManagerConnection, cause: unknown): ManagerUnavailableError {
  const why = !(cause instanceof Error) || cause.message === 'aborted' ? '' : `: ${cause.message}`;
  return new ManagerUnavailableError(`the manager at ${url.origin} broke off the answer${why}`, {
    begun: true,
    hint: 'try again',
    cause,
  });
}
