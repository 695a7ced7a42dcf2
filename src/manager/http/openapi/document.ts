import { VERSION } from '../../../lib/version.ts';
import { API } from '../../../model/api.ts';
import type { OfferedVerb, VerbRunner } from '../../../verbs/verb-runner.ts';
import { apiFields, jobFileField } from '../verb-input.ts';
import { type Endpoint, endpointsOf } from '../verb-routes.ts';
import { OBJECT_SCHEMAS, objectPaths } from './object-paths.ts';
import {
  ERROR_RESPONSES,
  ERROR_SCHEMA,
  ERRORS,
  type Json,
  objectSchema,
  operation,
  SERVICE_SCHEMAS,
  servicePaths,
  VERB_HEADERS,
} from './service-paths.ts';

/** The OpenAPI 3.1 document of the whole API, generated from the verbs' declarations. */
export function openApiDocument({ verbs }: Pick<VerbRunner, 'verbs'>): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  const add = (path: string, method: string, operation: Json): void => {
    const at = `${API}${path}`;
    paths[at] = { ...paths[at], [method.toLowerCase()]: operation };
  };
  for (const endpoint of endpointsOf({ verbs })) add(endpoint.path, endpoint.method, verbOperation(endpoint));
  for (const [path, method, operation] of [...servicePaths(), ...objectPaths()]) add(path, method, operation);
  const answers = verbs.map((verb) => [answerName(verb), verb.output ?? { type: 'null' }]);
  return {
    openapi: '3.1.0',
    info: {
      title: 'batchctl',
      version: VERSION,
      description:
        'The API of the job manager. Its verbs are the commands of the command line, with the same answers and errors.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    tags: [
      { name: 'verbs', description: "the command line's commands" },
      { name: 'service', description: 'the manager itself, and events as they happen' },
      { name: 'objects', description: 'the objects in the store' },
    ],
    paths: sorted({ ...paths, '/healthz': { get: HEALTH }, '/readyz': { get: READY }, '/metrics': { get: METRICS } }),
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'batchctl manager token create NAME' } },
      responses: ERROR_RESPONSES,
      schemas: sorted({ ...Object.fromEntries(answers), ...SERVICE_SCHEMAS, ...OBJECT_SCHEMAS, Error: ERROR_SCHEMA }),
    },
  };
}

const sorted = (record: Readonly<Record<string, unknown>>): Json =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));

/** The answer of a health check, which needs no token. */
const answersStatus = (description: string, status: string): Json => {
  const schema = { type: 'object', required: ['status'], properties: { status: { const: status } } };
  return { 200: { description, content: { 'application/json': { schema } } } };
};

const HEALTH = {
  operationId: 'health',
  summary: 'whether the manager responds; no token required',
  tags: ['service'],
  security: [],
  responses: answersStatus('it responds', 'ok'),
};

const READY = {
  operationId: 'ready',
  summary: 'whether the manager can accept callers; no token required',
  tags: ['service'],
  security: [],
  responses: { ...answersStatus('it can', 'ready'), 503: { $ref: '#/components/responses/Failed' } },
};

const METRICS = operation('service', 'metrics', 'read', 'metrics of the stack and of the manager, for Prometheus', {
  responses: { 200: { description: 'metrics', content: { 'text/plain': { schema: { type: 'string' } } } } },
});

/** `schedule add` is scheduleAdd. */
const camel = (name: string): string => name.replace(/ ([a-z])/g, (_, letter: string) => letter.toUpperCase());
/** The component that is a verb's answer, or one item of it. */
const answerName = ({ declared }: OfferedVerb): string => {
  const id = camel(declared.name);
  return `${id.charAt(0).toUpperCase()}${id.slice(1)}`;
};

