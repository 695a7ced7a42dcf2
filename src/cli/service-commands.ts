import type { CommandEntry } from './command-entry.ts';

/** The commands that are about jobs which begin without a person. */
export const SERVICE_COMMANDS: readonly CommandEntry[] = [
  {
    name: 'manager',
    group: 'Service',
    summary: 'the job manager as a service: API, dashboard, schedules',
    load: async () => (await import('./commands/manager.ts')).managerCommand,
  },
  {
    name: 'manager token create',
    group: 'Service',
    summary: 'let someone call the manager',
    load: async () => (await import('./commands/manager-token-create.ts')).managerTokenCreateCommand,
  },
  {
    name: 'manager token list',
    group: 'Service',
    summary: 'who may call the manager',
    load: async () => (await import('./commands/manager-token-list.ts')).managerTokenListCommand,
  },
  {
    name: 'manager token revoke',
    group: 'Service',
    summary: 'let someone call the manager no more',
    load: async () => (await import('./commands/manager-token-revoke.ts')).managerTokenRevokeCommand,
  },
  {
    name: 'manager fingerprint',
    group: 'Service',
    summary: "what the manager's own certificate is known by",
    load: async () => (await import('./commands/manager-fingerprint.ts')).managerFingerprintCommand,
  },
  {
    name: 'schedule add',
    group: 'Service',
    summary: 'have a job run at times, each period once',
    load: async () => (await import('./commands/schedule-add.ts')).scheduleAddCommand,
  },
  {
    name: 'schedule ls',
    group: 'Service',
    summary: 'the schedules: when each fires next, and what became of the last',
    load: async () => (await import('./commands/schedule-ls.ts')).scheduleLsCommand,
  },
  {
    name: 'schedule show',
    group: 'Service',
    summary: 'one schedule, and what became of its last periods',
    load: async () => (await import('./commands/schedule-show.ts')).scheduleShowCommand,
  },
  {
    name: 'schedule next',
    group: 'Service',
    summary: 'the coming ten firings',
    load: async () => (await import('./commands/schedule-next.ts')).scheduleNextCommand,
  },
  {
    name: 'schedule pause',
    group: 'Service',
    summary: 'fire a schedule no more, until it is resumed',
    load: async () => (await import('./commands/schedule-pause.ts')).schedulePauseCommand,
  },
  {
    name: 'schedule resume',
    group: 'Service',
    summary: 'let a paused schedule fire again',
    load: async () => (await import('./commands/schedule-pause.ts')).scheduleResumeCommand,
  },
  {
    name: 'schedule rm',
    group: 'Service',
    summary: 'remove a schedule; its jobs stay',
    load: async () => (await import('./commands/schedule-rm.ts')).scheduleRmCommand,
  },
  {
    name: 'schedule run',
    group: 'Service',
    summary: 'fire one period by hand',
    load: async () => (await import('./commands/schedule-run.ts')).scheduleRunCommand,
  },
  {
    name: 'notify test',
    group: 'Service',
    summary: 'send a test event to all whom notify names',
    load: async () => (await import('./commands/notify-test.ts')).notifyTestCommand,
  },
  {
    name: 'tick',
    group: 'Service',
    summary: 'one round: fire what is due, look on at open jobs',
    load: async () => (await import('./commands/tick.ts')).tickCommand,
  },
];
