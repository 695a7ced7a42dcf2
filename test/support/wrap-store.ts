import type { ObjectEntry, ObjectStore } from '../../src/ports/object-store.ts';

/** A store with some methods replaced, to inject faults at an exact moment. */
export function wrapStore(store: ObjectStore, methods: Partial<ObjectStore>): ObjectStore {
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
    ...methods,
  };
}

type PutMatcher = (key: string, body: string) => boolean;

/** A store that calls `act` before the first put that `matches`. */
export function beforeFirstPut(store: ObjectStore, matches: PutMatcher, act: () => Promise<unknown>): ObjectStore {
  let hasActed = false;
  return wrapStore(store, {
    put: async (key, body, options) => {
      if (!hasActed && matches(key, String(body))) {
        hasActed = true;
        await act();
      }
      return store.put(key, body, options);
    },
  });
}

/** A store that calls `onPut` after each put. */
export function afterPuts(store: ObjectStore, onPut: (key: string, body: string) => unknown): ObjectStore {
  return wrapStore(store, {
    put: async (key, body, options) => {
      const result = await store.put(key, body, options);
      await onPut(key, String(body));
      return result;
    },
  });
}

/** A store whose objects look `ms` older, except those that `isNew`, and `clock`, by which a store tells the time. */
export function agedStore(
  store: ObjectStore,
  ms: number,
  isNew: (key: string, call: 'list' | 'head') => boolean = () => false,
): ObjectStore {
  const older = <T extends Pick<ObjectEntry, 'key' | 'modified'>>(entry: T, call: 'list' | 'head'): T =>
    isNew(entry.key, call) ? entry : { ...entry, modified: entry.modified - ms };
  return wrapStore(store, {
    list: async function* (prefix, options) {
      for await (const entry of store.list(prefix, options)) yield older(entry, 'list');
    },
    head: async (key) => {
      const info = await store.head(key);
      return info === null || key.endsWith('/clock') ? info : older(info, 'head');
    },
  });
}
