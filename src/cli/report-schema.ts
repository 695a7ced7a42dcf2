import type { JsonSchema } from './command.ts';

const count = { type: 'integer', minimum: 0 };
const text = { type: 'string' };
const number = { type: 'number' };
const time = { type: 'string', format: 'date-time' };
const textOrNull = { type: ['string', 'null'] };
const numberOrNull = { type: ['number', 'null'] };
const countOrNull = { type: ['integer', 'null'] };
const timeOrNull = { type: ['string', 'null'], format: 'date-time' };
const map = { type: 'object' };

const list = (properties: Readonly<Record<string, unknown>>) => ({
  type: 'array',
  items: { type: 'object', properties },
});
const object = (properties: Readonly<Record<string, unknown>>) => ({ type: 'object', properties });
const nullable = (properties: Readonly<Record<string, unknown>>) => ({ type: ['object', 'null'], properties });

const distribution = nullable({
  ...{ count, min: number, mean: number, p50: number, p95: number, p99: number, max: number, sum: number },
  bins: list({ from: number, to: number, count }),
});

const step = {
  ...{ name: text, group: text, gather: { type: 'boolean' } },
  ...{ tasks: count, done: count, failed: count, skipped: count, retried: count, interrupted: count },
  ...{ duration: distribution, wait: distribution },
  ...{
    bytesIn: count,
    bytesOut: count,
    cpuSeconds: numberOrNull,
    peakMemory: countOrNull,
    counters: map,
    cost: numberOrNull,
  },
};

const figure = {
  ...{ code: text, name: text, step: textOrNull },
  unit: { enum: ['seconds', 'bytes', 'count', 'perSecond', 'share', 'usd', 'number'] },
  ...{ perTask: { type: 'boolean' }, before: numberOrNull, now: numberOrNull, change: numberOrNull },
  ...{ better: { enum: ['less', 'more', null] }, matters: { type: 'boolean' }, regressed: { type: 'boolean' } },
};

/** What `report --json` prints. */
export const REPORT_OUTPUT: JsonSchema = {
  type: 'object',
  required: ['format', 'job', 'name', 'runKey', 'state', 'steps', 'totals', 'compared'],
  properties: {
    ...{ format: { const: 1 }, job: text, name: text, runKey: textOrNull, period: textOrNull },
    state: { enum: ['submitted', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] },
    ...{ reason: textOrNull, round: count, labels: map, params: map },
    rehearsal: object({ parts: count, of: count }),
    ...{ createdBy: text, host: text, version: text, digest: text, code: textOrNull },
    ...{ createdAt: time, startedAt: timeOrNull, endedAt: timeOrNull, closedAt: timeOrNull, seconds: number },
    exact: { type: 'boolean' },
    proof: nullable({ key: text, when: time, deep: { type: 'boolean' } }),
    inputs: object({ count, bytes: count, records: countOrNull }),
    parts: count,
    steps: list(step),
    totals: object({
      ...{ tasks: count, done: count, failed: count, skipped: count, attempts: count },
      ...{ retried: count, interrupted: count, bytesIn: count, bytesOut: count, cpuSeconds: numberOrNull },
      ...{ usefulSeconds: number, lostSeconds: number, slots: count, slotSeconds: number },
      ...{ utilisation: numberOrNull, rate: numberOrNull },
    }),
    throughput: object({
      ...{ from: timeOrNull, seconds: number },
      bins: list({ done: count, retried: count, failed: count, interrupted: count, running: number, slots: number }),
    }),
    timeline: object({
      ...{ from: timeOrNull, seconds: number, hidden: count },
      rows: list({
        ...{ label: text, worker: textOrNull, slots: count, busy: number },
        bars: list({
          ...{ start: number, end: number, task: text },
          outcome: { enum: ['done', 'failedAttempt', 'failed', 'interrupted', 'running'] },
        }),
        shares: { type: ['array', 'null'], items: number },
      }),
    }),
    workers: list({
      ...{ worker: text, host: textOrNull, slots: count, from: time, to: time },
      ...{ done: count, failedAttempts: count, interrupted: count, busySeconds: number },
    }),
    causes: list({
      ...{ cause: text, step: text, reason: text, exitCode: { type: ['integer', 'null'] }, error: text },
      ...{ attempts: count, forGood: count, badInput: count, firstAt: time, lastAt: time },
      example: object({ task: text, error: textOrNull, log: text }),
    }),
    slowest: list({
      ...{ task: text, seconds: number, times: number, attempts: count, worker: text },
      ...{ bytesIn: countOrNull, peakMemory: countOrNull, log: text },
    }),
    expectations: list({ equation: text, ok: { type: ['boolean', 'null'] }, left: textOrNull, right: textOrNull }),
    decisions: list({ when: time, who: text, what: text, text }),
    late: { type: 'array', items: text },
    cost: nullable({ usd: number, basis: text }),
    compared: nullable({
      ...{ job: text, name: text, createdAt: time, perTask: { type: 'boolean' }, regress: numberOrNull },
      ...{ figures: list(figure), regressions: { type: 'array', items: text } },
    }),
  },
};
