import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { RoutedHandler } from './http-handler.ts';
import { authorization, type Credentials, canonicalQuery, encodeRfc3986, signingTime } from './signature.ts';
import { unescapeXml } from './xml-entities.ts';

/**
 * The calls that a worker makes for each task, sent without the SDK's request path, which costs 1.5 to 2.5 ms of CPU a
 * request, spread over all its parts (bench/aws-requests.bench.mjs). The first call of a kind to a bucket or queue goes
 * that path, and shows how the SDK sends it: address, headers, region (`templateOf`). Later ones fill in that template,
 * are signed here, and go through the same handler, with its timeouts, proxies and rate limits.
 *
 * Only success is read here. Any other answer, or a lost connection, is handed to the SDK as the first attempt of an
 * ordinary call. So errors, retries and the correction of the clock are the SDK's own, and so is every call with an
 * input that isn't named here.
 */
const HOT: Readonly<Record<string, Hot>> = {
  GetObject: {
    method: 'GET',
    fields: { Range: 'range', IfMatch: 'if-match', VersionId: '?versionId' },
    read: async (answer) => objectOf(answer, answer.body),
  },
  HeadObject: {
    method: 'HEAD',
    fields: { ChecksumMode: 'x-amz-checksum-mode', VersionId: '?versionId' },
    read: async (answer) => objectOf(answer, discardBody(answer)),
  },
  PutObject: {
    method: 'PUT',
    fields: {
      IfNoneMatch: 'if-none-match',
      ChecksumCRC32: 'x-amz-checksum-crc32',
      ServerSideEncryption: 'x-amz-server-side-encryption',
      SSEKMSKeyId: 'x-amz-server-side-encryption-aws-kms-key-id',
      BucketKeyEnabled: 'x-amz-server-side-encryption-bucket-key-enabled',
    },
    read: async (answer) => {
      discardBody(answer);
      return { ETag: answer.headers.etag };
    },
  },
  ListObjectsV2: {
    method: 'GET',
    fields: {
      Prefix: '?prefix',
      EncodingType: '?encoding-type',
      ContinuationToken: '?continuation-token',
      StartAfter: '?start-after',
      MaxKeys: '?max-keys',
    },
    read: async (answer) => listingOf((await wholeOf(answer)).toString('utf8')),
  },
  SendMessageBatch: { method: 'POST', read: readJson },
  ReceiveMessage: { method: 'POST', read: readJson },
  DeleteMessageBatch: { method: 'POST', read: readJson },
  ChangeMessageVisibilityBatch: { method: 'POST', read: readJson },
};

interface Hot {
  readonly method: string;
  /** S3: inputs and their header, or `?` and their query parameter. SQS: the input itself is the body. */
  readonly fields?: Readonly<Record<string, string>>;
  /** The output; null if the answer isn't understood: then the SDK reads it. May throw as a broken body does. */
  readonly read: (answer: Answer) => Promise<object | null>;
}

/** Inputs of every call to S3. */
const S3_FIELDS: Readonly<Record<string, string>> = {
  ExpectedBucketOwner: 'x-amz-expected-bucket-owner',
  RequestPayer: 'x-amz-request-payer',
};
/** Bytes from which the SDK asks before it sends a body (`Expect: 100-continue`). */
const EXPECT_CONTINUE_BYTES = 2 * 1024 * 1024;

type Input = Readonly<Record<string, unknown>>;
type Headers = Record<string, string>;

/** The SDK's answer, as far as it is used here. */
interface Answer {
  readonly statusCode: number;
  readonly headers: Readonly<Headers>;
  body: IncomingMessage | Buffer;
}

/** An SDK command, as far as all are alike. */
interface Command {
  readonly input: object;
  /** Its kind is the third entry. */
  readonly schema?: unknown;
  readonly middlewareStack: {
    add(middleware: (next: Next, context: object) => Next, at: object): void;
    identify(): readonly string[];
  };
}
type Next = (args: { request?: unknown }) => Promise<{ response: unknown; output: unknown }>;
type Options = { readonly abortSignal?: AbortSignal } | undefined;
type Send = (command: Command, options?: Options) => Promise<unknown>;

/** An S3 or SQS client of the SDK, as far as both are alike. */
interface Client {
  send: Send;
  readonly config: {
    readonly requestHandler: Pick<RoutedHandler, 'handle'>;
    credentials(): Promise<Credentials>;
    region(): Promise<string>;
    maxAttempts(): Promise<number>;
    /** Milliseconds to add to this machine's clock, by the services' answers. */
    readonly systemClockOffset: number;
  };
}

