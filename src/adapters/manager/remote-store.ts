import type { IncomingMessage } from 'node:http';
import { BatchctlError } from '../../errors.ts';
import { API } from '../../model/api.ts';
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
import { answeredError } from './answered-error.ts';
import type { ManagerConnection } from './connection.ts';
import { askElsewhere } from './elsewhere.ts';
import { infoIn, unquoted } from './object-headers.ts';
import { bytesSource, fileSource, upload } from './remote-upload.ts';

/** What the manager's store holds, as far as its callers may read it; raw data and code can be put. Nothing is deleted by it. */
export class RemoteStore implements ObjectStore {
  readonly location: string;
  readonly #connection: ManagerConnection;

  constructor(connection: ManagerConnection) {
    this.#connection = connection;
    this.location = connection.url.href.replace(/\/$/, '');
  }

  async head(key: string): Promise<ObjectInfo | null> {
    const answer = await this.#connection.ask({ ...object('HEAD', key), also: [404], again: true });
    answer.resume();
    return answer.statusCode === 404 ? null : infoIn(key, answer.headers);
  }

  async get(key: string, { range, etag, signal }: ReadOptions = {}): Promise<ObjectStream | null> {
    const headers: Record<string, string> = {};
    if (range !== undefined) headers.range = `bytes=${range.offset}-${range.offset + range.length - 1}`;
    if (etag !== undefined) headers['if-match'] = `"${unquoted(etag)}"`;
    const asked = { ...object('GET', key), headers, also: MEANT, again: true, signal };
    const answer = await this.#connection.ask(asked);
    if (answer.statusCode !== 307) return this.#stream(key, answer, etag);
    answer.resume();
    // Signed for this object alone: the token stays here.
    const url = new URL(answer.headers.location ?? '', this.#connection.url);
    return this.#stream(key, await askElsewhere({ method: 'GET', url, headers, also: MEANT, signal }), etag);
  }

  async read(key: string, options: ReadOptions = {}): Promise<Uint8Array | null> {
    if (options.range?.length === 0) return (await this.head(key)) === null ? null : new Uint8Array();
    for (let left = TRIES; ; left -= 1) {
      const found = await this.get(key, options);
      if (found === null) return null;
      try {
        const chunks: Uint8Array[] = [];
        for await (const chunk of found.body) chunks.push(chunk as Uint8Array);
        return Buffer.concat(chunks);
      } catch (error) {
        // It broke off: a small object is read again.
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

  /** Nothing: the manager took only bytes with the checksum that they were put with, so there is nothing to take back. */
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
        hint: 'it was written again since',
      });
    }
    // A range behind the end of an object holds nothing.
    if (statusCode !== 200 && statusCode !== 206 && statusCode !== 416) {
      throw await answeredError(answer, this.#connection.url);
    }
    return { info: infoIn(key, answer.headers), body: answer };
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

/** Tries of reading a small object that breaks off. */
const TRIES = 3;
/** Statuses that mean something here. */
const MEANT = [307, 404, 412, 416];

const object = (method: 'GET' | 'HEAD', key: string) => ({
  ...{ method, path: `${API}/objects?${new URLSearchParams({ key })}` },
});

const before = (a: string, b: string): boolean => Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;

/** A text before `key` behind which next to nothing else comes before it: pages begin after a key, listings at one. */
function justBefore(key: string): string {
  const characters = [...key];
  const last = characters.pop()?.codePointAt(0) ?? 0;
  const head = characters.join('');
  return last <= 0x20 || last > 0x7e ? head : `${head}${String.fromCodePoint(last - 1)}\u{10fffd}`;
}
