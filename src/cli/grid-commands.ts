import type { CommandEntry } from './command-entry.ts';

/** The commands that are about workers and their queues. */
export const GRID_COMMANDS: readonly CommandEntry[] = [
  {
    name: 'scale',
    group: 'Grid',
    summary: 'set or show the size of a worker group',
    load: async () => (await import('./commands/scale.ts')).scaleCommand,
  },
  {
    name: 'workers',
    group: 'Grid',
    summary: 'one line a worker: what it runs and ran, when it was seen',
    load: async () => (await import('./commands/workers.ts')).workersCommand,
  },
  {
    name: 'workers drain',
    group: 'Grid',
    summary: 'tell a worker to finish what it runs and leave',
    load: async () => (await import('./commands/workers-order.ts')).workersDrainCommand,
  },
  {
    name: 'workers stop',
    group: 'Grid',
    summary: 'tell a worker to give its tasks back and leave now',
    load: async () => (await import('./commands/workers-order.ts')).workersStopCommand,
  },
  {
    name: 'workers logs',
    group: 'Grid',
    summary: "a worker's own log, and what it said as it started",
    load: async () => (await import('./commands/workers-logs.ts')).workersLogsCommand,
  },
  {
    name: 'worker',
    group: 'Grid',
    summary: 'the task loop: takes tasks and runs them',
    load: async () => (await import('./commands/worker.ts')).workerCommand,
  },
  {
    name: 'queue',
    group: 'Grid',
    summary: 'how much waits, is leased, delayed and dead',
    load: async () => (await import('./commands/queue.ts')).queueCommand,
  },
  {
    name: 'queue redrive',
    group: 'Grid',
    summary: 'send dead letters back',
    load: async () => (await import('./commands/queue-redrive.ts')).queueRedriveCommand,
  },
  {
    name: 'queue purge',
    group: 'Grid',
    summary: 'delete what waits in a queue',
    load: async () => (await import('./commands/queue-purge.ts')).queuePurgeCommand,
  },
];
