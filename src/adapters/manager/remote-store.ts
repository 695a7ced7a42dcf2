import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { BatchctlError } from '../../errors.ts';
import { eachParallel } from '../../lib/parallel.ts';
import { proxyAgent } from '../../lib/proxy.ts';
import { jitter, wait } from '../../lib/wait.ts';
import {
  API,
  type CompletionAsked,
  type PartsAsked,
  type PartUrls,
  type UploadAsked,
  type UploadWay,
} from '../../model/api.ts';
import { CODE_PREFIX } from '../../model/keys.ts';
import type {
  ListOptions,
  ObjectEntry,
  ObjectInfo,
  ObjectStore,
  ObjectStream,
  PutOptions,
  PutResult,
  ReadOptions,
  UploadOptions,
} from '../../ports/object-store.ts';
import { type Call, FIRST_PAUSE, isAccepted, type ManagerConnection, sendBody, TRIES } from './connection.ts';
import { ManagerUnavailableError, readErrorAnswer } from './manager-errors.ts';

/** The manager's store, as far as its callers may read it. Raw data and code can be put; nothing can be deleted. */
export class RemoteStore implements ObjectStore {
  readonly location: string;
  readonly #connection: ManagerConnection;

  constructor(connection: ManagerConnection) {
    this.#connection = connection;
    this.location = connection.url.href.replace(/\/$/, '');
  }

  async head(key: string): Promise<ObjectInfo | null> {
    const answer = await this.#connection.request({ ...objectCall('HEAD', key), also: [404], again: true });
    answer.resume();
    return answer.statusCode === 404 ? null : infoFromHeaders(key, answer.headers);
  }

  async get(key: string, { range, etag, signal }: ReadOptions = {}): Promise<ObjectStream | null> {
    const headers: Record<string, string> = {};
    if (range !== undefined) headers.range = `bytes=${range.offset}-${range.offset + range.length - 1}`;
    if (etag !== undefined) headers['if-match'] = `"${unquoted(etag)}"`;
    const asked = { ...objectCall('GET', key), headers, also: EXPECTED_STATUSES, again: true, signal };
    const answer = await this.#connection.request(asked);
    if (answer.statusCode !== 307) return this.#stream(key, answer, etag);
    answer.resume();
    // Signed for this object alone: the token isn't sent there.
    const url = new URL(answer.headers.location ?? '', this.#connection.url);
    return this.#stream(
      key,
      await requestSigned({ method: 'GET', url, headers, also: EXPECTED_STATUSES, signal }),
      etag,
    );
  }

  async read(key: string, options: ReadOptions = {}): Promise<Uint8Array | null> {
    if (options.range?.length === 0) return (await this.head(key)) === null ? null : new Uint8Array();
    for (let left = READ_TRIES; ; left -= 1) {
      const found = await this.get(key, options);
      if (found === null) return null;
      try {
        return await buffer(found.body);
      } catch (error) {
        // The body broke off: a small object is read again.
        if (left === 0 || options.signal?.aborted === true) throw error;
      }
    }
  }

  async *list(prefix: string, { from, to, signal }: ListOptions = {}): AsyncGenerator<ObjectEntry> {
    let after = from === undefined || from <= prefix ? null : justBefore(from);
    for (;;) {
      const page = await this.#page(prefix, after, signal);
      for (const entry of page.items) {
        if (from !== undefined && before(entry.key, from)) continue;
        if (to !== undefined && !before(entry.key, to)) return;
        yield { ...entry, modified: Date.parse(entry.modified) };
      }
      if (page.next === null) return;
      after = page.next;
    }
  }

  async *keys(prefix: string, options: ListOptions = {}): AsyncGenerator<string> {
    for await (const { key } of this.list(prefix, options)) yield key;
  }

  put(key: string, body: Uint8Array | string, options: PutOptions = {}): Promise<PutResult> {
    return upload(
      this.#connection,
      key,
      bytesSource(key, typeof body === 'string' ? Buffer.from(body) : body),
      options,
    );
  }

