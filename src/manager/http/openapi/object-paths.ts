import { type Json, jsonAnswer, objectSchema, operation, type PathEntry, ref } from './service-paths.ts';

const TEXT = { type: 'string', minLength: 1, maxLength: 1_024 } as const;
const query = (name: string, description: string, schema: Json = { type: 'string' }, required = false): Json => ({
  name,
  in: 'query',
  required,
  description,
  schema,
});
const KEY = query('key', 'a full key: data/claims.csv', TEXT, true);
const bytes = { content: { 'application/octet-stream': {} } };
const ETAG = { etag: { description: "the object's entity tag, in quotes", schema: { type: 'string' } } };

/** Paths to read the store's objects, and to put raw data and code. */
export function objectPaths(): readonly PathEntry[] {
  return [
    [
      '/objects',
      'GET',
      operation('objects', 'getObject', 'read', "an object's bytes", {
        about:
          'On S3, the answer is 307 with a URL that is signed for a few minutes; follow it without the token. Otherwise the answer contains the bytes. `Range` and `If-Match` are supported, and metadata is returned as `x-amz-meta-*`, like S3.',
        parameters: [
          KEY,
          query('through', 'true: always the bytes, through the manager, for a page that follows no redirect', {
            type: 'boolean',
          }),
        ],
        responses: {
          200: { description: 'all of it', headers: ETAG, ...bytes },
          206: { description: 'a range of it', headers: ETAG, ...bytes },
          307: { description: 'its location', headers: { location: { schema: { type: 'string', format: 'uri' } } } },
        },
      }),
    ],
    [
      '/objects',
      'HEAD',
      operation('objects', 'headObject', 'read', 'size and metadata of an object', {
        about: 'Size, entity tag, time and metadata as headers; the time in milliseconds as `x-batchctl-modified`.',
        parameters: [KEY],
        responses: { 200: { description: 'it exists', headers: ETAG } },
      }),
    ],
    [
      '/objects',
      'PUT',
      operation('objects', 'putObject', 'submit', 'upload an object through the manager', {
        about:
          'Only if `POST /uploads` says so. The object appears only when all bytes have arrived with the right checksum.',
        parameters: [
          KEY,
          query('size', 'bytes', { type: 'integer', minimum: 0 }, true),
          query('sha256', 'of the bytes, in hex; for code, of the uncompressed archive', SHA256, true),
          query('ifAbsent', 'true: never replace an existing object', { type: 'boolean' }),
        ],
        requestBody: { required: true, content: { 'application/octet-stream': {} } },
        responses: jsonAnswer(ref('Put')),
      }),
    ],
    [
      '/objects/list',
      'GET',
      operation('objects', 'listObjects', 'read', 'keys below a prefix, in order', {
        parameters: [
          query('prefix', 'data/, jobs/JOB/...', TEXT, true),
          query('after', 'only keys after this one: `next` of the previous page'),
          query('limit', 'at most this many (default: 1,000)', { type: 'integer', minimum: 1, maximum: 1_000 }),
        ],
        responses: jsonAnswer(ref('ObjectPage')),
      }),
    ],
    [
      '/uploads',
      'POST',
      operation('objects', 'beginUpload', 'submit', 'ask how to upload an object', {
        about: BEGIN,
        ...bodyAndAnswer('UploadAsked', 'UploadWay'),
      }),
    ],
    [
      '/uploads',
      'DELETE',
      operation('objects', 'abortUpload', 'submit', 'abort a multipart upload', {
        parameters: [KEY, query('upload', 'id of the upload', TEXT, true)],
        responses: jsonAnswer(ref('UploadGivenUp')),
      }),
    ],
    [
      '/uploads/parts',
      'POST',
      operation(
        'objects',
        'uploadParts',
        'submit',
        'get URLs for parts of an upload',
        bodyAndAnswer('PartsAsked', 'PartUrls'),
      ),
    ],
    [
      '/uploads/completions',
      'POST',
      operation(
        'objects',
        'completeUpload',
        'submit',
        'complete an upload from its parts',
        bodyAndAnswer('CompletionAsked', 'Put'),
      ),
    ],
  ];
}

const BEGIN =
  '`present`: the bytes exist already. `put`: send them with one PUT to `url` with `headers`; send the token only if `token` is true. `parts`: send slices of `partSize` bytes, each with a PUT to a URL signed by `/uploads/parts`, then complete the upload. The bucket removes uncompleted uploads after a week. A key that an open job reads is not replaced.';

function bodyAndAnswer(asked: string, answered: string): { readonly requestBody: Json; readonly responses: Json } {
  return {
    requestBody: { required: true, content: { 'application/json': { schema: ref(asked) } } },
    responses: jsonAnswer(ref(answered)),
  };
}

const SHA256 = { type: 'string', pattern: '^[0-9a-f]{64}$' } as const;
const COUNT = { type: 'integer', minimum: 0 } as const;
const URL_TEXT = { type: 'string', description: 'relative to this document if it has no host' } as const;
const HEADERS = { type: 'object', additionalProperties: { type: 'string' } } as const;
const PART_NUMBER = { type: 'integer', minimum: 1, maximum: 10_000 } as const;

export const OBJECT_SCHEMAS = {
  ObjectPage: objectSchema({
    items: {
      type: 'array',
      items: objectSchema({
        key: { type: 'string' },
        size: COUNT,
        etag: { type: 'string', description: 'without quotes' },
        modified: { type: 'string', format: 'date-time' },
      }),
    },
    next: { type: ['string', 'null'], description: 'the `after` of the next page; null on the last page' },
  }),
  Put: objectSchema({
    created: { type: 'boolean', description: 'false only with ifAbsent: the key has another object' },
    etag: { type: 'string', description: 'without quotes' },
  }),
  UploadAsked: objectSchema(
    {
      key: TEXT,
      size: COUNT,
      sha256: SHA256,
      ifAbsent: { type: 'boolean' },
    },
    'ifAbsent',
  ),
  UploadWay: {
    oneOf: [
      objectSchema({ way: { const: 'present' }, etag: { type: 'string' } }),
      objectSchema({
        way: { const: 'put' },
        url: URL_TEXT,
        headers: HEADERS,
        token: { type: 'boolean', description: 'true: the URL is here, and requires the token' },
      }),
      objectSchema({
        way: { const: 'parts' },
        upload: { type: 'string', description: 'id of the upload' },
        partSize: { ...COUNT, description: 'bytes; the last part may be smaller' },
      }),
    ],
  },
  PartsAsked: objectSchema({
    key: TEXT,
    upload: TEXT,
    parts: {
      type: 'array',
      minItems: 1,
      maxItems: 100,
      items: objectSchema({ number: PART_NUMBER, size: COUNT, sha256: SHA256 }),
    },
  }),
  PartUrls: objectSchema({
    items: {
      type: 'array',
      items: objectSchema({ number: PART_NUMBER, url: URL_TEXT, headers: HEADERS }),
    },
  }),
  CompletionAsked: objectSchema(
    {
      key: TEXT,
      upload: TEXT,
      size: COUNT,
      ifAbsent: { type: 'boolean' },
      parts: {
        type: 'array',
        minItems: 1,
        maxItems: 10_000,
        items: objectSchema({ number: PART_NUMBER, etag: TEXT, sha256: SHA256 }),
      },
    },
    'ifAbsent',
  ),
  UploadGivenUp: objectSchema({ upload: { type: 'string' } }),
} as const;
