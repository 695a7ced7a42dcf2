import type { ObjectStore } from '../../src/ports/object-store.ts';

/** The store, and its requests so far: the method, and the key or prefix. */
export function recordRequests(real: ObjectStore): { readonly store: ObjectStore; readonly requests: string[] } {
  const requests: string[] = [];
  const store = new Proxy(real, {
    get: (_, name) => {
      const method: unknown = Reflect.get(real, name);
      if (typeof method !== 'function') return method;
      return (...args: readonly unknown[]) => {
        requests.push(`${String(name)} ${args[0]}`);
        return method.apply(real, args);
      };
    },
  });
  return { store, requests };
}
