import { createHmac } from 'node:crypto';
import { type Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { XMLParser } from 'fast-xml-parser';
import { BatchctlError } from '../../errors.ts';
import { isTransient, translateAwsError } from './errors.ts';
import { backOff } from './retries.ts';
import { type Credentials, canonicalQuery } from './signature.ts';
import { unescapeXml } from './xml-entities.ts';

export interface SimpleDbOptions {
  readonly region: string;
  /** Replaces AWS's own endpoint; undefined: the region's. */
  readonly endpoint?: string | undefined;
  readonly credentials: () => Promise<Credentials>;
  /** The agent for a request: proxies, certificates (`AwsClients.agentFor`). */
  readonly agentFor: (url: URL) => Agent;
  /** The profile in ~/.aws/config that signs, for hints; null: the SDK's default chain. */
  readonly profile: string | null;
  /** Tries of a request in all; 8 by default. */
  readonly attempts?: number;
}

/** A larger clock error is corrected, milliseconds; SimpleDB accepts about 15 minutes. */
const SKEW_MS = 240_000;
const ATTEMPTS = 8;
/** Milliseconds until the answer and its body are there: a select takes at most 5 s (SDBLimits). */
const ANSWER_MS = 15_000;

class SimpleDbError extends Error {
  readonly $metadata: { readonly httpStatusCode: number; attempts: number };
  /** How far this machine's clock is behind, milliseconds. */
  readonly skew: number;

  constructor(code: string, message: string, status: number, skew: number) {
    super(message);
    this.name = code;
    this.$metadata = { httpStatusCode: status, attempts: 1 };
    this.skew = skew;
  }
}

/** SimpleDB's error code; null for any other error. */
export function simpleDbCode(error: unknown): string | null {
  const cause = error instanceof BatchctlError ? error.cause : error;
  return cause instanceof SimpleDbError ? cause.name : null;
}

/** Sends requests to SimpleDB: signs each try, retries transient errors with full jitter, and parses the answers. */
export class SimpleDbHttp {
  readonly #options: SimpleDbOptions;
  readonly #url: URL;
  #skew = 0;

  constructor(options: SimpleDbOptions) {
    this.#options = options;
    this.#url = new URL(options.endpoint ?? hostOf(options.region));
  }

  /**
   * Returns the answer's root element. Throws `credentials`, `notFound` (no such domain), `config`, `unavailable` after
   * all attempts, else `unexpected`; `simpleDbCode` gives the code of the error.
   */
  async call(action: string, parameters: Readonly<Record<string, string>>): Promise<Element> {
    const { region, profile, attempts = ATTEMPTS } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#try({ ...parameters, Action: action });
      } catch (error) {
        if (attempt < attempts && (this.#correctClock(error) || isPassing(error))) {
          await backOff(attempt);
          continue;
        }
        if (error instanceof SimpleDbError) error.$metadata.attempts = attempt;
        const domain = parameters.DomainName ?? '*';
        throw translateAwsError(error, {
          what: `ask SimpleDB (${action} on ${domain})`,
          action: `sdb:${action}`,
          profile,
          resource: `arn:aws:sdb:${region}:*:domain/${domain}`,
        });
      }
    }
  }

  /** True when the error came from a clock that is now corrected. */
  #correctClock(error: unknown): boolean {
    if (!(error instanceof SimpleDbError) || Math.abs(error.skew - this.#skew) < SKEW_MS) return false;
    this.#skew = error.skew;
    return true;
  }

  async #try(parameters: Readonly<Record<string, string>>): Promise<Element> {
    const credentials = await this.#options.credentials();
    const now = Date.now() + this.#skew;
    const body = canonicalQuery(signSimpleDb(parameters, { host: this.#url.host, credentials, now }));
    const answer = await this.#post(body);
    const status = answer.message.statusCode ?? 0;
    const date = Date.parse(answer.message.headers.date ?? '');
    const skew = Number.isNaN(date) ? 0 : date - Date.now();
    if (status === 200) return parseXml(answer.body);
    throw errorOf(answer.body, status, skew);
  }

  #post(body: string): Promise<{ readonly message: IncomingMessage; readonly body: string }> {
    const send = this.#url.protocol === 'https:' ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const request = send(this.#url, {
        method: 'POST',
        agent: this.#options.agentFor(this.#url),
        signal: AbortSignal.timeout(ANSWER_MS),
        headers: {
          'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
          'content-length': Buffer.byteLength(body),
          'user-agent': `batchctl region/${this.#options.region}`,
        },
      });
      const fail = (error: Error): void => reject(error.name === 'AbortError' ? timedOut(error) : error);
      request.on('error', fail);
      request.on('response', (message) => {
        text(message).then((answer) => resolve({ message, body: answer }), fail);
      });
      request.end(body);
    });
  }
}

