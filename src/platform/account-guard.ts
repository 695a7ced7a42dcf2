import type { AwsProfile } from '../config/load-config.ts';
import type { ObjectStore } from '../ports/object-store.ts';

/** Resolves when writing is allowed; throws the reason otherwise. Checked once, and again only after a failed check. */
export type WriteGuard = () => Promise<void>;

/**
 * True if the store is an emulator and STS is not. An emulator has no accounts, and AWS shouldn't see its credentials.
 */
export function hasNoAccounts(profile: Pick<AwsProfile, 'endpoints'>): boolean {
  return isMissingFromEmulator(profile, 'sts');
}

/** True if the store is an emulator and that service is not. An endpoint in a VPC is AWS itself. */
export function isMissingFromEmulator(
  { endpoints }: Pick<AwsProfile, 'endpoints'>,
  without: keyof AwsProfile['endpoints'],
): boolean {
  const { s3 } = endpoints;
  return endpoints[without] === undefined && s3 !== undefined && !/\.amazonaws\.com(\.cn)?$/.test(new URL(s3).hostname);
}

/** The same store, except that it writes nothing until `allowed` has resolved. */
export function guardedStore(store: ObjectStore, allowed: WriteGuard): ObjectStore {
  const guarded = async <T>(write: () => Promise<T>): Promise<T> => {
    await allowed();
    return write();
  };
  const { direct } = store;
  return {
    location: store.location,
    put: (key, body, options) => guarded(() => store.put(key, body, options)),
    delete: (keys) => guarded(() => store.delete(keys)),
    read: (key, options) => store.read(key, options),
    get: (key, options) => store.get(key, options),
    head: (key) => store.head(key),
    list: (prefix, options) => store.list(prefix, options),
    keys: (prefix, options) => store.keys(prefix, options),
    copy: (from, to, options) => guarded(() => store.copy(from, to, options)),
    presign: (key, method, seconds) =>
      method === 'get' ? store.presign(key, method, seconds) : guarded(() => store.presign(key, method, seconds)),
    uploadFile: (path, key, options) => guarded(() => store.uploadFile(path, key, options)),
    ...(direct && {
      direct: {
        partSize: (size) => direct.partSize(size),
        put: (key, as) => guarded(() => direct.put(key, as)),
        begin: (key, as) => guarded(() => direct.begin(key, as)),
        part: (key, upload, as) => guarded(() => direct.part(key, upload, as)),
        complete: (key, upload, as) => guarded(() => direct.complete(key, upload, as)),
        abort: (key, upload) => guarded(() => direct.abort(key, upload)),
      },
    }),
  };
}
