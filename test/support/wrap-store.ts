import type { ObjectStore } from '../../src/ports/object-store.ts';

/** A store with some of its methods replaced: for faults in the very moment that a test is about. */
export function wrapStore(store: ObjectStore, over: Partial<ObjectStore>): ObjectStore {
  return {
    location: store.location,
    put: (key, body, options) => store.put(key, body, options),
    delete: (keys) => store.delete(keys),
    read: (key, options) => store.read(key, options),
    get: (key, options) => store.get(key, options),
    head: (key) => store.head(key),
    list: (prefix, options) => store.list(prefix, options),
    keys: (prefix, options) => store.keys(prefix, options),
    copy: (from, to, options) => store.copy(from, to, options),
    presign: (key, method, seconds) => store.presign(key, method, seconds),
    uploadFile: (path, key, options) => store.uploadFile(path, key, options),
    ...over,
  };
}
