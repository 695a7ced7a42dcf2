import type { FastifyReply, FastifyRequest } from 'fastify';
import { BatchctlError } from '../../../errors.ts';
import { rangeOf, requireReadable } from '../../../model/object-access.ts';
import type { ObjectInfo, ObjectStore } from '../../../ports/object-store.ts';
import { Refusal } from '../refusal.ts';
import { goneSignal } from '../when-gone.ts';

/** How long a signed URL lets one begin to read, seconds. */
const GOOD_FOR = 300;

type Store = Pick<ObjectStore, 'head' | 'get' | 'presign'>;

/** Sends a caller to an object's bytes, or the bytes themselves where the store signs no URLs. */
export async function download(
  store: Store,
  key: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const info = await found(store, key, request);
  const url = await store.presign(key, 'get', GOOD_FOR);
  if (url !== null) return reply.code(307).header('location', url).send();
  const range = wanted(request, info);
  if (range === 'beyond') {
    throw new Refusal(416, 'usage', `expected a range within ${info.size} bytes, found ${request.headers.range}`, {
      headers: { 'content-range': `bytes */${info.size}` },
    });
  }
  const object = await store.get(key, { ...(range && { range }), etag: info.etag, signal: goneSignal(reply) });
  if (object === null) throw missing(key);
  // Told to stop, it has nobody left to tell.
  object.body.on('error', () => {});
  describe(reply, info).header('content-length', range?.length ?? info.size);
  if (range !== null) {
    const last = range.offset + range.length - 1;
    reply.code(206).header('content-range', `bytes ${range.offset}-${last}/${info.size}`);
  }
  return reply.send(object.body);
}

/** An object's facts as headers. */
export async function look(
  store: Store,
  key: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const info = await found(store, key, request);
  return describe(reply, info).header('content-length', info.size).send();
}

async function found(store: Store, key: string, { headers }: FastifyRequest): Promise<ObjectInfo> {
  requireReadable(key);
  const info = await store.head(key);
  if (info === null) throw missing(key);
  const pinned = headers['if-match'];
  if (pinned === undefined || pinned === '*' || pinned === `"${info.etag}"`) return info;
  throw new Refusal(412, 'changed', `expected version ${pinned} of ${key}, found "${info.etag}"`);
}

/** A range of another version is of no use. */
function wanted({ headers }: FastifyRequest, { size, etag }: ObjectInfo): ReturnType<typeof rangeOf> {
  const of = headers['if-range'];
  return of === undefined || of === `"${etag}"` ? rangeOf(headers.range, size) : null;
}

function describe(reply: FastifyReply, { etag, modified, metadata }: ObjectInfo): FastifyReply {
  for (const [name, value] of Object.entries(metadata)) reply.header(`x-amz-meta-${name}`, value);
  return reply.type('application/octet-stream').headers({
    etag: `"${etag}"`,
    'last-modified': new Date(modified).toUTCString(),
    'x-batchctl-modified': new Date(modified).toISOString(),
    'accept-ranges': 'bytes',
    'content-disposition': 'attachment',
  });
}

function missing(key: string): BatchctlError {
  return new BatchctlError('notFound', `there is no object ${key}`);
}
