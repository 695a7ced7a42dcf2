import { createHmac } from 'node:crypto';
import { lookup } from 'node:dns';
import { type ClientRequest, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { BatchctlError, messageOf } from '../../errors.ts';
import { isCertificateError } from '../../lib/certificate.ts';
import type { Environment } from '../../lib/environment.ts';
import { proxyAgent } from '../../lib/proxy.ts';
import { readStart } from '../../lib/read-start.ts';
import { readSecretFile } from '../../lib/secret-file.ts';
import { VERSION } from '../../lib/version.ts';
import type { Notice } from '../../ports/notifier.ts';
import type { SecretSource } from '../../ports/secret-source.ts';

export interface PostOptions {
  readonly url: string;
  readonly notice: Notice;
  /** The key of the signature; null: not signed. */
  readonly secret: string | null;
  /** Whether the target may be on this machine. */
  readonly loopback: boolean;
  readonly signal: AbortSignal | undefined;
  /** Time limit for the whole request, milliseconds. */
  readonly timeoutMs?: number;
  readonly now?: () => number;
}

/** Milliseconds. A receiver that needs longer should store the notice first and answer. */
export const POST_TIMEOUT_MS = 10_000;
/** Bytes read of an answer: it only serves for the text of an error. */
const ANSWER_BYTES = 64 * 1024;
/** Characters of it that the error quotes. */
const QUOTED_CHARACTERS = 200;

/**
 * Posts a notice as JSON. Doesn't follow redirects, which would send the body to an unchecked place. Never connects to
 * an address that gives out an instance's credentials, whatever its name. Throws `unavailable` (no answer, 408, 425,
 * 429, 5xx), `refused` for a forbidden place, `config` for any other answer than 2xx.
 */
export async function postNotice({ url, notice, secret, loopback, signal, ...options }: PostOptions): Promise<void> {
  const { timeoutMs = POST_TIMEOUT_MS, now = Date.now } = options;
  const target = new URL(url);
  const host = target.hostname;
  requireAllowedAddress(addressKindOf(host), host, loopback);
  const body = Buffer.from(notice.body);
  const limit = AbortSignal.timeout(timeoutMs);
  const seconds = Math.floor(now() / 1_000);
  const answer = await new Promise<{ readonly status: number; readonly text: string }>((resolve, reject) => {
    const send = target.protocol === 'https:' ? httpsRequest : httpRequest;
    const sent: ClientRequest = send(
      target,
      {
        method: 'POST',
        // A proxy resolves names itself. False: no proxy, and no kept socket.
        agent: proxyAgent(target) ?? false,
        // A name's address is checked while connecting, not before: it may have changed by then.
        lookup: lookupFor(loopback),
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
        headers: {
          'content-type': 'application/json',
          'content-length': body.length,
          'user-agent': `batchctl/${VERSION}`,
          'x-batchctl-event': notice.event,
          'x-batchctl-event-id': encodeURI(notice.id),
          ...(secret !== null && { 'x-batchctl-signature': signatureOf(notice.body, secret, seconds) }),
        },
      },
      (incoming) =>
        resolve(readStart(incoming, ANSWER_BYTES).then((text) => ({ status: incoming.statusCode ?? 0, text }))),
    );
    sent.on('error', reject);
    sent.end(body);
  }).catch((error: unknown) => {
    if (signal?.aborted === true)
      throw new BatchctlError('interrupted', 'stopped before it answered', { cause: error });
    throw limit.aborted
      ? unavailableError(host, `no answer within ${timeoutMs / 1_000} s`, error)
      : connectionError(host, error);
  });
  requireSuccess(host, answer);
}

function requireSuccess(host: string, { status, text }: { readonly status: number; readonly text: string }): void {
  if (status >= 200 && status < 300) return;
  const [line = ''] = text
    .replace(/[^\x20-\x7e\n]+/g, ' ')
    .trim()
    .split('\n');
  const said = `it answered ${status}${line === '' ? '' : `: ${line.slice(0, QUOTED_CHARACTERS)}`}`;
  if (status === 408 || status === 425 || status === 429 || status >= 500) throw unavailableError(host, said);
  if (status >= 300 && status < 400) {
    throw new BatchctlError('config', `${host}: ${said}, and redirects are not followed`, {
      hint: 'use the final address in notify',
    });
  }
  throw new BatchctlError('config', `${host}: ${said}`, { hint: 'correct the address or the secret in notify' });
}

const lookupFor =
  (loopback: boolean): LookupFunction =>
  (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '');
      try {
        for (const { address } of addresses) requireAllowedAddress(addressKindOf(address), hostname, loopback);
      } catch (refused) {
        return callback(refused as Error, '');
      }
      if (options.all === true) return callback(null, addresses);
      const [first] = addresses;
      callback(null, first?.address ?? '', first?.family ?? isIP(first?.address ?? ''));
    });
  };