function verbOperation({ verb, method, path }: Endpoint): Json {
  const { name, scope, scopeWith = {}, shownAt } = verb.declared;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '');
  const fields = fieldsOf(verb, method).filter(({ name }) => !inPath.includes(name));
  const inQuery = method === 'GET' || method === 'DELETE';
  const all = verb.input.properties;
  const parameters = [
    ...inPath.map((name) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
      ...describing(all[name]),
    })),
    ...(inQuery ? fields.map(queryParameter) : []),
  ];
  return {
    operationId: method === 'GET' && shownAt !== undefined ? `${camel(name)}Show` : camel(name),
    summary: verb.help.summary,
    description: description(verb),
    tags: ['verbs'],
    'x-scope': scope,
    ...(Object.keys(scopeWith).length > 0 && { 'x-scope-with': scopeWith }),
    'x-command': verb.help.example,
    ...(parameters.length > 0 && { parameters }),
    ...(!inQuery && { requestBody: requestBody(fields) }),
    responses: { 200: response(verb), ...ERRORS },
  };
}

function description({ declared: { scope, scopeWith = {} }, help: { about, example } }: OfferedVerb): string {
  const more = Object.entries(scopeWith).map(([field, needed]) => `with ${field} \`${needed}\``);
  const needs = `Requires the scope \`${scope}\`${more.length === 0 ? '' : `; ${more.join(', ')}`}.`;
  return [...(about === null ? [] : [about]), needs, `On the command line: \`${example}\`.`].join('\n\n');
}

interface Field {
  readonly name: string;
  readonly required: boolean;
  readonly schema: Json;
}

function fieldsOf(verb: OfferedVerb, method: string): readonly Field[] {
  const known = apiFields(verb, method);
  const required = verb.input.required as readonly string[];
  const own = Object.entries(verb.input.properties)
    .filter(([name]) => known.has(name))
    .map(([name, schema]) => ({ name, required: required.includes(name), schema: schema as Json }));
  const extra = [...known].filter((name) => name in EXTRA && !own.some((field) => field.name === name));
  return [
    ...own,
    ...extra.map((name) => ({
      name,
      required: name === 'spec' && jobFileField(verb) === 'jobfile',
      schema: EXTRA[name] ?? {},
    })),
  ];
}

/** The fields of calls besides the verb's own. */
const EXTRA: Readonly<Record<string, Json>> = {
  tz: { type: 'string', description: "time zone of the times read, an IANA name (default: the profile's)" },
  dryRun: { type: 'boolean', description: 'true: only report what would be done' },
  spec: {
    type: ['object', 'string'],
    description:
      'the job, like a job file in JSON, or the text of a job file (YAML or JSON); its inputs are in the store or in a bucket',
  },
  code: {
    type: 'string',
    pattern: '^[0-9a-f]{64}$',
    description: 'for a job with files: the SHA-256 of their archive, which was stored as code/<sha256>.tar.gz',
  },
};

function queryParameter({ name, required, schema }: Field): Json {
  const { description: text, ...bare } = schema;
  const exploded = bare.type === 'array' ? { style: 'form', explode: true } : {};
  return { name, in: 'query', required, schema: bare, ...exploded, ...describing(schema) };
}

const describing = (schema: Json | { readonly description?: string } | undefined): Json =>
  schema?.description === undefined ? {} : { description: schema.description };

function requestBody(fields: readonly Field[]): Json {
  const required = fields.filter((field) => field.required).map(({ name }) => name);
  const schema = {
    type: 'object',
    additionalProperties: false,
    ...(required.length > 0 && { required }),
    properties: Object.fromEntries(fields.map((field) => [field.name, field.schema])),
  };
  return { required: required.length > 0, content: { 'application/json': { schema } } };
}

function response(verb: OfferedVerb): Json {
  const ref = { $ref: `#/components/schemas/${answerName(verb)}` };
  const next = { type: ['string', 'null'], description: '`after` of the next page; null: the list is complete' };
  const list = objectSchema({ items: { type: 'array', items: ref }, next });
  return {
    description: verb.declared.list ? 'the list, or a page of it' : 'the answer',
    headers: VERB_HEADERS,
    content: { 'application/json': { schema: verb.declared.list ? list : ref } },
  };
}
