import type { AwsProfile } from '../config.ts';
import type { ObjectStore } from '../ports/object-store.ts';

/** Resolves when something may be written; throws why not. Asked once; again only after it could not be answered. */
export type Allowed = () => Promise<void>;

/** Asks `ask` once for all writes: an answer holds, an error is asked anew by the next write. */
export function askedOnce(ask: () => Promise<void>): Allowed {
  let asked: Promise<void> | null = null;
  return () => {
    asked ??= ask().catch((error: unknown) => {
      asked = null;
      throw error;
    });
    return asked;
  };
}

/**
 * True where an emulator stands in for the store and none for STS: it knows no accounts, and AWS would be asked with
 * credentials that aren't meant for it.
 */
export function hasNoAccounts(profile: Pick<AwsProfile, 'endpoints'>): boolean {
  return isEmulatedWithout(profile, 'sts');
}

/** True where an emulator stands in for the store, and none for that service. An endpoint in a VPC is AWS itself. */
export function isEmulatedWithout(
  { endpoints }: Pick<AwsProfile, 'endpoints'>,
  without: keyof AwsProfile['endpoints'],
): boolean {
  const { s3 } = endpoints;
  return endpoints[without] === undefined && s3 !== undefined && !/\.amazonaws\.com(\.cn)?$/.test(new URL(s3).hostname);
}

/** The same store, which writes nothing before `allowed` has answered. */
export function guardedStore(store: ObjectStore, allowed: Allowed): ObjectStore {
  const once = async <T>(write: () => Promise<T>): Promise<T> => {
    await allowed();
    return write();
  };
  const { direct } = store;
  return {
    location: store.location,
    put: (key, body, options) => once(() => store.put(key, body, options)),
    delete: (keys) => once(() => store.delete(keys)),
    read: (key, options) => store.read(key, options),
    get: (key, options) => store.get(key, options),
    head: (key) => store.head(key),
    list: (prefix, options) => store.list(prefix, options),
    keys: (prefix, options) => store.keys(prefix, options),
    copy: (from, to, options) => once(() => store.copy(from, to, options)),
    presign: (key, method, seconds) =>
      method === 'get' ? store.presign(key, method, seconds) : once(() => store.presign(key, method, seconds)),
    uploadFile: (path, key, options) => once(() => store.uploadFile(path, key, options)),
    ...(direct && {
      direct: {
        partSize: (size) => direct.partSize(size),
        put: (key, as) => once(() => direct.put(key, as)),
        begin: (key, as) => once(() => direct.begin(key, as)),
        part: (key, upload, as) => once(() => direct.part(key, upload, as)),
        complete: (key, upload, as) => once(() => direct.complete(key, upload, as)),
        abort: (key, upload) => once(() => direct.abort(key, upload)),
      },
    }),
  };
}
