import type { ObjectEntry, ObjectStore } from '../../src/ports/object-store.ts';

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

type IsPut = (key: string, body: string) => boolean;

/** A store that first does something at the first put that is meant: what happens at that very moment. */
export function beforeFirstPut(store: ObjectStore, isMeant: IsPut, act: () => Promise<unknown>): ObjectStore {
  let acted = false;
  return wrapStore(store, {
    put: async (key, body, options) => {
      if (!acted && isMeant(key, String(body))) {
        acted = true;
        await act();
      }
      return store.put(key, body, options);
    },
  });
}

/** A store that tells of each put, once it is done. */
export function afterPuts(store: ObjectStore, tell: (key: string, body: string) => unknown): ObjectStore {
  return wrapStore(store, {
    put: async (key, body, options) => {
      const answer = await store.put(key, body, options);
      await tell(key, String(body));
      return answer;
    },
  });
}

/** A store some time later: its objects are as old as that, those that `isNew` apart. It tells the time by `clock`. */
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