/** Headers that commands have beyond their input. */
const extraHeaders = new WeakMap<object, Headers>();

/** Sends a client's hot calls without the SDK's request path. */
export function withHotCalls<C>(client: C): C {
  // Both clients have these members.
  const it = client as Client;
  const send: Send = it.send.bind(it);
  const templates = new Map<string, Template | null>();

  it.send = (command, options) => {
    const kind = kindOf(command);
    const hot = HOT[kind];
    if (hot === undefined || !canSendHot(command, hot)) return send(command, options);
    const { Bucket, QueueUrl } = command.input as Input;
    const name = `${kind} ${Bucket ?? QueueUrl}`;
    const template = templates.get(name);
    if (template === undefined)
      observe(command, async (built) => templates.set(name, await templateOf(it, built, hot)));
    return template ? sendHot(it, send, command, options, hot, template) : send(command, options);
  };
  return client;
}

/** Shows a request as the SDK has built it, before it is signed, with what the SDK decided about its signature. */
function observe(command: Command, look: (built: Built) => Promise<unknown>): void {
  command.middlewareStack.add(
    (next, context) => async (args) => {
      await look({ ...(args.request as Omit<Built, 'input' | 'context'>), input: command.input as Input, context });
      return await next(args);
    },
    { step: 'build', priority: 'low', name: 'observe' },
  );
}

/** Adds a header to the request of an SDK command, whichever path it takes. */
export function addHeader(sdkCommand: object, name: string, value: string): void {
  const command = sdkCommand as Command;
  extraHeaders.set(command, { ...extraHeaders.get(command), [name]: value });
  command.middlewareStack.add(
    (next) => (args) => {
      Object.assign((args.request as { headers: Headers }).headers, { [name]: value });
      return next(args);
    },
    { step: 'build', name: `add ${name}` },
  );
}

/** One call; if it doesn't succeed at once, the SDK's `send` goes on from there. */
async function sendHot(
  { config }: Client,
  send: Send,
  command: Command,
  options: Options,
  hot: Hot,
  template: Template,
): Promise<unknown> {
  let first: () => { response: unknown };
  try {
    const credentials = await config.credentials();
    const now = Date.now() + config.systemClockOffset;
    const request = requestOf(template, hot, command, credentials, now);
    const { response } = await config.requestHandler.handle(request, options ?? {});
    const answer = response as unknown as Answer;
    if (answer.statusCode >= 200 && answer.statusCode < 300) {
      const output = await hot.read(answer);
      if (output !== null) return output;
    }
    first = () => ({ response });
  } catch (error) {
    first = () => {
      throw error;
    };
  }
  let isFirst = true;
  command.middlewareStack.add(
    (next) => async (args) => {
      if (!isFirst) return await next(args);
      isFirst = false;
      return { ...first(), output: undefined };
    },
    // Next to the handler: all that reads and judges an answer is further out.
    { step: 'deserialize', priority: 'low', name: 'firstAttempt' },
  );
  return await send(command, options);
}

function kindOf({ schema }: Command): string {
  return Array.isArray(schema) ? String(schema[2]) : '';
}

/** Whether the command has nothing that only the SDK's path knows. */
function canSendHot(command: Command, { fields }: Hot): boolean {
  if (command.middlewareStack.identify().length > (extraHeaders.has(command) ? 1 : 0)) return false;
  if (fields === undefined) return true;
  const input = command.input as Input;
  for (const name in input) {
    if (input[name] === undefined || name in fields || name in S3_FIELDS) continue;
    if (name === 'Bucket' || name === 'Key' || name === 'Metadata' || name === 'ContentLength') continue;
    if (name === 'Body' && input.Body instanceof Uint8Array && input.Body.length < EXPECT_CONTINUE_BYTES) continue;
    return false;
  }
  return true;
}

interface Template {
  readonly at: { readonly protocol: string; readonly hostname: string; readonly port?: number };
  /** The path without the key. */
  readonly path: string;
  readonly query: Headers;
  /** Signed headers, and those that aren't. */
  readonly headers: Readonly<Headers>;
  readonly unsigned: Readonly<Headers>;
  readonly region: string;
  readonly service: string;
}

interface Built {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number | undefined;
  readonly path: string;
  readonly query?: Headers;
  readonly headers: Headers;
  readonly input: Input;
  readonly context: object;
}

