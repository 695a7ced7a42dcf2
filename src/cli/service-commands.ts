import type { CommandEntry } from './command-entry.ts';

/** Commands for jobs that run unattended. */
export const SERVICE_COMMANDS: readonly CommandEntry[] = [
  {
    name: 'manager',
    group: 'Service',
    summary: 'Run the job manager: API, dashboard and schedules',
    load: async () => (await import('./commands/manager.ts')).managerCommand,
  },
  {
    name: 'manager token create',
    group: 'Service',
    summary: 'Create an access token',
    load: async () => (await import('./commands/manager-token-create.ts')).managerTokenCreateCommand,
  },
  {
    name: 'manager token list',
    group: 'Service',
    summary: 'List access tokens',
    load: async () => (await import('./commands/manager-token-list.ts')).managerTokenListCommand,
  },
  {
    name: 'manager token revoke',
    group: 'Service',
    summary: 'Revoke an access token',
    load: async () => (await import('./commands/manager-token-revoke.ts')).managerTokenRevokeCommand,
  },
  {
    name: 'manager fingerprint',
    group: 'Service',
    summary: "Print the fingerprint of the manager's own certificate",
    load: async () => (await import('./commands/manager-fingerprint.ts')).managerFingerprintCommand,
  },
  {
    name: 'schedule add',
    group: 'Service',
    summary: 'Run a job on a schedule, once per period',
    load: async () => (await import('./commands/schedule-add.ts')).scheduleAddCommand,
  },
  {
    name: 'schedule ls',
    group: 'Service',
    summary: 'List schedules with their next firing and the result of the last',
    load: async () => (await import('./commands/schedule-ls.ts')).scheduleLsCommand,
  },
  {
    name: 'schedule show',
    group: 'Service',
    summary: 'Show a schedule and the results of its last periods',
    load: async () => (await import('./commands/schedule-show.ts')).scheduleShowCommand,
  },
  {
    name: 'schedule next',
    group: 'Service',
    summary: 'Show the next ten firings',
    load: async () => (await import('./commands/schedule-next.ts')).scheduleNextCommand,
  },
  {
    name: 'schedule pause',
    group: 'Service',
    summary: 'Stop a schedule from firing until it is resumed',
    load: async () => (await import('./commands/schedule-pause.ts')).schedulePauseCommand,
  },
  {
    name: 'schedule resume',
    group: 'Service',
    summary: 'Resume a paused schedule',
    load: async () => (await import('./commands/schedule-pause.ts')).scheduleResumeCommand,
  },
  {
    name: 'schedule rm',
    group: 'Service',
    summary: 'Remove a schedule and keep its jobs',
    load: async () => (await import('./commands/schedule-rm.ts')).scheduleRmCommand,
  },
  {
    name: 'schedule run',
    group: 'Service',
    summary: 'Fire one period by hand',
    load: async () => (await import('./commands/schedule-run.ts')).scheduleRunCommand,
  },
  {
    name: 'notify test',
    group: 'Service',
    summary: 'Send a test event to all receivers of notifications',
    load: async () => (await import('./commands/notify-test.ts')).notifyTestCommand,
  },
  {
    name: 'tick',
    group: 'Service',
    summary: 'Do one round: fire due schedules and look after open jobs',
    load: async () => (await import('./commands/tick.ts')).tickCommand,
  },
];
