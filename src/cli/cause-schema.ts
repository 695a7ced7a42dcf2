import type { JsonSchema } from './command.ts';

const textOrNull = { type: ['string', 'null'] };
const dateOrNull = { ...textOrNull, format: 'date-time' };

/** One line of `failures --json`. */
export const FAILURES_OUTPUT: JsonSchema = {
  type: 'object',
  required: [
    ...['job', 'cause', 'step', 'exitCode', 'reason', 'error', 'count', 'tasks', 'skippedCount', 'skipped'],
    ...['first', 'last', 'workers', 'badInput', 'example'],
  ],
  properties: {
    job: { type: 'string' },
    cause: { type: 'string', description: 'id of the cause, the same in every job' },
    step: { type: 'string' },
    exitCode: { type: ['integer', 'null'] },
    reason: { type: 'string' },
    error: { ...textOrNull, description: 'the last line of stderr, without numbers, ids, paths and times' },
    count: { type: 'integer', description: 'tasks that failed for this cause, without skipped ones' },
    tasks: { type: 'string', description: 'the tasks: 0-4,17' },
    skippedCount: { type: 'integer' },
    skipped: { type: 'string', description: 'tasks that failed for this cause and were skipped by a person' },
    first: { ...dateOrNull, description: 'when the first of them failed' },
    last: dateOrNull,
    workers: { type: 'integer', description: 'number of workers, counted up to 1,000' },
    badInput: {
      type: 'integer',
      description: "tasks that used up their attempts on at least two workers, among the job's first 1,000 failures",
    },
    example: {
      type: 'object',
      required: ['task', 'worker', 'attempt', 'error', 'log', 'tail'],
      properties: {
        task: { type: 'integer' },
        worker: textOrNull,
        attempt: { ...textOrNull, description: 'null if nothing ran' },
        error: { ...textOrNull, description: 'the last line of stderr, unchanged' },
        log: { ...textOrNull, description: 'key of the log; null if nothing was written' },
        tail: { type: 'array', items: { type: 'string' }, description: 'the last lines of the log, up to ten' },
      },
    },
  },
};