  uploadFile(path: string, key: string, options: UploadOptions = {}): Promise<PutResult> {
    return upload(this.#connection, key, fileSource(path, options), options);
  }

  /** Nothing to do: the manager accepts only bytes that match their checksum, so there is nothing to take back. */
  async delete(): Promise<void> {}

  copy(from: string): Promise<PutResult> {
    return Promise.reject(new BatchctlError('refused', `${from} can't be copied through a manager`));
  }

  async presign(): Promise<string | null> {
    return null;
  }

  async #stream(key: string, answer: IncomingMessage, etag: string | undefined): Promise<ObjectStream | null> {
    const { statusCode } = answer;
    if (statusCode === 404) {
      answer.resume();
      return null;
    }
    if (statusCode === 412) {
      answer.resume();
      throw new BatchctlError('changed', `expected version ${etag} of ${key}, found another`, {
        hint: 'it was overwritten',
      });
    }
    // A range after the end of an object is empty.
    if (statusCode !== 200 && statusCode !== 206 && statusCode !== 416) {
      throw await readErrorAnswer(answer, this.#connection.url);
    }
    return { info: infoFromHeaders(key, answer.headers), body: answer };
  }

  async #page(prefix: string, after: string | null, signal: AbortSignal | undefined): Promise<Page> {
    const query = new URLSearchParams({ prefix, ...(after !== null && { after }) });
    const path = `${API}/objects/list?${query}`;
    return (await this.#connection.json({ method: 'GET', path, again: true, signal })) as Page;
  }
}

interface Page {
  readonly items: readonly (Omit<ObjectEntry, 'modified'> & { readonly modified: string })[];
  readonly next: string | null;
}

/** Tries of reading a small object when its body breaks off. */
const READ_TRIES = 3;
const EXPECTED_STATUSES = [307, 404, 412, 416];

const objectCall = (method: 'GET' | 'HEAD', key: string) => ({
  method,
  path: `${API}/objects?${new URLSearchParams({ key })}`,
});

const before = (a: string, b: string): boolean => Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;

/** A text just before `key`, with almost no other key in between: pages begin after a key, listings at one. */
function justBefore(key: string): string {
  const characters = [...key];
  const last = characters.pop()?.codePointAt(0) ?? 0;
  const head = characters.join('');
  return last <= 0x20 || last > 0x7e ? head : `${head}${String.fromCodePoint(last - 1)}\u{10fffd}`;
}

/** Bytes that can be read repeatedly, whole or in slices. */
interface UploadSource {
  size(): Promise<number>;
  /** `undefined` if the object's own metadata has it. */
  sha256(): Promise<string>;
  slice(offset: number, length: number): Readable;
}

interface TransferOptions {
  readonly signal: AbortSignal | undefined;
  readonly onProgress: UploadOptions['onProgress'] | undefined;
}

/** Parts in flight, and parts signed at once: URLs are valid for minutes. */
const PARALLEL = 4;
const PARTS_PER_SIGNING = 20;

/** Uploads raw data or code as the manager decides: to the store by signed URLs, or through the manager. */
async function upload(
  connection: ManagerConnection,
  key: string,
  source: UploadSource,
  { ifAbsent = false, signal, onProgress }: PutOptions & Pick<UploadOptions, 'signal' | 'onProgress'>,
): Promise<PutResult> {
  const [size, sha256] = [await source.size(), await source.sha256()];
  const asked: UploadAsked = { key, size, sha256, ifAbsent };
  const way = (await postJson(connection, '/uploads', asked, signal)) as UploadWay;
  const put = await byWay(way);
  onProgress?.(size);
  return put;

  function byWay(chosen: UploadWay): PutResult | Promise<PutResult> {
    switch (chosen.way) {
      case 'present':
        return { created: false, etag: chosen.etag };
      case 'put':
        return putWhole(connection, chosen, source, { size, signal });
      case 'parts':
        return putParts(connection, asked, chosen, source, { signal, onProgress });
      default:
        throw new BatchctlError('newer', `this version can't upload ${key} in the way that the manager requires`);
    }
  }
}

async function putWhole(
  connection: ManagerConnection,
  way: Extract<UploadWay, { way: 'put' }>,
  source: UploadSource,
  { size, signal }: { readonly size: number; readonly signal: AbortSignal | undefined },
): Promise<PutResult> {
  const headers = { ...way.headers, 'content-length': String(size) };
  const body = (): Readable => source.slice(0, size);
  if (way.token) {
    // Relative to the manager's address, which may have a path of its own.
    const call = { method: 'PUT', path: way.url, body, again: true, signal } as const;
    return (await connection.json({ ...call, headers: { ...OCTETS, ...headers } })) as PutResult;
  }
  // 412: another object has the key.
  const answer = await requestSigned({ method: 'PUT', url: new URL(way.url), headers, body, also: [412], signal });
  answer.resume();
  return { created: answer.statusCode !== 412, etag: etagOf(answer) };
}

async function putParts(
  connection: ManagerConnection,
  { key, size, ifAbsent = false }: UploadAsked,
  { upload: id, partSize }: Extract<UploadWay, { way: 'parts' }>,
  source: UploadSource,
  { signal, onProgress }: TransferOptions,
): Promise<PutResult> {
  const count = Math.ceil(size / partSize);
  const done: { number: number; etag: string; sha256: string }[] = [];
  let uploaded = 0;
  try {
    for (let first = 1; first <= count; first += PARTS_PER_SIGNING) {
      const numbers = Array.from({ length: Math.min(PARTS_PER_SIGNING, count - first + 1) }, (_, at) => first + at);
      const parts = await Promise.all(
        numbers.map(async (number) => {
          const offset = (number - 1) * partSize;
          const length = Math.min(partSize, size - offset);
          return { number, offset, size: length, sha256: await hashOf(source.slice(offset, length)) };
        }),
      );
      const unsigned: PartsAsked = { key, upload: id, parts: parts.map(({ offset: _, ...part }) => part) };
      const { items } = (await postJson(connection, '/uploads/parts', unsigned, signal)) as PartUrls;
      const signed = new Map(items.map((item) => [item.number, item]));
      const putPart = async (part: (typeof parts)[number], ends: AbortSignal): Promise<void> => {
        const { url, headers } = signed.get(part.number) ?? { url: '', headers: {} };
        const answer = await requestSigned({
          method: 'PUT',
          url: new URL(url),
          headers: { ...headers, 'content-length': String(part.size) },
          body: () => source.slice(part.offset, part.size),
          signal: ends,
        });
        answer.resume();
        done.push({ number: part.number, etag: etagOf(answer), sha256: part.sha256 });
        uploaded += part.size;
        onProgress?.(uploaded);
      };
      await eachParallel(parts, PARALLEL, putPart, signal);
    }
    done.sort((a, b) => a.number - b.number);
    const completed: CompletionAsked = { key, upload: id, size, ifAbsent, parts: done };
    return (await postJson(connection, '/uploads/completions', completed, signal)) as PutResult;
  } catch (error) {
    const path = `${API}/uploads?${new URLSearchParams({ key, upload: id })}`;
    // The leftovers are removed after a week; the first error is the one to report.
    await connection.json({ method: 'DELETE', path, again: true }).catch(() => undefined);
    throw error;
  }
}

/** Makes calls that may be repeated: a second upload is removed after a week, a second completion recognized. */
function postJson(connection: ManagerConnection, path: string, body: unknown, signal?: AbortSignal): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  const text = JSON.stringify(body);
  return connection.json({ method: 'POST', path: `${API}${path}`, headers, body: () => text, again: true, signal });
}

