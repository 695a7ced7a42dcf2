import { ERRORS } from './answers.ts';
import type { PathEntry } from './service-paths.ts';

type Json = Readonly<Record<string, unknown>>;

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const json = (schema: Json): Json => ({
  200: { description: 'the answer', content: { 'application/json': { schema } } },
});
const query = (name: string, description: string, schema: Json = { type: 'string' }, required = false): Json => ({
  ...{ name, in: 'query', required, description, schema },
});
const KEY = query('key', 'a whole key: data/claims.csv', { type: 'string', minLength: 1, maxLength: 1_024 }, true);
const bytes = { content: { 'application/octet-stream': {} } };
const ETAG = { etag: { description: "the object's entity tag, in quotes", schema: { type: 'string' } } };

/** Reading what the store holds, and putting raw data and code. */
export function objectPaths(): readonly PathEntry[] {
  return [
    [
      '/objects',
      'GET',
      operation('getObject', 'read', "an object's bytes", {
        about:
          'On S3 it is answered by 307 with a URL that was signed for a few minutes: follow it without the token. Else the bytes come from here; `Range` and `If-Match` are heeded, and metadata comes as `x-amz-meta-*`, as S3 has it.',
        parameters: [KEY],
        responses: {
          200: { description: 'all of it', headers: ETAG, ...bytes },
          206: { description: 'a range of it', headers: ETAG, ...bytes },
          307: { description: 'where it is', headers: { location: { schema: { type: 'string', format: 'uri' } } } },
        },
      }),
    ],
    [
      '/objects',
      'HEAD',
      operation('headObject', 'read', "an object's facts", {
        about: 'Size, entity tag, time and metadata, as headers; the time to the millisecond as `x-batchctl-modified`.',
        parameters: [KEY],
        responses: { 200: { description: 'it is there', headers: ETAG } },
      }),
    ],
    [
      '/objects',
      'PUT',
      operation('putObject', 'submit', 'put an object through the manager', {
        about:
          'Where `POST /uploads` says so. It counts once all bytes are there and have the checksum; nothing is seen of it before.',
        parameters: [
          KEY,
          query('size', 'bytes', { type: 'integer', minimum: 0 }, true),
          query('sha256', 'of the bytes, in hex; of code that of the archive before compression', SHA256, true),
          query('ifAbsent', 'true: never in place of another object', { type: 'boolean' }),
        ],
        requestBody: { required: true, content: { 'application/octet-stream': {} } },
        responses: json(ref('Put')),
      }),
    ],
    [
      '/objects/list',
      'GET',
      operation('listObjects', 'read', 'keys below a prefix, in order', {
        parameters: [
          query('prefix', 'data/, jobs/JOB/...', { type: 'string', minLength: 1, maxLength: 1_024 }, true),
          query('after', "only keys after it: the page before's `next`"),
          query('limit', 'at most so many, 1,000 unless given', { type: 'integer', minimum: 1, maximum: 1_000 }),
        ],
        responses: json(ref('ObjectPage')),
      }),
    ],
    [
      '/uploads',
      'POST',
      operation('beginUpload', 'submit', 'ask how an object is to be put', {
        about: BEGIN,
        ...takes('UploadAsked', 'UploadWay'),
      }),
    ],
    [
      '/uploads',
      'DELETE',
      operation('abortUpload', 'submit', 'give an upload in parts up', {
        parameters: [KEY, query('upload', 'its id', { type: 'string', minLength: 1, maxLength: 1_024 }, true)],
        responses: json(ref('UploadGivenUp')),
      }),
    ],
    [
      '/uploads/parts',
      'POST',
      operation('uploadParts', 'submit', 'URLs for parts of an upload', takes('PartsAsked', 'PartUrls')),
    ],
    [
      '/uploads/completions',
      'POST',
      operation('completeUpload', 'submit', 'make an object of the parts', takes('CompletionAsked', 'Put')),
    ],
  ];
}

const BEGIN =
  '`present`: the bytes are there already. `put`: send them by one PUT to `url` with `headers`; with the token only if `token` says so. `parts`: send slices of `partSize` bytes, each by PUT to a URL that `/uploads/parts` signs, then complete. What is begun and never completed is removed by the bucket after a week. A key that an open job reads is not replaced.';