const UNSIGNED = /^(user-agent|x-amz-user-agent|amz-sdk-.*|x-amzn-trace-id)$/;
const PER_REQUEST = /^(content-length|x-amz-meta-.*|x-amz-checksum-.*)$/;

/** Null: the SDK signs it in another way (S3 Express, access points of several regions), or has sent something else. */
async function templateOf({ config }: Client, built: Built, { fields }: Hot): Promise<Template | null> {
  const { protocol, hostname, port, input } = built;
  const signing = signingOf(built.context);
  const key = typeof input.Key === 'string' ? encodedKey(input.Key) : '';
  if (signing === null || !built.path.endsWith(key)) return null;
  const path = built.path.slice(0, built.path.length - key.length);
  // All services but S3 sign the path encoded once more.
  if (fields === undefined && !/^[\w/.~-]*$/.test(path)) return null;
  const ofInput = new Set([...Object.values({ ...fields }), ...Object.values(S3_FIELDS)]);
  const headers: Headers = {};
  const unsigned: Headers = {};
  for (const [name, value] of Object.entries(built.headers)) {
    const small = name.toLowerCase();
    if (UNSIGNED.test(small)) unsigned[small] = value;
    else if (!PER_REQUEST.test(small) && !ofInput.has(small)) headers[small] = value;
  }
  return {
    at: { protocol, hostname, ...(port !== undefined && { port }) },
    path,
    query: Object.fromEntries(Object.entries({ ...built.query }).filter(([name]) => !ofInput.has(`?${name}`))),
    headers: { host: port === undefined ? hostname : `${hostname}:${port}`, ...headers },
    unsigned: { ...unsigned, 'amz-sdk-request': `attempt=1; max=${await config.maxAttempts()}` },
    region: signing.region ?? (await config.region()),
    service: fields === undefined ? 'sqs' : 's3',
  };
}

/** The region for which the SDK signs, from its context; null if it doesn't use plain Signature Version 4. */
function signingOf(context: object): { readonly region: string | undefined } | null {
  const { endpointV2, __smithy_context: smithy } = context as {
    endpointV2?: { properties?: { authSchemes?: { name: string; signingRegion?: string }[]; backend?: unknown } };
    __smithy_context?: {
      selectedHttpAuthScheme?: { httpAuthOption?: { schemeId?: string; signingProperties?: { region?: string } } };
    };
  };
  const [ofEndpoint = null] = endpointV2?.properties?.authSchemes ?? [];
  const option = smithy?.selectedHttpAuthScheme?.httpAuthOption;
  if (option?.schemeId !== 'aws.auth#sigv4' || endpointV2?.properties?.backend !== undefined) return null;
  if (ofEndpoint !== null && ofEndpoint.name !== 'sigv4') return null;
  return { region: ofEndpoint?.signingRegion ?? option.signingProperties?.region };
}

