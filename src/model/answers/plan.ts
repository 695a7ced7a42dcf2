import * as v from 'valibot';
import { EMPTY_INPUTS } from './changes.ts';
import { count, instant, instantOrNull, number, numberOrNull, text, textOrNull, told, type Value } from './shapes.ts';

const range = { low: number, expected: number, high: number };
const estimate = (description: string) => told(v.object(range), description);
const unknown = (description: string) => told(v.nullable(v.object(range)), description);

export const FORECAST = v.object({
  slots: told(count, 'tasks at a time'),
  seconds: estimate('from submission to the end'),
  doubled: told(v.object({ slots: count, seconds: v.object(range) }), 'the same with twice as many slots'),
  tasks: estimate('in all steps'),
  bytesIn: estimate('read by all tasks'),
  bytesOut: estimate('written by all tasks'),
  disk: estimate('bytes that remain in the store'),
  cpuSeconds: unknown('null if not measured'),
  peakMemory: unknown('of the largest task'),
  cost: told(numberOrNull, 'estimate in US dollars; null if no price is known, as on this machine'),
  runs: told(count, 'jobs that the forecast is based on'),
  load: told(
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
  unseen: told(v.array(text), 'steps without earlier runs'),
});

/** What `plan` answers: what a submission would do. */
export const PLAN = v.object({
  name: text,
  runKey: textOrNull,
  existing: told(
    v.nullable(v.object({ job: text, sameContent: v.boolean() })),
    'the job that already has the run key; nothing would be submitted',
  ),
  inputs: v.array(v.object({ name: text, size: count, records: v.nullable(count), compression: textOrNull })),
  emptyInputs: EMPTY_INPUTS,
  bytes: told(count, 'of all inputs'),
  parts: count,
  records: v.nullable(count),
  steps: v.array(
    v.object({
      name: text,
      group: text,
      tasks: told(v.nullable(count), 'null after an explode: one for each file that the step before makes'),
      gather: v.boolean(),
      join: told(
        v.nullable(v.picklist(['lines', 'bytes'])),
        'how a gather that reads joined outputs gets them; null for other steps',
      ),
    }),
  ),
  tasks: told(count, 'in all steps, except those after an explode'),
  messages: told(count, 'on queues, if every task runs once'),
  requests: told(
    v.object({
      store: count,
      queue: count,
      cost: told(numberOrNull, 'USD at list prices of us-east-1; null if the profile is not on AWS'),
    }),
    'approximate number, without failures; short tasks need about half',
  ),
  files: told(v.array(text), 'shipped to the workers'),
  forecast: told(v.nullable(FORECAST), 'from earlier runs of the job; null if there are none'),
  notBefore: told(instantOrNull, 'the start time that the job would have'),
  finishBy: told(instantOrNull, 'the deadline that the job would have'),
  maxCost: told(numberOrNull, 'USD'),
  projected: told(
    v.nullable(v.object({ low: instant, expected: instant, high: instant })),
    'forecast end, if it were submitted now and started at once, or at --at; null without a forecast',
  ),
});

export type Plan = Value<typeof PLAN>;
