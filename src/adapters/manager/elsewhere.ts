import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import { jitter, wait } from '../../lib/wait.ts';
import { AwayError } from './away-error.ts';
import { proxyAgent } from './proxy-agent.ts';

export interface ElsewhereCall {
  readonly method: 'GET' | 'PUT';
  /** Signed by the manager: it says all that is needed, and no token goes there. */
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Made anew for each try. */
  readonly body?: () => Readable | Uint8Array;
  /** Statuses that are no errors, besides 2xx. */
  readonly also?: readonly number[];
  readonly signal?: AbortSignal | undefined;
}

const TRIES = 4;
const FIRST_PAUSE = 500;
/** Milliseconds without a byte. */
const SILENCE = 60_000;

/** Asks the store that a manager names, by a signed URL; again where it is busy. Throws `AwayError`. */
export async function askElsewhere(call: ElsewhereCall): Promise<IncomingMessage> {
  for (let pause = FIRST_PAUSE, left = TRIES; ; pause *= 2) {
    left -= 1;
    try {
      const answer = await send(call);
      const status = answer.statusCode ?? 0;
      if ((status >= 200 && status < 300) || call.also?.includes(status) === true) return answer;
      answer.resume();
      const hint = 'try again; if it stays so: does the clock of the manager go right?';
      if (status < 500 || left === 0) throw new AwayError(`${call.url.host} answered ${status}`, { begun: true, hint });
    } catch (error) {
      call.signal?.throwIfAborted();
      if (left === 0 || error instanceof AwayError) throw error;
    }
    await wait(jitter(pause), call.signal);
    call.signal?.throwIfAborted();
  }
}

function send({ method, url, headers = {}, body, signal }: ElsewhereCall): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const by = url.protocol === 'http:' ? httpRequest : httpsRequest;
    const agent = proxyAgent(url);
    const asked = by(url, { method, headers, ...(signal && { signal }), ...(agent && { agent }) }, resolve);
    asked.setTimeout(SILENCE, () => asked.destroy(new Error('no byte for a minute')));
    asked.once('error', (cause) => {
      if (signal?.aborted === true) return reject(signal.reason as Error);
      // Not yet an `AwayError`: it is tried again.
      return reject(new Error(`${url.host} can't be reached: ${cause.message}`, { cause }));
    });
    const sent = body?.();
    if (sent === undefined || sent instanceof Uint8Array) asked.end(sent);
    else sent.once('error', (error) => asked.destroy(error)).pipe(asked);
  });
}
