import type { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { BatchctlError } from '../../../errors.ts';
import { API, type CompletionAsked, type ObjectPage, type PartsAsked, type UploadAsked } from '../../../model/api.ts';
import { rangeOf, requireReadable, requireReadablePrefix } from '../../../model/object-access.ts';
import type { ObjectInfo, ObjectStore } from '../../../ports/object-store.ts';
import type { Platform } from '../../../ports/platform.ts';
import { Refusal } from '../error-answers.ts';
import { goneSignal, LIMITS } from '../limits.ts';
import { OBJECT_SCHEMAS } from '../openapi/object-paths.ts';
import { objectSchema } from '../openapi/service-paths.ts';
import { Uploads } from './uploads.ts';

const READ = { scope: 'read' } as const;
const SUBMIT = { scope: 'submit' } as const;
/** Keys per page. */
const PAGE = 1_000;

interface WithKey {
  readonly Querystring: { readonly key: string };
}
type Read = { readonly Querystring: { readonly key: string; readonly through?: 'true' | 'false' } };
type Listing = { readonly Querystring: { readonly prefix: string; readonly after?: string; readonly limit?: string } };
type Put = {
  readonly Querystring: Readonly<Record<'key' | 'size' | 'sha256', string>> & { readonly ifAbsent?: string };
};
type Begin = { readonly Body: UploadAsked };
type Abort = { readonly Querystring: { readonly key: string; readonly upload: string } };

/** The objects of the store: read by key, and put below `data/`, and as code. */
export function addObjects(app: FastifyInstance, platform: Platform): void {
  const { store } = platform;
  const uploads = new Uploads(platform);
  acceptBytes(app);
  const url = `${API}/objects`;
  const key = { schema: { querystring: objectSchema({ key: TEXT }) }, config: READ, exposeHeadRoute: false };
  const read = { ...key, schema: { querystring: objectSchema({ key: TEXT, through: FLAG }, 'through') } };
  app.get<Read>(url, read, (request, reply) => {
    const { key: of, through } = request.query;
    return download(store, of, request, reply, through !== 'true');
  });
  app.head<WithKey>(url, key, (request, reply) => sendInfo(store, request.query.key, request, reply));

  const limit = { type: 'string', pattern: '^[1-9][0-9]{0,3}$' };
  const page = objectSchema({ prefix: TEXT, after: TEXT, limit }, 'after', 'limit');
  app.get<Listing>(
    `${url}/list`,
    { schema: { querystring: page }, config: READ, exposeHeadRoute: false },
    (request) => {
      const { prefix, after, limit = String(PAGE) } = request.query;
      return listPage(store, prefix, after ?? null, Math.min(Number(limit), PAGE));
    },
  );

  app.put<Put>(url, { schema: { querystring: PUT }, config: { ...SUBMIT, upload: true } }, async (request, reply) => {
    const { key: of, size, sha256, ifAbsent } = request.query;
    request.audited = { verb: 'put object', input: { key: of, size: Number(size) } };
    const asked = { key: of, size: Number(size), sha256, ifAbsent: ifAbsent === 'true' };
    const by = { token: request.caller?.id ?? '', signal: goneSignal(reply) };
    return uploads.receive(asked, request.body as Readable, by);
  });
  app.post<Begin>(`${API}/uploads`, { schema: { body: OBJECT_SCHEMAS.UploadAsked }, config: SUBMIT }, ({ body }) =>
    uploads.begin({ ifAbsent: false, ...body }),
  );
  const gone = objectSchema({ key: TEXT, upload: TEXT });
  app.delete<Abort>(`${API}/uploads`, { schema: { querystring: gone }, config: SUBMIT }, async (request) => {
    await uploads.abort(request.query.key, request.query.upload);
    return { upload: request.query.upload };
  });
  addParts(app, uploads);
}

function addParts(app: FastifyInstance, uploads: Uploads): void {
  const parts = { schema: { body: OBJECT_SCHEMAS.PartsAsked }, config: SUBMIT };
  app.post<{ readonly Body: PartsAsked }>(`${API}/uploads/parts`, parts, ({ body }) => uploads.parts(body));
  const whole = {
    schema: { body: OBJECT_SCHEMAS.CompletionAsked },
    config: SUBMIT,
    bodyLimit: LIMITS.completion.value,
  };
  app.post<{ readonly Body: CompletionAsked }>(
    `${API}/uploads/completions`,
    whole,
    ({ body: { key, upload, ...as } }) => uploads.complete(key, upload, { ifAbsent: false, ...as }),
  );
}

const TEXT = { type: 'string', minLength: 1, maxLength: 1_024 } as const;
const FLAG = { enum: ['true', 'false'] } as const;
const PUT = objectSchema(
  {
    key: TEXT,
    size: { type: 'string', pattern: '^[0-9]{1,15}$' },
    sha256: { type: 'string', pattern: '^[0-9a-f]{64}$' },
    ifAbsent: FLAG,
  },
  'ifAbsent',
);

/** Accepts raw bytes as they arrive, on the one route that puts them. */
function acceptBytes(app: FastifyInstance): void {
  app.addContentTypeParser('application/octet-stream', (request, payload, done) => {
    if (request.routeOptions.config.upload === true) done(null, payload);
    else done(new Refusal(415, 'usage', 'expected a body of content-type application/json, found bytes'));
  });
}

/** One page of a listing, and the start of the next. */
async function listPage(
  store: Pick<ObjectStore, 'list'>,
  prefix: string,
  after: string | null,
  limit: number,
): Promise<ObjectPage> {
  requireReadablePrefix(prefix);
  const items: ObjectPage['items'][number][] = [];
  for await (const { key, size, etag, modified } of store.list(prefix, after === null ? {} : { from: after })) {
    if (key === after) continue;
    if (items.length === limit) return { items, next: items.at(-1)?.key ?? null };
    items.push({ key, size, etag, modified: new Date(modified).toISOString() });
  }
  return { items, next: null };
}

/** How long a signed URL is valid for starting a read, seconds. */
const URL_SECONDS = 300;

type Store = Pick<ObjectStore, 'head' | 'get' | 'presign'>;

/** Redirects a caller to an object's bytes if it may be redirected and the store signs URLs; otherwise sends the bytes. */
async function download(
  store: Store,
  key: string,
  request: FastifyRequest,
  reply: FastifyReply,
  mayRedirect: boolean,
): Promise<FastifyReply> {
  const info = await requireObject(store, key, request);
  const url = mayRedirect ? await store.presign(key, 'get', URL_SECONDS) : null;
  if (url !== null) return reply.code(307).header('location', url).send();
  const range = requestedRange(request, info);
  if (range === 'beyond') {
    throw new Refusal(416, 'usage', `expected a range within ${info.size} bytes, found ${request.headers.range}`, {
      headers: { 'content-range': `bytes */${info.size}` },
    });
  }
  const object = await store.get(key, { ...(range && { range }), etag: info.etag, signal: goneSignal(reply) });
  if (object === null) throw noObjectError(key);
  // The caller has left, so an error has no recipient.
  object.body.on('error', () => {});
  setObjectHeaders(reply, info).header('content-length', range?.length ?? info.size);
  if (range !== null) {
    const last = range.offset + range.length - 1;
    reply.code(206).header('content-range', `bytes ${range.offset}-${last}/${info.size}`);
  }
  return reply.send(object.body);
}

async function sendInfo(
  store: Store,
  key: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const info = await requireObject(store, key, request);
  return setObjectHeaders(reply, info).header('content-length', info.size).send();
}

async function requireObject(store: Store, key: string, { headers }: FastifyRequest): Promise<ObjectInfo> {
  requireReadable(key);
  const info = await store.head(key);
  if (info === null) throw noObjectError(key);
  const pinned = headers['if-match'];
  if (pinned === undefined || pinned === '*' || pinned === `"${info.etag}"`) return info;
  throw new Refusal(412, 'changed', `expected version ${pinned} of ${key}, found "${info.etag}"`);
}

/** A range of another version is of no use. */
function requestedRange({ headers }: FastifyRequest, { size, etag }: ObjectInfo): ReturnType<typeof rangeOf> {
  const of = headers['if-range'];
  return of === undefined || of === `"${etag}"` ? rangeOf(headers.range, size) : null;
}

function setObjectHeaders(reply: FastifyReply, { etag, modified, metadata }: ObjectInfo): FastifyReply {
  for (const [name, value] of Object.entries(metadata)) reply.header(`x-amz-meta-${name}`, value);
  return reply.type('application/octet-stream').headers({
    etag: `"${etag}"`,
    'last-modified': new Date(modified).toUTCString(),
    'x-batchctl-modified': new Date(modified).toISOString(),
    'accept-ranges': 'bytes',
    'content-disposition': 'attachment',
  });
}

function noObjectError(key: string): BatchctlError {
  return new BatchctlError('notFound', `there is no object ${key}`);
}
