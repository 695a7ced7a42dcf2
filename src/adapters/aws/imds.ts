import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { BatchctlError, messageOf } from '../../errors.ts';
import { jitter, wait } from '../../lib/wait.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Lifetime of a token, seconds: the maximum (EC2: instancedata-data-retrieval). */
const TOKEN_SECONDS = 21_600;
/** Milliseconds. The service is on the same host, but a busy one may take a second. */
const ANSWER_MS = 2_000;
const TRIES = 3;
const AGAIN_MS = 200;
const IPV4 = 'http://169.254.169.254';
/** Nitro instances only (EC2: instancedata-data-retrieval). */
const IPV6 = 'http://[fd00:ec2::254]';

/**
 * The metadata service's address, by the SDK's rules: AWS_EC2_METADATA_SERVICE_ENDPOINT, or by the mode. Null if
 * AWS_EC2_METADATA_DISABLED is set. Throws `config`.
 */
export function imdsEndpoint(env: Environment = process.env): string | null {
  if (env.AWS_EC2_METADATA_DISABLED?.toLowerCase() === 'true') return null;
  const named = env.AWS_EC2_METADATA_SERVICE_ENDPOINT ?? '';
  if (named !== '') {
    if (/^https?:\/\//.test(named) && URL.canParse(named)) return named.replace(/\/+$/, '');
    throw new BatchctlError('config', `AWS_EC2_METADATA_SERVICE_ENDPOINT: expected a URL, found ${named}`, {
      hint: `unset it, or set it like ${IPV4}`,
    });
  }
  const mode = env.AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE ?? '';
  if (mode === '' || mode === 'IPv4') return IPV4;
  if (mode === 'IPv6') return IPV6;
  throw new BatchctlError('config', `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: expected IPv4 or IPv6, found ${mode}`);
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** The instance metadata service, version 2. Each request carries a token; a refused token is replaced. */
export class Imds {
  readonly #endpoint: string;
  readonly #tries: number;
  /** Its own agent, so that requests never go through a proxy. */
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 });
  #token: Promise<string> | null = null;

  constructor(endpoint: string, { tries = TRIES }: { readonly tries?: number } = {}) {
    this.#endpoint = endpoint;
    this.#tries = tries;
  }

  /** The text at `/latest/<path>`; null if there is none (404). Throws `unavailable` after three tries. */
  async get(path: string): Promise<string | null> {
    let trouble: unknown;
    for (let tried = 0; tried < this.#tries; tried += 1) {
      const token = this.#tokenNow();
      try {
        const answer = await this.#send('GET', path, { 'x-aws-ec2-metadata-token': await token });
        if (answer.status === 200) return answer.text;
        if (answer.status === 404) return null;
        trouble = new Error(`HTTP ${answer.status}`);
        // The token has expired: retry at once with a new one.
        if (answer.status === 401) {
          this.#forget(token);
          continue;
        }
      } catch (error) {
        trouble = error;
      }
      if (tried < this.#tries - 1) await wait(jitter(AGAIN_MS * 2 ** tried));
    }
    const why = messageOf(trouble);
    throw new BatchctlError('unavailable', `the instance metadata service did not return ${path}: ${why}`, {
      hint: 'the launch template must leave HttpEndpoint enabled; in a container it needs HttpPutResponseHopLimit 2',
      cause: trouble,
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #tokenNow(): Promise<string> {
    if (this.#token !== null) return this.#token;
    const asked = this.#newToken();
    this.#token = asked;
    asked.catch(() => this.#forget(asked));
    return asked;
  }

  /** Unless another request has already got a new one. */
  #forget(token: Promise<string>): void {
    if (this.#token === token) this.#token = null;
  }

  async #newToken(): Promise<string> {
    const answer = await this.#send('PUT', 'api/token', {
      'x-aws-ec2-metadata-token-ttl-seconds': String(TOKEN_SECONDS),
    });
    if (answer.status !== 200) throw new Error(`no token: HTTP ${answer.status}`);
    return answer.text;
  }

  #send(method: 'GET' | 'PUT', path: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(ANSWER_MS);
      const asked = request(
        `${this.#endpoint}/latest/${path}`,
        { method, headers, agent: this.#agent, signal },
        (answer) => {
          text(answer).then((body) => resolve({ status: answer.statusCode ?? 0, text: body }), reject);
        },
      );
      asked.on('error', (error) => reject(signal.aborted ? new Error(`no answer in ${ANSWER_MS} ms`) : error));
      asked.end();
    });
  }
}
