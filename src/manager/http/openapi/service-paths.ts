import type { ErrorKind } from '../../../errors.ts';
import { ERROR_HEADER, EXIT_HEADER, FRAMES_TYPE, SCOPES, WARNINGS_HEADER } from '../../../model/api.ts';
import { JOB_STATES } from '../../../model/job-state.ts';
import type { GridCell } from '../../../model/period-grid.ts';
import { STATUSES } from '../error-answers.ts';
import { VALUES_BODY } from '../frames.ts';

export type Json = Readonly<Record<string, unknown>>;
export type PathEntry = readonly [path: string, method: string, operation: Json];

export const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
export const jsonAnswer = (schema: Json, description = 'the answer'): Json => ({
  200: { description, content: { 'application/json': { schema } } },
});
const listOf = (name: string): Json => ({ type: 'array', items: ref(name) });

/** An object with exactly these properties, all required but for those named. */
export const objectSchema = <P extends Json>(properties: P, ...optional: readonly (keyof P)[]) => ({
  type: 'object',
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  additionalProperties: false,
  properties,
});

interface Operation {
  readonly about?: string;
  readonly parameters?: readonly Json[];
  readonly requestBody?: Json;
  readonly responses: Json;
  readonly 'x-event'?: Json;
}

export function operation(
  tag: string,
  operationId: string,
  scope: string,
  summary: string,
  { about, responses, ...rest }: Operation,
): Json {
  const description = `${about === undefined ? '' : `${about}\n\n`}Requires the scope \`${scope}\`.`;
  return {
    operationId,
    summary,
    description,
    tags: [tag],
    'x-scope': scope,
    ...rest,
    responses: { ...responses, ...ERRORS },
  };
}

const readOperation = (operationId: string, summary: string, what: Operation): Json =>
  operation('service', operationId, 'read', summary, what);

/** The manager's paths other than verbs. */
export function servicePaths(): readonly PathEntry[] {
  return [
    [
      '/verbs',
      'POST',
      {
        operationId: 'callVerb',
        summary: 'call a verb for its answer as a value',
        description:
          "JSON Lines of frames: what the verb reports, the rows of a list or the answer, and finally how it ended. If the connection closes, the verb stops as with Ctrl-C. Needs the verb's scope.",
        tags: ['service'],
        requestBody: { required: true, content: { 'application/json': { schema: VALUES_BODY } } },
        responses: {
          200: { description: 'frames, one a line', content: { [FRAMES_TYPE]: { schema: ref('ValueFrame') } } },
          ...ERRORS,
        },
      },
    ],
    ['/openapi.json', 'GET', readOperation('openapi', 'this document', { responses: jsonAnswer({ type: 'object' }) })],
    [
      '/health',
      'GET',
      readOperation('managerHealth', 'state of the manager: its store and duties', {
        about: 'Always 200: `status` tells whether something needs attention. `/readyz` is for load balancers.',
        responses: jsonAnswer(ref('ManagerHealth')),
      }),
    ],
    [
      '/me',
      'GET',
      readOperation('me', 'the caller, and the manager that is called', { responses: jsonAnswer(ref('Me')) }),
    ],
    [
      '/periods',
      'GET',
      readOperation('periods', 'the latest runs of all jobs, by job and period', {
        about:
          'A grid for each length of period that run keys and schedules name: month, quarter, week, day. A run whose key names no period is in the day of its submission. Rehearsals are left out. Looks at the newest 2,000 jobs.',
        parameters: [{ name: 'tz', in: 'query', description: 'IANA zone of the days; UTC unless given', schema: TEXT }],
        responses: jsonAnswer(ref('Periods')),
      }),
    ],
    ['/events', 'GET', events('overview', 'overview', 'Overview', 'everything that is going on, as it changes')],
    [
      '/jobs/{job}/events',
      'GET',
      events('jobEvents', 'status', 'Status', "a job's status, as it changes", {
        parameters: [{ name: 'job', in: 'path', required: true, schema: TEXT }],
      }),
    ],
  ];
}

