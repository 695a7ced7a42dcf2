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
    cause: { type: 'string', description: 'its id, the same in every job' },
    step: { type: 'string' },
    exitCode: { type: ['integer', 'null'] },
    reason: { type: 'string' },
    error: { ...textOrNull, description: 'the last line of stderr, folded' },
    count: { type: 'integer', description: 'tasks that failed so, without those skipped' },
    tasks: { type: 'string', description: 'which: 0-4,17' },
    skippedCount: { type: 'integer' },
    skipped: { type: 'string', description: 'tasks that failed so and that a person skipped' },
    first: { ...dateOrNull, description: 'when the first of them failed' },
    last: dateOrNull,
    workers: { type: 'integer', description: 'on how many workers, counted up to 1,000' },
    badInput: {
      type: 'integer',
      description: "tasks that used up their attempts on two workers or more, of the job's first 1,000 failures",
    },
    example: {
      type: 'object',
      required: ['task', 'worker', 'attempt', 'error', 'log', 'tail'],
      properties: {
        task: { type: 'integer' },
        worker: textOrNull,
        attempt: { ...textOrNull, description: 'null when nothing ran' },
        error: { ...textOrNull, description: 'the last line of stderr as it was' },
        log: { ...textOrNull, description: "the log's key; null when nothing was written" },
        tail: { type: 'array', items: { type: 'string' }, description: "the log's last lines, at most ten" },
      },
    },
  },
};
