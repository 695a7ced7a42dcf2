import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { BatchctlError } from '../../errors.ts';
import { eachParallel } from '../../lib/each-parallel.ts';
import { API } from '../../model/api.ts';
import { CODE } from '../../model/keys.ts';
import type { CompletionAsked, PartsAsked, PartUrls, UploadAsked, UploadWay } from '../../model/uploads.ts';
import type { PutOptions, PutResult, UploadOptions } from '../../ports/object-store.ts';
import type { ManagerConnection } from './connection.ts';
import { askElsewhere } from './elsewhere.ts';
import { unquoted } from './object-headers.ts';

/** Bytes that can be read again, whole or in slices. */
export interface UploadSource {
  size(): Promise<number>;
  /** `undefined` for what the object's own metadata tells. */
  sha256(): Promise<string>;
  slice(offset: number, length: number): Readable;
}

interface Watched {
  readonly signal: AbortSignal | undefined;
  readonly onProgress: UploadOptions['onProgress'] | undefined;
}

/** Parts in flight, and parts that are signed at once: URLs hold for minutes. */
const PARALLEL = 4;
const SIGNED = 20;

/** Puts raw data or code as the manager says: to the store by signed URLs, or through it. */
export async function upload(
  connection: ManagerConnection,
  key: string,
  source: UploadSource,
  { ifAbsent = false, signal, onProgress }: PutOptions & Pick<UploadOptions, 'signal' | 'onProgress'>,
): Promise<PutResult> {
  const [size, sha256] = [await source.size(), await source.sha256()];
  const asked: UploadAsked = { key, size, sha256, ifAbsent };
  const way = (await post(connection, '/uploads', asked, signal)) as UploadWay;
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
        return putParts(connection, { key, size, ifAbsent, ...chosen }, source, { signal, onProgress });
      default:
        throw new BatchctlError('newer', `this version can't put ${key} the way that the manager wants`);
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
    // Below the manager's address, which may have a path of its own.
    const call = {
      method: 'PUT',
      path: way.url,
      headers: { ...OCTETS, ...headers },
      body,
      again: true,
      signal,
    } as const;
    return (await connection.json(call)) as PutResult;
  }
  // 412: another object holds the key.
  const answer = await askElsewhere({ method: 'PUT', url: new URL(way.url), headers, body, also: [412], signal });
  answer.resume();
  return { created: answer.statusCode !== 412, etag: etagOf(answer) };
}

interface Parts {
  readonly key: string;
  readonly size: number;
  readonly ifAbsent: boolean;
  readonly upload: string;
  readonly partSize: number;
}

async function putParts(
  connection: ManagerConnection,
  { key, size, ifAbsent, upload: id, partSize }: Parts,
  source: UploadSource,
  { signal, onProgress }: Watched,
): Promise<PutResult> {
  const count = Math.ceil(size / partSize);
  const done: { number: number; etag: string; sha256: string }[] = [];
  let safe = 0;
  try {
    for (let first = 1; first <= count; first += SIGNED) {
      const numbers = Array.from({ length: Math.min(SIGNED, count - first + 1) }, (_, at) => first + at);
      const parts = await Promise.all(
        numbers.map(async (number) => {
          const offset = (number - 1) * partSize;
          const length = Math.min(partSize, size - offset);
          return { number, offset, size: length, sha256: await hashOf(source.slice(offset, length)) };
        }),
      );
      const asked: PartsAsked = { key, upload: id, parts: parts.map(({ offset: _, ...part }) => part) };
      const { items } = (await post(connection, '/uploads/parts', asked, signal)) as PartUrls;
      const signed = new Map(items.map((item) => [item.number, item]));
      const one = async (part: (typeof parts)[number], ends: AbortSignal): Promise<void> => {
        const { url, headers } = signed.get(part.number) ?? { url: '', headers: {} };
        const answer = await askElsewhere({
          method: 'PUT',
          url: new URL(url),
          headers: { ...headers, 'content-length': String(part.size) },
          body: () => source.slice(part.offset, part.size),
          signal: ends,
        });
        answer.resume();
        done.push({ number: part.number, etag: etagOf(answer), sha256: part.sha256 });
        safe += part.size;
        onProgress?.(safe);
      };
      await eachParallel(parts, PARALLEL, one, signal);
    }
    const completed: CompletionAsked = {
      key,
      upload: id,
      size,
      ifAbsent,
      parts: done.sort((a, b) => a.number - b.number),
    };
    return (await post(connection, '/uploads/completions', completed, signal)) as PutResult;
  } catch (error) {
    const path = `${API}/uploads?${new URLSearchParams({ key, upload: id })}`;
    // What stays of it is removed after a week; the first error is the one to tell.
    await connection.json({ method: 'DELETE', path, again: true }).catch(() => undefined);
    throw error;
  }
}

/** These calls may be made twice: what is begun twice is removed after a week, and completing twice is told apart by the manager. */
function post(connection: ManagerConnection, path: string, body: unknown, signal?: AbortSignal): Promise<unknown> {
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

/** Bytes in memory. Code is known by the hash of its archive before compression, which its key says. */
export function bytesSource(key: string, bytes: Uint8Array): UploadSource {
  const named = new RegExp(`^${CODE}([0-9a-f]{64})[.]tar[.]gz$`).exec(key)?.[1];
  return {
    size: async () => bytes.length,
    sha256: async () => named ?? createHash('sha256').update(bytes).digest('hex'),
    slice: (offset, length) => Readable.from([Buffer.from(bytes.subarray(offset, offset + length))]),
  };
}

/** A file, with the checksum that its metadata is to tell: it is read once less. */
export function fileSource(path: string, { metadata = {} }: Pick<UploadOptions, 'metadata'>): UploadSource {
  const slice = (offset: number, length: number): Readable =>
    length === 0 ? Readable.from([]) : createReadStream(path, { start: offset, end: offset + length - 1 });
  const size = async (): Promise<number> => (await stat(path)).size;
  return { size, slice, sha256: async () => metadata.sha256 ?? hashOf(slice(0, await size())) };
}
