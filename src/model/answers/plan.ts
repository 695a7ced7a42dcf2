import * as v from 'valibot';
import { EMPTY_INPUTS } from './changes.ts';
import {
  count,
  describe,
  instant,
  instantOrNull,
  number,
  numberOrNull,
  text,
  textOrNull,
  type Value,
} from './shapes.ts';

const range = { low: number, expected: number, high: number };
const estimate = (description: string) => describe(v.object(range), description);
const estimateOrNull = (description: string) => describe(v.nullable(v.object(range)), description);

export const FORECAST = v.object({
  slots: describe(count, 'tasks at a time'),
  seconds: estimate('from submission to the end'),
  doubled: describe(v.object({ slots: count, seconds: v.object(range) }), 'the same with twice as many slots'),
  tasks: estimate('in all steps'),
  bytesIn: estimate('read by all tasks'),
  bytesOut: estimate('written by all tasks'),
  disk: estimate('bytes that remain in the store'),
  cpuSeconds: estimateOrNull('null if not measured'),
  peakMemory: estimateOrNull('of the largest task'),
  cost: describe(numberOrNull, 'estimate in US dollars; null if no price is known, as on this machine'),
  runs: describe(count, 'jobs that the forecast is based on'),
  load: describe(
    v.nullable(v.object({ average: number, cores: count })),
    "set if the machine's load, without its own workers, exceeded its processors; the ranges are wider then",
  ),
  steps: v.array(
    v.object({
      name: text,
      tasks: estimate('how many'),
      taskSeconds: estimate('average of one task'),
      bytesOut: estimate('written'),
    }),
  ),
  unseen: describe(v.array(text), 'steps without earlier runs'),
});

/** The answer of `plan`: the effects of a submission. */
export const PLAN = v.object({
  name: text,
  runKey: textOrNull,
  existing: describe(
    v.nullable(
      v.object({
        job: text,
        sameContent: describe(v.boolean(), 'false: the submission would be refused, unless --existing or --again'),
        differences: describe(
          v.array(v.object({ field: text, from: textOrNull, to: textOrNull })),
          "the job's values and the submission's; null where they are not shown",
        ),
      }),
    ),
    'the job that already has the run key; nothing would be submitted',
  ),
  inputs: v.array(v.object({ name: text, size: count, records: v.nullable(count), compression: textOrNull })),
  emptyInputs: EMPTY_INPUTS,
  bytes: describe(count, 'of all inputs'),
  parts: count,
  records: v.nullable(count),
  steps: v.array(
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
  tasks: describe(count, 'in all steps, except those after an explode'),
  messages: describe(count, 'on queues, if every task runs once'),
  requests: describe(
    v.object({
      store: count,
      queue: count,
      cost: describe(numberOrNull, 'USD at list prices of us-east-1; null if the profile is not on AWS'),
    }),
    'approximate number, without failures; short tasks need about half',
  ),
  files: describe(v.array(text), 'shipped to the workers'),
  forecast: describe(v.nullable(FORECAST), 'from earlier runs of the job; null if there are none'),
  notBefore: describe(instantOrNull, 'the start time that the job would have'),
  finishBy: describe(instantOrNull, 'the deadline that the job would have'),
  maxCost: describe(numberOrNull, 'USD'),
  projected: describe(
    v.nullable(v.object({ low: instant, expected: instant, high: instant })),
    'forecast end, if it were submitted now and started at once, or at --at; null without a forecast',
  ),
});

export type Plan = Value<typeof PLAN>;
