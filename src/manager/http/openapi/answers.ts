import type { ErrorKind } from '../../../errors.ts';
import { ERROR_HEADER, EXIT_HEADER, WARNINGS_HEADER } from '../../../model/api.ts';
import { STATUSES } from '../error-answers.ts';

/** The schema of every error answer. */
export const ERROR_SCHEMA = {
  type: 'object',
  required: ['error'],
  additionalProperties: false,
  properties: {
    error: {
      type: 'object',
      required: ['kind', 'message', 'hint'],
      additionalProperties: false,
      properties: {
        kind: { enum: Object.keys(STATUSES) as ErrorKind[], description: 'a stable identifier; more may be added' },
        message: { type: 'string', description: 'what was expected, and what was found' },
        hint: { type: ['string', 'null'], description: 'how to fix it' },
        question: { type: 'string', description: 'what to ask before the same call is made with `yes`' },
        again: { const: true, description: 'the manager is leaving: make the same call again' },
      },
    },
  },
};

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
    content: body({
      error: { kind: 'unavailable', message: 'S3 does not respond', hint: 'batchctl doctor' },
    }),
  },
};

export const ERRORS = {
  '4XX': { $ref: '#/components/responses/Refused' },
  '5XX': { $ref: '#/components/responses/Failed' },
};

/** Headers of a verb's answer. */
export const VERB_HEADERS = {
  [EXIT_HEADER]: {
    description: 'the exit code of the command',
    schema: { type: 'string', pattern: '^[0-9]+$' },
  },
  [ERROR_HEADER]: {
    description: 'for an answer despite an error (a failed proof): the error, as ASCII JSON',
    schema: { type: 'string' },
  },
  [WARNINGS_HEADER]: {
    description: 'warnings of the verb, as an ASCII JSON list of texts',
    schema: { type: 'string' },
  },
};
