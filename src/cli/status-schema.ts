import type { JsonSchema } from './command.ts';

const count = { type: 'integer', minimum: 0 };
const textOrNull = { type: ['string', 'null'] };
const numberOrNull = { type: ['number', 'null'] };

/** Whether a job's outputs are where they are to be delivered. */
export const DELIVERY: JsonSchema = {
  type: ['object', 'null'],
  description: 'null of a job that delivers nothing',
  properties: {
    to: { type: 'string' },
    host: { ...textOrNull, description: 'the machine whose directory it is; null of a bucket' },
    state: {
      enum: ['waiting', 'none', 'due', 'failing', 'givenUp', 'delivered'],
      description:
        'none: the job ended otherwise; failing: tried again after a while; givenUp: only by watch, wait, run',
    },
    delivered: {
      type: ['object', 'null'],
      properties: {
        to: { type: 'string' },
        when: { type: 'string', format: 'date-time' },
        who: { type: 'string' },
        outputs: count,
        bytes: count,
      },
    },
    failed: {
      type: ['object', 'null'],
      description: 'the last try that failed',
      properties: {
        tries: count,
        when: { type: 'string', format: 'date-time' },
        who: { type: 'string' },
        kind: { type: 'string' },
        message: { type: 'string' },
        hint: textOrNull,
      },
    },
  },
};

/** What `status --json` prints; `run` and `watch` print the same. */
export const STATUS_OUTPUT: JsonSchema = {
  type: 'object',
  required: ['job', 'name', 'runKey', 'round', 'asked', 'state', 'reason', 'exact', 'steps'],
  properties: {
    job: { type: 'string' },
    name: { type: 'string' },
    runKey: textOrNull,
    round: count,
    asked: { ...count, description: 'tasks that this round asks for again; among the failed until they run' },
    state: { enum: ['submitted', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] },
    reason: {
      ...textOrNull,
      description: 'a stable code: failures, stopped, expect, halt, deployment, secret; or why a person paused it',
    },
    detail: { ...textOrNull, description: 'what a guard found that has paused it, in words' },
    exact: { type: 'boolean', description: 'the counts are known to equal what the store says' },
    steps: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          name: { type: 'string' },
          group: { type: 'string' },
          total: { ...count, type: ['integer', 'null'], description: 'null behind an explode that is not opened yet' },
          waiting: count,
          running: count,
          done: count,
          failed: { ...count, description: 'for good' },
          skipped: count,
          retried: { ...count, description: 'failed attempts that were tried again' },
          interrupted: { ...count, description: 'attempts given back unharmed' },
        },
      },
    },
    rate: { ...numberOrNull, description: 'tasks a second' },
    eta: { ...numberOrNull, description: 'seconds' },
    finishBy: { ...textOrNull, format: 'date-time', description: 'the deadline' },
    projected: { ...textOrNull, format: 'date-time', description: 'when it will have ended at that rate' },
    cost: numberOrNull,
    counters: { type: 'object', description: 'by step: counters, exact decimals as text' },
    workers: { type: 'object', properties: { running: count, slots: count } },
    keeper: { ...textOrNull, description: 'the manager or tick that left its mark in the last 15 minutes' },
    notBefore: { ...textOrNull, format: 'date-time', description: 'no task begins before it' },
    createdAt: { type: 'string', format: 'date-time' },
    closedAt: { ...textOrNull, format: 'date-time' },
    prunedAt: { ...textOrNull, format: 'date-time', description: 'when its outputs, parts and logs were removed' },
    delivery: DELIVERY,
    rehearsal: {
      type: ['object', 'null'],
      description: 'of a rehearsal: how many parts it runs on, of how many; null of a real job',
      properties: { parts: count, of: count },
    },
    created: { type: 'boolean', description: 'only of run: false for a job that was there' },
    output: { ...textOrNull, description: 'only of run: where the outputs are' },
  },
};
