import { setTimeout } from 'node:timers/promises';
import type { ObjectStore } from '../../ports/object-store.ts';

/** A store each of whose reads and writes takes `milliseconds` longer; `happened` is told of each. */
export function slowStore(store: ObjectStore, milliseconds: number, happened: () => void): ObjectStore {
  const late = async <T>(work: () => Promise<T>): Promise<T> => {
    happened();
    await setTimeout(milliseconds);
    return work();
  };
  return {
    location: store.location,
    put: (key, body, options) => late(() => store.put(key, body, options)),
    delete: (keys) => late(() => store.delete(keys)),
    read: (key, options) => late(() => store.read(key, options)),
    get: (key, options) => late(() => store.get(key, options)),
    head: (key) => late(() => store.head(key)),
    list: (prefix, options) => store.list(prefix, options),
    keys: (prefix, options) => store.keys(prefix, options),
    copy: (from, to, options) => late(() => store.copy(from, to, options)),
    presign: (key, method, seconds) => store.presign(key, method, seconds),
    uploadFile: (path, key, options) => late(() => store.uploadFile(path, key, options)),
  };
}
