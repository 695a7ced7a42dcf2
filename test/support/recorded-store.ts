import type { ObjectStore } from '../../src/ports/object-store.ts';

/** A store that calls `record` before each request, with its method and its key or prefix. */
export function recordedStore(store: ObjectStore, record: (method: string, key: string) => void): ObjectStore {
  return new Proxy(store, {
    get: (_, name) => {
      const value: unknown = Reflect.get(store, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        record(String(name), String(args[0]));
        return value.apply(store, args);
      };
    },
  });
}