/** The URL of a key, for a HEAD of it: host-style or path-style, with the SDK's partition and endpoint. */
export async function urlOf(client: object, sdkCommand: object): Promise<URL> {
  const head = sdkCommand as Command;
  let url: URL | null = null;
  // The request is built up to this point, but not sent.
  head.middlewareStack.add(
    () => async (args) => {
      const { protocol, hostname, port, path } = args.request as Built;
      url = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`);
      return { response: undefined, output: { $metadata: {} } };
    },
    { step: 'build', priority: 'low', name: 'urlOf' },
  );
  await (client as Client).send(head);
  if (url === null) throw new TypeError('the SDK made no request');
  return url;
}

const EMPTY_HASH = createHash('sha256').update('').digest('hex');

function requestOf(
  template: Template,
  hot: Hot,
  command: Command,
  credentials: Credentials,
  now: number,
): Parameters<RoutedHandler['handle']>[0] {
  const { fields } = hot;
  const input = command.input as Input;
  const headers: Headers = { ...template.headers, ...extraHeaders.get(command) };
  const query: Headers = { ...template.query };
  let body: Uint8Array | undefined;
  let { path } = template;
  if (fields === undefined) body = Buffer.from(JSON.stringify(input));
  else {
    for (const name in input) {
      const value = input[name];
      if (value === undefined) continue;
      const place = fields[name] ?? S3_FIELDS[name];
      if (place !== undefined) {
        if (place.startsWith('?')) query[place.slice(1)] = String(value);
        else headers[place] = String(value);
      } else if (name === 'Key') path += encodedKey(String(value));
      else if (name === 'Body') body = value as Uint8Array;
      else if (name === 'Metadata') {
        for (const [key, text] of Object.entries(value as Headers)) headers[`x-amz-meta-${key.toLowerCase()}`] = text;
      }
    }
  }
  const time = signingTime(now);
  headers['x-amz-date'] = time;
  headers['x-amz-content-sha256'] = body === undefined ? EMPTY_HASH : createHash('sha256').update(body).digest('hex');
  if (credentials.sessionToken !== undefined) headers['x-amz-security-token'] = credentials.sessionToken;
  const asked = canonicalQuery(query);
  const { method } = hot;
  headers.authorization = authorization({ ...template, method, path, query: asked, headers, credentials, time });
  if (body !== undefined) headers['content-length'] = String(body.length);
  Object.assign(headers, template.unsigned);
  headers['amz-sdk-invocation-id'] = randomUUID();
  return {
    ...template.at,
    method,
    path: asked === '' ? path : `${path}?${asked}`,
    query: {},
    headers,
    body,
    clone() {
      return this;
    },
  };
}

const encodedKey = (key: string): string => key.split('/').map(encodeRfc3986).join('/');

const nothing = (): void => undefined;

/** Frees the connection of an answer without a body. */
function discardBody({ body }: Answer): undefined {
  if (body instanceof Readable) body.on('error', nothing).resume();
}

/** The whole body, which stays in the answer: the SDK may have to read it again. */
async function wholeOf(answer: Answer): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer.body as IncomingMessage) chunks.push(chunk);
  const [only] = chunks;
  const whole = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
  answer.body = whole;
  return whole;
}

async function readJson(answer: Answer): Promise<object | null> {
  const text = (await wholeOf(answer)).toString('utf8');
  if (text === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

const META = 'x-amz-meta-';

function objectOf({ headers }: Answer, Body: unknown): object {
  const Metadata: Headers = {};
  for (const name in headers) if (name.startsWith(META)) Metadata[name.slice(META.length)] = headers[name] ?? '';
  const length = headers['content-length'];
  const modified = Date.parse(headers['last-modified'] ?? '');
  return {
    Body,
    Metadata,
    ContentLength: length === undefined ? undefined : Number(length),
    ContentRange: headers['content-range'],
    ETag: headers.etag,
    LastModified: Number.isNaN(modified) ? undefined : new Date(modified),
    ChecksumCRC32: headers['x-amz-checksum-crc32'],
    ChecksumSHA256: headers['x-amz-checksum-sha256'],
    SSEKMSKeyId: headers['x-amz-server-side-encryption-aws-kms-key-id'],
    VersionId: headers['x-amz-version-id'],
    StorageClass: headers['x-amz-storage-class'],
    ArchiveStatus: headers['x-amz-archive-status'],
    Restore: headers['x-amz-restore'],
  };
}

/** The output of ListObjectsV2; null if it isn't the usual XML. */
function listingOf(xml: string): object | null {
  const begin = xml.indexOf('<Contents>');
  const [head, entries] = begin === -1 ? [xml, ''] : [xml.slice(0, begin), xml.slice(begin)];
  const Contents = entries.split('<Contents>').slice(1).map(entryOf);
  if (!head.includes('<ListBucketResult') || Contents.includes(null)) return null;
  // Some servers name the token after the entries.
  const last = entries.lastIndexOf('</Contents>');
  const facts = head + (last === -1 ? '' : entries.slice(last));
  return {
    Contents,
    KeyCount: Contents.length,
    IsTruncated: textOf(facts, 'IsTruncated') === 'true',
    NextContinuationToken: textOf(facts, 'NextContinuationToken') ?? undefined,
  };
}

function entryOf(xml: string): object | null {
  const [Key, Size, modified] = [textOf(xml, 'Key'), textOf(xml, 'Size'), textOf(xml, 'LastModified')];
  if (Key === null || Size === null || modified === null) return null;
  return { Key, Size: Number(Size), ETag: textOf(xml, 'ETag') ?? undefined, LastModified: new Date(modified) };
}

/** The text of the first element of this name; null if there is none. */
function textOf(xml: string, name: string): string | null {
  const begin = xml.indexOf(`<${name}>`);
  if (begin === -1) return null;
  const from = begin + name.length + 2;
  const end = xml.indexOf('<', from);
  return unescapeXml(xml.slice(from, end));
}