interface About {
  readonly about?: string;
  readonly parameters?: readonly Json[];
  readonly requestBody?: Json;
  readonly responses: Json;
}

function operation(operationId: string, scope: string, summary: string, { about, responses, ...rest }: About): Json {
  const description = `${about === undefined ? '' : `${about}\n\n`}Needs the scope \`${scope}\`.`;
  return {
    operationId,
    summary,
    description,
    tags: ['objects'],
    'x-scope': scope,
    ...rest,
    responses: { ...responses, ...ERRORS },
  };
}

function takes(asked: string, answered: string): Pick<About, 'requestBody' | 'responses'> {
  return {
    requestBody: { required: true, content: { 'application/json': { schema: ref(asked) } } },
    responses: json(ref(answered)),
  };
}

const SHA256 = { type: 'string', pattern: '^[0-9a-f]{64}$' } as const;
const TEXT = { type: 'string', minLength: 1, maxLength: 1_024 } as const;
const COUNT = { type: 'integer', minimum: 0 } as const;
const URL_TEXT = { type: 'string', description: 'relative to this document where it has no host' } as const;
const HEADERS = { type: 'object', additionalProperties: { type: 'string' } } as const;
const PART_NUMBER = { type: 'integer', minimum: 1, maximum: 10_000 } as const;

const object = (required: readonly string[], properties: Json) => ({
  ...{ type: 'object', additionalProperties: false, required, properties },
});

export const OBJECT_SCHEMAS = {
  ObjectPage: object(['items', 'next'], {
    items: {
      type: 'array',
      items: object(['key', 'size', 'etag', 'modified'], {
        key: { type: 'string' },
        size: COUNT,
        etag: { type: 'string', description: 'without quotes' },
        modified: { type: 'string', format: 'date-time' },
      }),
    },
    next: { type: ['string', 'null'], description: 'what `after` is for the next page; null: there is none' },
  }),
  Put: object(['created', 'etag'], {
    created: { type: 'boolean', description: 'false only with ifAbsent: another object holds the key' },
    etag: { type: 'string', description: 'without quotes' },
  }),
  UploadAsked: object(['key', 'size', 'sha256'], {
    key: TEXT,
    size: COUNT,
    sha256: SHA256,
    ifAbsent: { type: 'boolean' },
  }),
  UploadWay: {
    oneOf: [
      object(['way', 'etag'], { way: { const: 'present' }, etag: { type: 'string' } }),
      object(['way', 'url', 'headers', 'token'], {
        way: { const: 'put' },
        url: URL_TEXT,
        headers: HEADERS,
        token: { type: 'boolean', description: 'true: the URL is here, and wants the token' },
      }),
      object(['way', 'upload', 'partSize'], {
        way: { const: 'parts' },
        upload: { type: 'string', description: "the upload's id" },
        partSize: { ...COUNT, description: 'bytes; the last part may have fewer' },
      }),
    ],
  },
  PartsAsked: object(['key', 'upload', 'parts'], {
    key: TEXT,
    upload: TEXT,
    parts: {
      type: 'array',
      minItems: 1,
      maxItems: 100,
      items: object(['number', 'size', 'sha256'], { number: PART_NUMBER, size: COUNT, sha256: SHA256 }),
    },
  }),
  PartUrls: object(['items'], {
    items: {
      type: 'array',
      items: object(['number', 'url', 'headers'], { number: PART_NUMBER, url: URL_TEXT, headers: HEADERS }),
    },
  }),
  CompletionAsked: object(['key', 'upload', 'size', 'parts'], {
    key: TEXT,
    upload: TEXT,
    size: COUNT,
    ifAbsent: { type: 'boolean' },
    parts: {
      type: 'array',
      minItems: 1,
      maxItems: 10_000,
      items: object(['number', 'etag', 'sha256'], { number: PART_NUMBER, etag: TEXT, sha256: SHA256 }),
    },
  }),
  UploadGivenUp: object(['upload'], { upload: { type: 'string' } }),
} as const;