const OCTETS = { 'content-type': 'application/octet-stream' };

const etagOf = ({ headers }: IncomingMessage): string => unquoted(headers.etag ?? '');

async function hashOf(stream: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

/** Bytes in memory. Code is identified by the hash of its archive before compression, which is in its key. */
function bytesSource(key: string, bytes: Uint8Array): UploadSource {
  const named = new RegExp(`^${CODE_PREFIX}([0-9a-f]{64})[.]tar[.]gz$`).exec(key)?.[1];
  return {
    size: async () => bytes.length,
    sha256: async () => named ?? createHash('sha256').update(bytes).digest('hex'),
    slice: (offset, length) => Readable.from([Buffer.from(bytes.subarray(offset, offset + length))]),
  };
}

/** A file, with the checksum from its metadata: that saves one read. */
function fileSource(path: string, { metadata = {} }: Pick<UploadOptions, 'metadata'>): UploadSource {
  const slice = (offset: number, length: number): Readable =>
    length === 0 ? Readable.from([]) : createReadStream(path, { start: offset, end: offset + length - 1 });
  const size = async (): Promise<number> => (await stat(path)).size;
  return { size, slice, sha256: async () => metadata.sha256 ?? hashOf(slice(0, await size())) };
}

interface SignedCall extends Pick<Call, 'headers' | 'also' | 'signal'> {
  readonly method: 'GET' | 'PUT';
  /** Signed by the manager: it needs no token, and none is sent. */
  readonly url: URL;
  /** Created anew for each try. */
  readonly body?: () => Readable | Uint8Array;
}

/** Milliseconds without a byte. */
const SILENCE = 60_000;

/** Sends a request to the store by a URL that the manager signed; retries while it is busy. Throws `ManagerUnavailableError`. */
async function requestSigned(call: SignedCall): Promise<IncomingMessage> {
  for (let pause = FIRST_PAUSE, left = TRIES; ; pause *= 2) {
    left -= 1;
    try {
      const answer = await send(call);
      if (isAccepted(answer, call)) return answer;
      answer.resume();
      const { statusCode: status = 0 } = answer;
      const hint = "try again; if this persists, check the manager's clock";
      if (status < 500 || left === 0)
        throw new ManagerUnavailableError(`${call.url.host} answered ${status}`, { begun: true, hint });
    } catch (error) {
      call.signal?.throwIfAborted();
      if (left === 0 || error instanceof ManagerUnavailableError) throw error;
    }
    await wait(jitter(pause), call.signal);
    call.signal?.throwIfAborted();
  }
}

function send({ method, url, headers = {}, body, signal }: SignedCall): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const by = url.protocol === 'http:' ? httpRequest : httpsRequest;
    const agent = proxyAgent(url);
    const asked = by(url, { method, headers, ...(signal && { signal }), ...(agent && { agent }) }, resolve);
    asked.setTimeout(SILENCE, () => asked.destroy(new Error('no byte for a minute')));
    asked.once('error', (cause) => {
      if (signal?.aborted === true) return reject(signal.reason as Error);
      // Not yet a `ManagerUnavailableError`: it is retried.
      return reject(new Error(`${url.host} can't be reached: ${cause.message}`, { cause }));
    });
    sendBody(asked, body?.());
  });
}

/** Prefix of the headers that hold metadata, as in S3. */
const META_PREFIX = 'x-amz-meta-';

const unquoted = (etag: string): string => etag.replace(/^(W\/)?"|"$/g, '');

/** An object's facts from the headers of an answer, also of an answer to a range request. */
function infoFromHeaders(key: string, headers: IncomingHttpHeaders): ObjectInfo {
  const whole = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1] ?? headers['content-length'] ?? '0';
  const modified = String(headers['x-batchctl-modified'] ?? headers['last-modified'] ?? '');
  const metadata = Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith(META_PREFIX) ? [[name.slice(META_PREFIX.length), String(value)] as const] : [],
  );
  return {
    key,
    size: Number(whole),
    etag: unquoted(headers.etag ?? ''),
    modified: Date.parse(modified),
    metadata: Object.fromEntries(metadata),
  };
}
