import { VERSION } from '../../../lib/version.ts';
import { API } from '../../../model/api.ts';
import type { VerbRunner } from '../../../ports/verbs.ts';
import { endpointsOf } from '../verb-routes.ts';
import { ERROR_RESPONSES, ERROR_SCHEMA } from './answers.ts';
import { OBJECT_SCHEMAS, objectPaths } from './object-paths.ts';
import { SERVICE_SCHEMAS, servicePaths } from './service-paths.ts';
import { answerName, verbOperation } from './verb-operation.ts';

type Json = Readonly<Record<string, unknown>>;

/** The OpenAPI 3.1 document of the whole API, generated from the verbs' declarations. */
export function openApiDocument(verbs: VerbRunner): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  const add = (path: string, method: string, operation: Json): void => {
    const at = `${API}${path}`;
    paths[at] = { ...paths[at], [method.toLowerCase()]: operation };
  };
  for (const endpoint of endpointsOf(verbs)) add(endpoint.path, endpoint.method, verbOperation(endpoint));
  for (const [path, method, operation] of [...servicePaths(), ...objectPaths()]) add(path, method, operation);
  const answers = verbs.verbs.map((verb) => [answerName(verb), verb.output ?? { type: 'null' }]);
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

const HEALTH = {
  operationId: 'health',
  summary: 'whether the manager responds; no token required',
  tags: ['service'],
  security: [],
  responses: {
    200: {
      description: 'it responds',
      content: {
        'application/json': {
          schema: { type: 'object', required: ['status'], properties: { status: { const: 'ok' } } },
        },
      },
    },
  },
};

const READY = {
  operationId: 'ready',
  summary: 'whether the manager can accept callers; no token required',
  tags: ['service'],
  security: [],
  responses: {
    200: {
      description: 'it can',
      content: {
        'application/json': {
          schema: { type: 'object', required: ['status'], properties: { status: { const: 'ready' } } },
        },
      },
    },
    503: { $ref: '#/components/responses/Failed' },
  },
};

const METRICS = {
  operationId: 'metrics',
  summary: 'metrics of the stack and of the manager, for Prometheus',
  description: 'Requires the scope `read`.',
  tags: ['service'],
  'x-scope': 'read',
  responses: {
    200: { description: 'metrics', content: { 'text/plain': { schema: { type: 'string' } } } },
    '4XX': { $ref: '#/components/responses/Refused' },
    '5XX': { $ref: '#/components/responses/Failed' },
  },
};
