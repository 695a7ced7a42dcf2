import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ListOptions, ObjectStore } from '../../src/ports/object-store.ts';

/** What an adapter provides for each test: an empty store, and its removal. */
export interface StoreUnderTest {
  readonly store: ObjectStore;
  /** The same store as another process would open it. */
  reopen(): Promise<ObjectStore>;
  close(): Promise<void>;
}

/** One test's store and a directory for files, with helpers that the suites need to inspect them. */
export class StoreBench {
  #made: StoreUnderTest | null = null;
  #scratch = '';

  async open(factory: () => Promise<StoreUnderTest>): Promise<void> {
    this.#made = await factory();
    this.#scratch = mkdtempSync(join(tmpdir(), 'batchctl-contract-'));
  }

  async close(): Promise<void> {
    rmSync(this.#scratch, { recursive: true, force: true });
    await this.#made?.close();
    this.#made = null;
  }

  get store(): ObjectStore {
    return this.#current.store;
  }

  get scratch(): string {
    return this.#scratch;
  }

  reopen(): Promise<ObjectStore> {
    return this.#current.reopen();
  }

  async text(key: string): Promise<string | null> {
    const bytes = await this.store.read(key);
    return bytes === null ? null : Buffer.from(bytes).toString('utf8');
  }

  async keys(prefix: string, options?: ListOptions): Promise<string[]> {
    const found: string[] = [];
    for await (const entry of this.store.list(prefix, options)) found.push(entry.key);
    const alone: string[] = [];
    for await (const key of this.store.keys(prefix, options)) alone.push(key);
    expect(alone, 'keys() lists what list() does').to.deep.equal(found);
    return found;
  }

  /** Creates a file with this content. */
  fileOf(content: string | Uint8Array): string {
    const path = join(this.#scratch, 'source');
    writeFileSync(path, content);
    return path;
  }

  get #current(): StoreUnderTest {
    if (this.#made === null) throw new Error('the store of this test is not open');
    return this.#made;
  }
}

/** Sorts by UTF-8 bytes, which is not the order of JavaScript's strings. */
export function inByteOrder(keys: readonly string[]): string[] {
  return [...keys].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
}
