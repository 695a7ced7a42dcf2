const number = { type: 'number', minimum: 0 };
const count = { type: 'integer', minimum: 0 };

const estimate = (description: string) => ({
  type: 'object',
  description: `${description}; one in ten is below low, one in ten above high`,
  properties: { low: number, expected: number, high: number },
});
const unknown = (description: string) => ({ ...estimate(description), type: ['object', 'null'] });

/** A forecast, as `plan` and `rehearse` give it. */
export const FORECAST_SCHEMA = {
  type: ['object', 'null'],
  properties: {
    slots: { ...count, description: 'tasks at a time' },
    seconds: estimate('from submission to the end'),
    doubled: {
      type: 'object',
      description: 'the same on twice as many slots',
      properties: { slots: count, seconds: { type: 'object' } },
    },
    tasks: estimate('of all steps'),
    bytesIn: estimate('read by all tasks'),
    bytesOut: estimate('written by all tasks'),
    disk: estimate('bytes that stay in the store'),
    cpuSeconds: unknown('null where it was not measured'),
    peakMemory: unknown('of the largest task'),
    cost: {
      type: ['number', 'null'],
      description: 'US dollars, about; null where no price is known, as on this machine',
    },
    runs: { ...count, description: 'jobs that it was learnt from' },
    load: {
      type: ['object', 'null'],
      description: 'where the machine had more to do than processors, its own workers apart; the bars are wider for it',
      properties: { average: number, cores: count },
    },
    steps: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          name: { type: 'string' },
          tasks: estimate('how many'),
          taskSeconds: estimate('of one task, on average'),
          bytesOut: estimate('written'),
        },
      },
    },
    unseen: { type: 'array', items: { type: 'string' }, description: 'steps that nothing was learnt of' },
  },
} as const;