function requireAllowedAddress(place: ReturnType<typeof addressKindOf>, host: string, loopback: boolean): void {
  if (place === 'elsewhere' || (place === 'loopback' && loopback)) return;
  const where =
    place === 'metadata' ? 'is link-local, where a machine keeps its credentials' : 'is this machine itself';
  throw new BatchctlError('refused', `${host} ${where}: notifications can't be sent there`, {
    hint: 'use another address in notify',
  });
}

function connectionError(host: string, error: unknown): Error {
  if (error instanceof BatchctlError) return error;
  const { message, code } = error as Error & { readonly code?: string };
  if (isCertificateError(code ?? '')) {
    return new BatchctlError('config', `${host}: its certificate is not trusted: ${message}`, {
      hint: 'NODE_EXTRA_CA_CERTS names the file of your own authority',
      cause: error,
    });
  }
  return unavailableError(host, message, error);
}

const unavailableError = (host: string, found: string, cause?: unknown): BatchctlError =>
  new BatchctlError('unavailable', `${host}: ${found}`, {
    hint: 'it will be retried',
    ...(cause !== undefined && { cause }),
  });

/**
 * Where the address of a URL leads. `metadata`: link-local, where instances and containers get their credentials (EC2:
 * userguide/instancedata-data-retrieval; ECS: task-iam-roles), to which no notice is ever sent · `loopback`: this
 * machine.
 */
type AddressKind = 'metadata' | 'loopback' | 'elsewhere';

const MAPPED = /^(?:0*:)*ffff:(.+)$/;

/** The place of an IP address; `elsewhere` for any other text. */
export function addressKindOf(address: string): AddressKind {
  const bare = address
    .replace(/^\[|\]$/g, '')
    .replace(/%.*$/, '')
    .toLowerCase();
  if (isIP(bare) === 4) return ipv4KindOf(bare);
  if (isIP(bare) !== 6) return 'elsewhere';
  // The canonical spelling of an address, independent of omitted groups and leading zeros.
  const { hostname } = new URL(`http://[${bare}]/`);
  const six = hostname.slice(1, -1);
  const [, tail] = MAPPED.exec(six.replace(/^::/, '0:')) ?? [];
  if (tail !== undefined) return ipv4KindOf(dotted(tail));
  if (six === '::1' || six === '::') return 'loopback';
  if (/^fe[89ab][0-9a-f]:/.test(six) || /^fd00:ec2:/.test(six)) return 'metadata';
  return 'elsewhere';
}

function ipv4KindOf(address: string): AddressKind {
  if (/^169\.254\./.test(address)) return 'metadata';
  return /^(127|0)\./.test(address) ? 'loopback' : 'elsewhere';
}

/** `a9fe:a9fe` as `169.254.169.254`. */
function dotted(tail: string): string {
  if (tail.includes('.')) return tail;
  const [high = 0, low = 0] = tail.split(':').map((group) => Number.parseInt(group, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/**
 * `t=1764500000,v1=<hex>`: HMAC-SHA256 with the secret over the time (Unix seconds), a dot, and the body. The time
 * prevents replaying an old body much later.
 */
export function signatureOf(body: string, secret: string, seconds: number): string {
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
}

/** Resolves a secret from this process's environment or the profile's service. Errors never contain the value. */
export async function readSecret(reference: string, source: SecretSource, env: Environment): Promise<string> {
  const [, scheme, rest = ''] = /^(env|file):(.*)$/s.exec(reference) ?? [];
  const value =
    scheme === 'env' ? env[rest] : scheme === 'file' ? await readFile(reference, rest) : await source.read(reference);
  if (value !== undefined && value !== '') return value;
  throw new BatchctlError('config', `the secret ${reference}: expected text, found none`, {
    hint: `set it where this process runs, or correct the secret of the notification`,
  });
}

async function readFile(reference: string, path: string): Promise<string> {
  try {
    return await readSecretFile(path);
  } catch (cause) {
    throw new BatchctlError('config', `the secret ${reference}: ${messageOf(cause)}`, {
      hint: 'correct the path, or let this user read it',
      cause,
    });
  }
}
