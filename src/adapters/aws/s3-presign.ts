import { createHash, createHmac } from 'node:crypto';

/** What a signed URL is made of. */
export interface Presigning {
  readonly method: 'GET' | 'PUT';
  /** Where the object is, as a request to it would go: `https://bucket.s3.eu-west-1.amazonaws.com/key`, path encoded. */
  readonly url: URL;
  readonly region: string;
  readonly seconds: number;
  /** What a request by it must say besides, by lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What it asks for besides: `uploadId`. */
  readonly query?: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string | undefined;
  };
}

/** Signature Version 4 in the query: S3API/sigv4-query-string-auth. It ends with the credentials, if that is sooner. */
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
  const time = `${new Date(now).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
  const scope = [time.slice(0, 8), region, 's3', 'aws4_request'];
  const said = Object.entries({ ...headers, host: url.host }).sort(([a], [b]) => (a < b ? -1 : 1));
  const signed = said.map(([name]) => name).join(';');
  const asked = [
    ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
    ['X-Amz-Credential', [credentials.accessKeyId, ...scope].join('/')],
    ['X-Amz-Date', time],
    ['X-Amz-Expires', String(seconds)],
    ...(credentials.sessionToken === undefined ? [] : [['X-Amz-Security-Token', credentials.sessionToken]]),
    ['X-Amz-SignedHeaders', signed],
    // In the order of their names, as they are signed: ours begin with small letters, which come last.
    ...Object.entries(query).sort(([a], [b]) => (a < b ? -1 : 1)),
  ]
    .map((pair) => pair.map(encoded).join('='))
    .join('&');
  const lines = said.map(([name, value]) => `${name}:${value.trim().replace(/ +/g, ' ')}`);
  const canonical = [method, url.pathname, asked, ...lines, '', signed, 'UNSIGNED-PAYLOAD'].join('\n');
  const hashed = createHash('sha256').update(canonical).digest('hex');
  const toSign = ['AWS4-HMAC-SHA256', time, scope.join('/'), hashed].join('\n');
  const key = scope.reduce<Buffer | string>((secret, text) => hmac(secret, text), `AWS4${credentials.secretAccessKey}`);
  return `${url.origin}${url.pathname}?${asked}&X-Amz-Signature=${hmac(key, toSign).toString('hex')}`;
}

const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** As RFC 3986 has it: what `encodeURIComponent` leaves is encoded too. */
export const encoded = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
