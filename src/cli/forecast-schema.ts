const number = { type: 'number', minimum: 0 };
const count = { type: 'integer', minimum: 0 };

const estimate = (description: string) => ({
  type: 'object',
  description: `${description}; one in ten is below low, one in ten above high`,
  properties: { low: number, expected: number, high: number },
});
const unknown = (description: string) => ({ ...estimate(description), type: ['object', 'null'] });

/** A forecast, as in `plan` and `rehearse`. */
export const FORECAST_SCHEMA = {
  type: ['object', 'null'],
  properties: {
    slots: { ...count, description: 'tasks at a time' },
    seconds: estimate('from submission to the end'),
    doubled: {
      type: 'object',
      description: 'the same with twice as many slots',
      properties: { slots: count, seconds: { type: 'object' } },
    },
    tasks: estimate('in all steps'),
    bytesIn: estimate('read by all tasks'),
    bytesOut: estimate('written by all tasks'),
    disk: estimate('bytes that remain in the store'),
    cpuSeconds: unknown('null if not measured'),
    peakMemory: unknown('of the largest task'),
    cost: {
      type: ['number', 'null'],
      description: 'estimate in US dollars; null if no price is known, as on this machine',
    },
    runs: { ...count, description: 'jobs that the forecast is based on' },
    load: {
      type: ['object', 'null'],
      description:
        "set if the machine's load, without its own workers, exceeded its processors; the ranges are wider then",
      properties: { average: number, cores: count },
    },
    steps: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          name: { type: 'string' },
          tasks: estimate('how many'),
          taskSeconds: estimate('average of one task'),
          bytesOut: estimate('written'),
        },
      },
    },
    unseen: { type: 'array', items: { type: 'string' }, description: 'steps without earlier runs' },
  },
} as const;
