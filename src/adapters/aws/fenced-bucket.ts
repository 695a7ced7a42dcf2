import { BatchctlError } from '../../errors.ts';
import { isInnerKey, isSecretKey } from '../../model/keys.ts';
import type { Bucket } from '../../ports/bucket.ts';

/**
 * The profile's own bucket as jobs may use it. Inputs may be read from anywhere except the manager's own keys, such as
 * its access tokens; outputs may go anywhere except among the objects that decide. Otherwise anyone who may submit a
 * job could read the manager's key or create a token.
 */
export function fencedBucket(bucket: Bucket, prefix: string): Bucket {
  const inner = (key: string): string | null => (key.startsWith(prefix) ? key.slice(prefix.length) : null);
  const isReadable = (key: string): boolean => !isSecretKey(inner(key) ?? '');
  const readable = (key: string): string => {
    if (isReadable(key)) return key;
    throw refused(`${bucket.location}/${key} is reserved for the manager, and can't be read by jobs`);
  };
  const writable = (key: string): string => {
    if (!isInnerKey(inner(key) ?? '')) return key;
    throw refused(`${bucket.location}/${key} is among the objects of jobs, so nothing can be delivered there`);
  };
  return {
    location: bucket.location,
    head: async (key, version) => bucket.head(readable(key), version),
    read: async (key, options) => bucket.read(readable(key), options),
    get: async (key, options) => bucket.get(readable(key), options),
    list: async function* (below, options) {
      for await (const entry of bucket.list(below, options)) if (isReadable(entry.key)) yield entry;
    },
    put: async (key, body, options) => bucket.put(writable(key), body, options),
    delete: async (keys) => bucket.delete(keys.map(writable)),
    uploadFile: async (path, key, options) => bucket.uploadFile(path, writable(key), options),
    uploadStream: async (key, size, open, options) => bucket.uploadStream(writable(key), size, open, options),
    copyFromStore: async (from, to, as) => bucket.copyFromStore(from, writable(to), as),
    copy: async (from, to) => bucket.copy(writable(from), writable(to)),
  };
}

const refused = (message: string): BatchctlError =>
  new BatchctlError('refused', message, { hint: 'choose another target: raw data and outputs may be below data/' });
