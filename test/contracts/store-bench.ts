import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import type { ListOptions, ObjectStore } from '../../src/ports/object-store.ts';
import { collect } from '../support/collect.ts';
import { readText } from '../support/read-text.ts';
import { Scratch } from '../support/scratch.ts';

/** An adapter's store for one test, empty at first. */
export interface StoreUnderTest {
  readonly store: ObjectStore;
  /** The same store as another process would open it. */
  reopen(): Promise<ObjectStore>;
  close(): Promise<void>;
}

/** A test's store and a directory for files, with helpers to inspect them. */
export class StoreBench {
  readonly scratch = new Scratch();
  readonly store: ObjectStore;
  readonly #opened: StoreUnderTest;

  constructor(opened: StoreUnderTest) {
    this.#opened = opened;
    this.store = opened.store;
  }

  async close(): Promise<void> {
    this.scratch.remove();
    await this.#opened.close();
  }

  reopen(): Promise<ObjectStore> {
    return this.#opened.reopen();
  }

  text(key: string): Promise<string | null> {
    return readText(this.store, key);
  }

  async keys(prefix: string, options?: ListOptions): Promise<string[]> {
    const listed = (await collect(this.store.list(prefix, options))).map(({ key }) => key);
    const keys = await collect(this.store.keys(prefix, options));
    expect(keys, 'keys() returns the keys that list() returns').to.deep.equal(listed);
    return listed;
  }

  /** Creates a file with this content. */
  fileOf(content: string | Uint8Array): string {
    const path = this.scratch.path('source');
    writeFileSync(path, content);
    return path;
  }
}

/** Sorts by UTF-8 bytes, which is not the order of JavaScript's strings. */
export function inByteOrder(keys: readonly string[]): string[] {
  return [...keys].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
}