function events(
  operationId: string,
  event: string,
  schema: string,
  summary: string,
  more: Pick<Operation, 'parameters'> = {},
): Json {
  const end =
    event === 'status'
      ? ' After the `status` of a job that has ended, `end` with `{}` follows, and the stream closes.'
      : '';
  return readOperation(operationId, summary, {
    about: `Server-sent events: \`${event}\`, at once and after each change, with the document \`${schema}\` on one line as its data; \`trouble\`, with an error, if an update failed; \`leaving\` when the manager shuts down.${end} A comment every 15 s shows that the connection is alive. After a disconnect, connect again: each event is complete.`,
    'x-event': { [event]: ref(schema) },
    responses: { 200: { description: 'events', content: { 'text/event-stream': { schema: TEXT } } } },
    ...more,
  });
}

const CELL_STATES = [...JOB_STATES, 'due', 'missed', 'coming'] as const satisfies readonly GridCell['state'][];

const TEXT = { type: 'string' } as const;
const TEXT_OR_NULL = { type: ['string', 'null'] } as const;
const INSTANT = { type: 'string', format: 'date-time' } as const;
const TIME = { ...TEXT_OR_NULL, format: 'date-time' } as const;
const TEXTS = { type: 'array', items: TEXT } as const;
const ERROR = { $ref: '#/components/schemas/Error/properties/error' } as const;

export const SERVICE_SCHEMAS = {
  ValueFrame: {
    oneOf: [
      objectSchema({ event: { type: 'object', required: ['event'], properties: { event: TEXT } } }),
      objectSchema({ notice: TEXT }),
      objectSchema({ warning: TEXT }),
      objectSchema({ row: {} }),
      objectSchema({ answer: {} }),
      objectSchema({ alive: { const: true } }),
      objectSchema(
        {
          exit: { type: 'integer', minimum: 0, maximum: 255 },
          error: { oneOf: [{ type: 'null' }, ERROR] },
          next: { type: 'string', description: '`after` of the next page of a list; absent: it is complete' },
        },
        'next',
      ),
    ],
  },
  Me: objectSchema({
    name: { type: 'string', description: 'name of the token' },
    scope: { enum: SCOPES, description: 'what the token allows' },
    version: { type: 'string', description: 'version of the manager' },
    profile: { type: 'string', description: 'from its configuration' },
    location: { type: 'string', description: 'location of its store' },
  }),
  ManagerHealth: objectSchema({
    status: {
      enum: ['ok', 'failing'],
      description: 'failing: the store does not respond, or a duty fails, takes 5 minutes, or has problems',
    },
    store: { type: ['string', 'null'], description: 'why no caller can be accepted; null: the store responds' },
    certificateExpires: { ...TIME, description: 'of its certificate; null: plain HTTP' },
    duties: {
      type: 'array',
      items: objectSchema({
        duty: TEXT,
        done: { ...TIME, description: 'when it last succeeded; null: not yet' },
        running: { ...TIME, description: 'start of the current run; null: not running' },
        failing: { oneOf: [{ type: 'null' }, objectSchema({ since: INSTANT, message: TEXT })] },
        troubles: { ...TEXTS, description: 'what its last run could not do, while the rest was done' },
      }),
    },
  }),
  Periods: objectSchema({
    bands: {
      type: 'array',
      items: objectSchema({
        unit: { enum: ['month', 'quarter', 'week', 'day'] },
        columns: { ...TEXTS, description: 'the newest first: 2026-11, 2026-Q4, 2026-W48, 2026-11-28' },
        rows: { type: 'array', items: ref('PeriodsRow') },
        left: {
          type: 'integer',
          minimum: 0,
          description: 'number of rows left out beyond 60: those that least need attention',
        },
      }),
    },
    more: { type: 'boolean', description: 'there are older jobs, which were not looked at' },
    troubles: {
      type: 'array',
      description: 'what could not be read: it is left out',
      items: ERROR,
    },
  }),
  PeriodsRow: objectSchema({
    name: { type: 'string', description: "the job's name" },
    schedule: {
      type: ['string', 'null'],
      description: "the schedule that runs it, if its name is not the job's",
    },
    cells: {
      type: 'array',
      items: { oneOf: [{ type: 'null' }, ref('PeriodsCell')] },
      description: 'one for each column; null: nothing ran, and nothing should have',
    },
  }),
  PeriodsCell: objectSchema({
    state: {
      enum: CELL_STATES,
      description:
        'of the run that most needs attention; without a job: due (should have started), missed (will not start), paused, coming',
    },
    job: { type: ['string', 'null'], description: 'null for a run that is missing, or not due yet' },
    period: { type: ['string', 'null'], description: 'as in the run key; null for a run whose key names none' },
    reason: TEXT_OR_NULL,
    at: { ...INSTANT, description: 'when it was submitted; without a job: when it is due' },
    closedAt: TIME,
    finishBy: { ...TIME, description: 'the deadline of a closed run' },
    late: { type: 'boolean', description: 'it closed after its deadline' },
    states: {
      type: 'object',
      description: 'runs of the cell by state; a repeated run key counts once, by its latest run',
      propertyNames: { enum: CELL_STATES },
      additionalProperties: { type: 'integer', minimum: 1 },
    },
  }),
  Overview: objectSchema({
    now: { ...INSTANT, description: "the manager's clock at the update that found a change" },
    keeper: {
      type: ['string', 'null'],
      description: 'the manager or tick that was active in the last 15 minutes',
    },
    jobs: { ...listOf('Status'), description: 'open jobs, and those closed within a day; the newest 200' },
    more: { type: 'boolean', description: 'there are more of them' },
    workers: listOf('Workers'),
    groups: listOf('Scale'),
    queues: listOf('Queue'),
    firings: { ...listOf('ScheduleNext'), description: 'the next ten of all schedules' },
    troubles: {
      type: 'array',
      description: 'what could not be read: those fields are unchanged, or empty',
      items: ERROR,
    },
  }),
};

