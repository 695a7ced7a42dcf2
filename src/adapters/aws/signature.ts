import { createHash, createHmac } from 'node:crypto';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

interface Signing {
  readonly method: string;
  /** Encoded. */
  readonly path: string;
  /** Encoded, sorted by name. */
  readonly query: string;
  /** By lower-case names; all are signed. Contains the hash of the body, `x-amz-content-sha256`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly region: string;
  readonly service: string;
  readonly credentials: Credentials;
  /** `20261126T100000Z` */
  readonly time: string;
}

/** Signature Version 4 in a header (S3API/sig-v4-header-based-auth). */
export function authorization(signing: Signing): string {
  const { headers, region, service, credentials, time } = signing;
  const names = Object.keys(headers).sort();
  const scope = scopeOf(time, region, service);
  const signature = signatureOf(signing, names, scope, headers['x-amz-content-sha256'] ?? '');
  return `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
}

export interface Presigning {
  readonly method: 'GET' | 'PUT';
  /** The address of the object: `https://bucket.s3.eu-west-1.amazonaws.com/key`, path encoded. */
  readonly url: URL;
  readonly region: string;
  readonly seconds: number;
  /** Further headers that the request must send, by lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Further query parameters: `uploadId`. */
  readonly query?: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly credentials: Credentials;
}

/** Signs a URL by Signature Version 4 (S3API/sigv4-query-string-auth). It expires no later than the credentials. */
export function presignedUrl({
  method,
  url,
  region,
  seconds,
  now,
  credentials,
  headers = {},
  query = {},
}: Presigning): string {
  const time = signingTime(now);
  const scope = scopeOf(time, region, 's3');
  const signed: Readonly<Record<string, string>> = { ...headers, host: url.host };
  const names = Object.keys(signed).sort();
  const asked = canonicalQuery({
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${credentials.accessKeyId}/${scope}`,
    'X-Amz-Date': time,
    'X-Amz-Expires': String(seconds),
    ...(credentials.sessionToken !== undefined && { 'X-Amz-Security-Token': credentials.sessionToken }),
    'X-Amz-SignedHeaders': names.join(';'),
    ...query,
  });
  const path = url.pathname;
  const request = { method, path, query: asked, headers: signed, time, credentials };
  const signature = signatureOf(request, names, scope, 'UNSIGNED-PAYLOAD');
  return `${url.origin}${path}?${asked}&X-Amz-Signature=${signature}`;
}

/** `20261126T100000Z`, from milliseconds since the epoch. */
export const signingTime = (now: number): string => `${new Date(now).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;

const scopeOf = (time: string, region: string, service: string): string =>
  `${time.slice(0, 8)}/${region}/${service}/aws4_request`;

/** @param names the names of the headers, sorted. @param payload the hash of the body, or a word in its place. */
function signatureOf(
  { method, path, query, headers, time, credentials }: Omit<Signing, 'region' | 'service'>,
  names: readonly string[],
  scope: string,
  payload: string,
): string {
  let canonical = `${method}\n${path}\n${query}\n`;
  for (const name of names) canonical += `${name}:${oneSpace(headers[name] ?? '')}\n`;
  canonical += `\n${names.join(';')}\n${payload}`;
  const hashed = createHash('sha256').update(canonical).digest('hex');
  const key = signingKey(credentials.secretAccessKey, scope);
  return hmac(key, `AWS4-HMAC-SHA256\n${time}\n${scope}\n${hashed}`).toString('hex');
}

const oneSpace = (value: string): string => (/^\s|\s\s|\s$/.test(value) ? value.trim().replace(/\s+/g, ' ') : value);

/** Signing keys hold for a day, by their scope. A worker has a few. */
const keys = new Map<string, { readonly secret: string; readonly key: Buffer }>();
const MOST_KEYS = 32;

/** The key that signs within a scope (`20261126/eu-west-1/s3/aws4_request`). */
function signingKey(secret: string, scope: string): Buffer {
  const known = keys.get(scope);
  if (known?.secret === secret) return known.key;
  const key = scope.split('/').reduce<Buffer | string>((held, text) => hmac(held, text), `AWS4${secret}`) as Buffer;
  if (keys.size >= MOST_KEYS) keys.clear();
  keys.set(scope, { secret, key });
  return key;
}

const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** Names and values in the byte order of names, encoded by RFC 3986. */
export function canonicalQuery(parameters: Readonly<Record<string, string>>): string {
  // Names are ASCII, so the default order (UTF-16 units) is that of bytes.
  const names = Object.keys(parameters).sort();
  return names.map((name) => `${encodeRfc3986(name)}=${encodeRfc3986(parameters[name] ?? '')}`).join('&');
}

/** By RFC 3986: also encodes the characters that `encodeURIComponent` leaves. */
export const encodeRfc3986 = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
