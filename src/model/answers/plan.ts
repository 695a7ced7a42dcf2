import * as v from 'valibot';
import { EMPTY_INPUTS } from './changes.ts';
import {
  count,
  describe,
  instant,
  instantOrNull,
  jobName,
  number,
  numberOrNull,
  runKeyOrNull,
  text,
  textOrNull,
  type Value,
} from './shapes.ts';

const range = {
  low: describe(number, 'one in ten is below'),
  expected: describe(number, 'the median'),
  high: describe(number, 'one in ten is above'),
};
const estimate = (description: string) => describe(v.object(range), description);
const estimateOrNull = (description: string) => describe(v.nullable(v.object(range)), description);

export const FORECAST = v.object({
  slots: describe(count, 'tasks at a time'),
  seconds: estimate('from submission to the end'),
  doubled: describe(
    v.object({ slots: count, seconds: describe(v.object(range), '`low`, `expected`, `high`') }),
    'the same with twice as many slots',
  ),
  tasks: estimate('of all steps'),
  bytesIn: estimate('read by all tasks'),
  bytesOut: estimate('written by all tasks'),
  disk: estimate('bytes that remain in the store'),
  cpuSeconds: estimateOrNull('null if not measured'),
  peakMemory: estimateOrNull('bytes of the largest task; null if not measured'),
  cost: describe(numberOrNull, 'estimate in US dollars; null if no price is known, as on this machine'),
  runs: describe(count, 'jobs that the forecast is based on'),
  load: describe(
    v.nullable(
      v.object({
        average: describe(number, "of a minute, without the rehearsal's own workers"),
        cores: describe(count, 'processors'),
      }),
    ),
    "set if the machine's load, without its own workers, exceeded its processors; the ranges are wider then",
  ),
  steps: describe(
    v.array(
      v.object({
        name: describe(text, "the step's name"),
        tasks: estimate('how many'),
        taskSeconds: estimate('average of one task'),
        bytesOut: estimate('written'),
      }),
    ),
    'in the order of the job file',
  ),
  unseen: describe(v.array(text), 'steps without earlier runs'),
});

/** The answer of `plan`: the effects of a submission. */
export const PLAN = v.object({
  name: jobName,
  runKey: runKeyOrNull,
  existing: describe(
    v.nullable(
      v.object({
        job: text,
        sameContent: describe(
          v.boolean(),
          'false: the submission would be refused, unless `--existing`, `--again` or `--extend`',
        ),
        added: v.optional(describe(count, 'with `--extend`: the tasks of the first step that it would add')),
        differences: describe(
          v.array(
            v.object({
              field: describe(text, '`period`, `params.region`, `steps.price.run`, `input claims.csv`'),
              from: describe(textOrNull, "the job's value; null where it is not shown"),
              to: describe(textOrNull, "the submission's value; null where it is not shown"),
            }),
          ),
          "the job's values and the submission's; null where they are not shown",
        ),
      }),
    ),
    'the job that already has the run key; nothing would be submitted',
  ),
  inputs: describe(
    v.array(v.object({ name: text, size: count, records: v.nullable(count), compression: textOrNull })),
    'each with `name`, `size`, `records` (null if not counted), `compression` (null, gzip, zstd)',
  ),
  moreInputs: describe(count, 'inputs that are not listed, because of --limit'),
  emptyInputs: EMPTY_INPUTS,
  axes: describe(
    v.array(
      v.object({
        name: describe(text, 'the parameter'),
        values: describe(count, 'how many'),
        first: text,
        last: text,
      }),
    ),
    'of a grid, and `index` of a range; empty for other splits',
  ),
  excluded: describe(count, 'combinations that `exclude` leaves out of a grid'),
  bytes: describe(count, 'of all inputs, as they are stored'),
  parts: describe(count, 'tasks of the first step'),
  records: describe(v.nullable(count), 'of all inputs; null if not counted'),
  steps: describe(
    v.array(
      v.object({
        name: text,
        group: text,
        tasks: describe(v.nullable(count), 'null after an explode: one for each file that the step before makes'),
        gather: v.boolean(),
        join: describe(
          v.nullable(v.picklist(['lines', 'bytes', 'guess'])),
          'how a gather that reads joined outputs gets them (guess: lines if they are text, otherwise bytes); null for other steps',
        ),
      }),
    ),
    'each with `name`, `group`, `tasks` (null after an `explode`), `gather`, `join` (or null)',
  ),
  tasks: describe(count, 'in all steps, except those after an explode'),
  messages: describe(count, 'on queues, if every task runs once'),
  requests: describe(
    v.object({
      store: describe(count, 'to the store'),
      queue: describe(count, 'to queues'),
      cost: describe(numberOrNull, 'USD at list prices of us-east-1; null if the profile is not on AWS'),
    }),
    'approximate number, without failures; short tasks need about half',
  ),
  files: describe(v.array(text), 'names of the files shipped'),
  forecast: describe(v.nullable(FORECAST), 'from earlier runs of the same job; null if there are none'),
  notBefore: describe(instantOrNull, 'the start time that the job would have'),
  finishBy: describe(instantOrNull, 'the deadline that the job would have'),
  maxCost: describe(numberOrNull, 'US dollars; null without a limit'),
  projected: describe(
    v.nullable(
      v.object({
        low: describe(instant, 'one in ten is below'),
        expected: describe(instant, 'the median'),
        high: describe(instant, 'one in ten is above'),
      }),
    ),
    'forecast end, if it were submitted now and started at once, or at --at; null without a forecast',
  ),
});

export type Plan = Value<typeof PLAN>;
