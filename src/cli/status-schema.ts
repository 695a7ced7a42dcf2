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
      description:
        'a stable code: failures, stopped, expect, halt, deployment, secret, denied, budget; or why a person paused it',
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
    projected: {
      ...{ ...textOrNull, format: 'date-time' },
      description: 'when it will have ended: with a deadline by the model that sizes groups, else at that rate',
    },
    projectedEarliest: {
      ...{ ...textOrNull, format: 'date-time' },
      description:
        'of a job with a deadline: it ends between these in 19 of 20 cases; null while part of it is assumed',
    },
    projectedLatest: { ...textOrNull, format: 'date-time' },
    cost: { ...numberOrNull, description: 'US dollars so far; null where a price is not known, or nothing costs any' },
    costProjected: { ...numberOrNull, description: 'by its end; null once it is over, and while it is not known' },
    maxCost: { ...numberOrNull, description: "at so much it pauses: its own limit, else the profile's" },
    costUnknown: { type: 'array', items: { type: 'string' }, description: 'instance types without a price' },
    counters: { type: 'object', description: 'by step: counters, exact decimals as text' },
    workers: { type: 'object', properties: { running: count, slots: count } },
    keeper: { ...textOrNull, description: 'the manager or tick that left its mark in the last 15 minutes' },
    notBefore: { ...textOrNull, format: 'date-time', description: 'no task begins before it' },
    createdAt: { type: 'string', format: 'date-time' },
    closedAt: { ...textOrNull, format: 'date-time' },
    prunedAt: { ...textOrNull, format: 'date-time', description: 'when its outputs, parts and logs were removed' },
    journalHole: {
      type: ['object', 'null'],
      description: 'an entry of its journal that is missing before others: what those decided is not told here',
      properties: {
        missing: { type: 'integer', description: 'the number of the first one that is missing' },
        last: { type: 'integer', description: 'the number of the last one that is there' },
      },
    },
    delivery: DELIVERY,
    untold: {
      type: 'array',
      description: 'of a job that is closed or paused: who could not be told of it (docs/notify.md); else empty',
      items: {
        type: 'object',
        properties: {
          event: { type: 'string', description: 'its id' },
          to: { type: 'string', description: 'of a URL the host alone' },
          tries: count,
          message: { ...textOrNull, description: 'why the last try failed; null of one that died' },
          next: { ...textOrNull, format: 'date-time', description: 'when it is tried again; null: never' },
        },
      },
    },
    rehearsal: {
      type: ['object', 'null'],
      description: 'of a rehearsal: how many parts it runs on, of how many; null of a real job',
      properties: { parts: count, of: count },
    },
    created: { type: 'boolean', description: 'only of run: false for a job that was there' },
    output: { ...textOrNull, description: 'only of run: where the outputs are' },
  },
};
