import type { IncomingHttpHeaders } from 'node:http';
import type { ObjectInfo } from '../../ports/object-store.ts';

/** Begins the headers that hold metadata, as S3 has them. */
const META = 'x-amz-meta-';

export const unquoted = (etag: string): string => etag.replace(/^(W\/)?"|"$/g, '');

/** An object's facts as an answer's headers tell them, also those of a range of it. */
export function infoIn(key: string, headers: IncomingHttpHeaders): ObjectInfo {
  const whole = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1] ?? headers['content-length'] ?? '0';
  const modified = String(headers['x-batchctl-modified'] ?? headers['last-modified'] ?? '');
  const metadata = Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith(META) ? [[name.slice(META.length), String(value)] as const] : [],
  );
  return {
    ...{ key, size: Number(whole), etag: unquoted(headers.etag ?? '') },
    ...{ modified: Date.parse(modified), metadata: Object.fromEntries(metadata) },
  };
}
