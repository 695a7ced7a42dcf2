import type { CommandEntry } from './command-entry.ts';

/** Commands for workers and their queues. */
export const GRID_COMMANDS: readonly CommandEntry[] = [
  {
    name: 'scale',
    group: 'Grid',
    summary: 'Set or show the size of a worker group',
    load: async () => (await import('./commands/scale.ts')).scaleCommand,
  },
  {
    name: 'workers',
    group: 'Grid',
    summary: 'List workers: what each runs, what it has done, when it was last seen',
    load: async () => (await import('./commands/workers.ts')).workersCommand,
  },
  {
    name: 'workers drain',
    group: 'Grid',
    summary: 'Tell a worker to finish its tasks and exit',
    load: async () => (await import('./commands/workers-order.ts')).workersDrainCommand,
  },
  {
    name: 'workers stop',
    group: 'Grid',
    summary: 'Tell a worker to return its tasks and exit now',
    load: async () => (await import('./commands/workers-order.ts')).workersStopCommand,
  },
  {
    name: 'workers logs',
    group: 'Grid',
    summary: "Print a worker's log and boot log",
    load: async () => (await import('./commands/workers-logs.ts')).workersLogsCommand,
  },
  {
    name: 'worker',
    group: 'Grid',
    summary: 'Run a worker: take tasks and run them',
    load: async () => (await import('./commands/worker.ts')).workerCommand,
  },
  {
    name: 'queue',
    group: 'Grid',
    summary: 'Show how many messages are waiting, leased, delayed and dead',
    load: async () => (await import('./commands/queue.ts')).queueCommand,
  },
  {
    name: 'queue redrive',
    group: 'Grid',
    summary: 'Send dead letters back to their queue',
    load: async () => (await import('./commands/queue-redrive.ts')).queueRedriveCommand,
  },
  {
    name: 'queue purge',
    group: 'Grid',
    summary: 'Delete the messages waiting in a queue',
    load: async () => (await import('./commands/queue-purge.ts')).queuePurgeCommand,
  },
];