/** SimpleDB's endpoints (botocore's endpoints.json): us-east-1 has no region in its name. */
function hostOf(region: string): string {
  return region === 'us-east-1' ? 'https://sdb.amazonaws.com' : `https://sdb.${region}.amazonaws.com`;
}

const timedOut = (cause: Error): Error =>
  Object.assign(new Error(`no answer within ${ANSWER_MS / 1000} s`, { cause }), { name: 'TimeoutError' });

function isPassing(error: unknown): boolean {
  const slow = error instanceof SimpleDbError && error.$metadata.httpStatusCode === 408;
  return slow || isTransient(error);
}

/** Errors come as `<Response><Errors><Error><Code>`; a proxy in between may send anything. */
function errorOf(body: string, status: number, skew: number): SimpleDbError {
  let error: Element | undefined;
  try {
    error = parseXml(body).children.get('Errors')?.[0]?.children.get('Error')?.[0];
  } catch {
    error = undefined;
  }
  return new SimpleDbError(childText(error, 'Code') || `HTTP ${status}`, childText(error, 'Message'), status, skew);
}

/** SimpleDB's only API version. */
const API_VERSION = '2009-04-15';

/**
 * Signs a request's parameters by Signature Version 2 with HmacSHA256 (SimpleDB developer guide, HMACAuth) and returns
 * everything to send. Each retry is signed again, because the time is part of it.
 */
export function signSimpleDb(
  parameters: Readonly<Record<string, string>>,
  at: { readonly host: string; readonly credentials: Credentials; readonly now: number },
): Readonly<Record<string, string>> {
  const { accessKeyId, secretAccessKey, sessionToken } = at.credentials;
  const signed: Record<string, string> = {
    ...parameters,
    AWSAccessKeyId: accessKeyId,
    ...(sessionToken !== undefined && { SecurityToken: sessionToken }),
    SignatureMethod: 'HmacSHA256',
    SignatureVersion: '2',
    Timestamp: new Date(at.now).toISOString().replace(/\.\d+Z$/, 'Z'),
    Version: API_VERSION,
  };
  const text = ['POST', at.host.toLowerCase(), '/', canonicalQuery(signed)].join('\n');
  return { ...signed, Signature: createHmac('sha256', secretAccessKey).update(text).digest('base64') };
}

/** An element: its text, or lists of its children by name. */
export interface Element {
  readonly text: string;
  readonly children: ReadonlyMap<string, readonly Element[]>;
}

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  // The parser limits how many entities it expands in a document; a page of values has thousands.
  processEntities: false,
});

/** The document's root element. Throws if the text isn't XML. */
function parseXml(text: string): Element {
  const nodes: unknown = parser.parse(text, true);
  for (const node of listOf(nodes)) {
    const name = nameOf(node);
    if (name !== null && !name.startsWith('?')) return elementOf(node, name);
  }
  throw new SyntaxError('a document without an element');
}

/** The text of a child; '' where there is none. */
export function childText(element: Element | undefined, name: string): string {
  return element?.children.get(name)?.[0]?.text ?? '';
}

function elementOf(node: Readonly<Record<string, unknown>>, name: string): Element {
  const children = new Map<string, Element[]>();
  let text = '';
  for (const child of listOf(node[name])) {
    const childName = nameOf(child);
    if (childName === '#text') text += unescapeXml(String(child['#text']));
    else if (childName !== null) {
      const known = children.get(childName) ?? [];
      children.set(childName, known);
      known.push(elementOf(child, childName));
    }
  }
  return { text: isBase64(node[':@']) ? Buffer.from(text, 'base64').toString('utf8') : text, children };
}

/** Values that XML can't hold come as base64 (SimpleDB developer guide, InvalidCharacters). */
function isBase64(attributes: unknown): boolean {
  return typeof attributes === 'object' && attributes !== null && Object.values(attributes).includes('base64');
}

function listOf(nodes: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(nodes) ? nodes : [];
}

function nameOf(node: Readonly<Record<string, unknown>>): string | null {
  return Object.keys(node).find((key) => key !== ':@') ?? null;
}