export const ERROR_SCHEMA = objectSchema({
  error: objectSchema(
    {
      kind: { enum: Object.keys(STATUSES) as ErrorKind[], description: 'a stable identifier; more may be added' },
      message: { type: 'string', description: 'what was expected, and what was found' },
      hint: { type: ['string', 'null'], description: 'how to fix it' },
      question: { type: 'string', description: 'what to ask before the same call is made with `yes`' },
      again: { const: true, description: 'the manager is leaving: make the same call again' },
    },
    'question',
    'again',
  ),
});

const body = (example: unknown) => ({
  'application/json': { schema: { $ref: '#/components/schemas/Error' }, example },
});

const byStatus = (from: number, to: number): string =>
  Object.entries(STATUSES)
    .filter(([, status]) => status >= from && status < to)
    .map(([kind, status]) => `${status} ${kind}`)
    .join(', ');

export const ERROR_RESPONSES = {
  Refused: {
    description: `The call or the verb was refused: ${byStatus(400, 500)}. Also: 401 without a valid token, 403 without the required scope, 405, 408, 413, 415, 426 for a command line of another version, 429 with Retry-After.`,
    content: body({
      error: { kind: 'notFound', message: 'there is no job with the id or prefix nope', hint: 'batchctl jobs' },
    }),
  },
  Failed: {
    description: `It could not be done now: ${byStatus(500, 600)}.`,
    content: body({ error: { kind: 'unavailable', message: 'S3 does not respond', hint: 'batchctl doctor' } }),
  },
};

export const ERRORS = {
  '4XX': { $ref: '#/components/responses/Refused' },
  '5XX': { $ref: '#/components/responses/Failed' },
};

export const VERB_HEADERS = {
  [EXIT_HEADER]: {
    description: 'the exit code of the command',
    schema: { type: 'string', pattern: '^[0-9]+$' },
  },
  [ERROR_HEADER]: {
    description: 'for an answer despite an error (a failed proof): the error, as ASCII JSON',
    schema: TEXT,
  },
  [WARNINGS_HEADER]: {
    description: 'warnings of the verb, as an ASCII JSON list of texts',
    schema: TEXT,
  },
};
