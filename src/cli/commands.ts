import type { CommandEntry, CommandTable } from './command.ts';
import type { Context } from './context.ts';

/** Every command, in the order of the overview. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'init',
    group: 'Start',
    summary: 'Write an example configuration, job and .gitignore',
    load: async () => (await import('./commands/init.ts')).initCommand,
  },
  {
    name: 'doctor',
    group: 'Start',
    summary: 'Check the configuration, services and disk; suggest fixes',
    instead: { '--notify': 'notify test' },
    load: async () => (await import('./commands/diagnosis.ts')).doctorCommand,
  },
  {
    name: 'config show',
    group: 'Start',
    summary: 'Show each configuration value and where it came from',
    load: async () => (await import('./commands/about.ts')).configShowCommand,
  },
  {
    name: 'schema',
    group: 'Start',
    summary: "Print the JSON Schema of job files, the configuration or a command's answer",
    load: async () => withTable((await import('./commands/about.ts')).schemaCommand),
  },
  {
    name: 'completion',
    group: 'Start',
    summary: 'Print a script that completes commands, flags and jobs in your shell',
    load: async () => withTable((await import('./commands/completion.ts')).completionCommand),
  },
  {
    name: 'version',
    group: 'Start',
    summary: 'Print the version, with that of Node, the backend and the store format',
    load: async () => (await import('./commands/about.ts')).versionCommand,
  },
  {
    name: 'help',
    group: 'Start',
    summary: 'Explain a command or a topic, or list all commands',
    load: async () => withTable((await import('./commands/about.ts')).helpCommand),
  },
  {
    name: 'upload',
    group: 'Data',
    summary: 'Upload files to the store in parallel, with checksums; resumes if interrupted',
    also: ['data put'],
    load: async () => (await import('./commands/data.ts')).uploadCommand,
  },
  {
    name: 'ls',
    group: 'Data',
    summary: 'List the raw data in the store',
    also: ['data ls'],
    load: async () => (await import('./commands/data.ts')).lsCommand,
  },
  {
    name: 'rm',
    group: 'Data',
    summary: 'Remove raw data',
    also: ['data rm'],
    load: async () => (await import('./commands/data.ts')).rmCommand,
  },
  {
    name: 'run',
    group: 'Jobs',
    summary: 'Submit a job, work on it, verify it and fetch its outputs',
    load: async () => (await import('./commands/run.ts')).runCommand,
  },
  {
    name: 'plan',
    group: 'Jobs',
    summary: 'Show what a submission would do, without writing anything',
    load: async () => (await import('./commands/plan.ts')).planCommand,
  },
  {
    name: 'rehearse',
    group: 'Jobs',
    summary: 'Run a job on a sample, optionally with faults, and forecast the full run',
    load: async () => (await import('./commands/rehearse.ts')).rehearseCommand,
  },
  {
    name: 'submit',
    group: 'Jobs',
    summary: 'Split the input into tasks and queue them',
    load: async () => (await import('./commands/submit.ts')).submitCommand,
  },
  {
    name: 'jobs',
    group: 'Jobs',
    summary: 'List jobs, newest first',
    load: async () => (await import('./commands/jobs.ts')).jobsCommand,
  },
  {
    name: 'status',
    group: 'Jobs',
    summary: 'Show the progress of each step of a job',
    instead: { '--watch': 'watch', '-w': 'watch', '--wait': 'wait' },
    load: async () => (await import('./commands/status.ts')).statusCommand,
  },
  {
    name: 'watch',
    group: 'Jobs',
    summary: 'Show the status live until the job ends',
    load: async () => (await import('./commands/watch.ts')).watchCommand,
  },
  {
    name: 'wait',
    group: 'Jobs',
    summary: 'Wait silently until the job ends',
    load: async () => (await import('./commands/watch.ts')).waitCommand,
  },
  {
    name: 'tasks',
    group: 'Jobs',
    summary: 'List tasks, or all attempts of one task',
    load: async () => (await import('./commands/tasks.ts')).tasksCommand,
  },
  {
    name: 'kill',
    group: 'Jobs',
    summary: "End a task's running attempt, then retry or fail the task",
    load: async () => (await import('./commands/changes.ts')).killCommand,
  },
  {
    name: 'logs',
    group: 'Jobs',
    summary: 'Print what attempts wrote to stderr',
    load: async () => (await import('./commands/tasks.ts')).logsCommand,
  },
  {
    name: 'failures',
    group: 'Jobs',
    summary: 'Group failed tasks by cause, with counts and an example of each',
    load: async () => (await import('./commands/tasks.ts')).failuresCommand,
  },
  {
    name: 'retry',
    group: 'Jobs',
    summary: 'Run failed tasks again',
    load: async () => (await import('./commands/changes.ts')).retryCommand,
  },
  {
    name: 'reproduce',
    group: 'Jobs',
    summary: 'Set up one task on this machine: input, code, environment and run.sh',
    load: async () => (await import('./commands/reproduce.ts')).reproduceCommand,
  },
  {
    name: 'skip',
    group: 'Jobs',
    summary: 'Skip named tasks with a reason, or undo a skip',
    load: async () => (await import('./commands/changes.ts')).skipCommand,
  },
  {
    name: 'pause',
    group: 'Jobs',
    summary: 'Stop taking tasks of a job',
    load: async () => (await import('./commands/changes.ts')).pauseCommand,
  },
  {
    name: 'resume',
    group: 'Jobs',
    summary: 'Resume a paused job',
    load: async () => (await import('./commands/changes.ts')).resumeCommand,
  },
  {
    name: 'adjust',
    group: 'Jobs',
    summary: 'Change the deadline, tolerance or limits of an open job',
    load: async () => (await import('./commands/changes.ts')).adjustCommand,
  },
  {
    name: 'cancel',
    group: 'Jobs',
    summary: 'End a job permanently and keep its outputs',
    load: async () => (await import('./commands/changes.ts')).cancelCommand,
  },
  {
    name: 'fetch',
    group: 'Jobs',
    summary: 'Download the verified outputs of a job, one file per task or joined',
    load: async () => (await import('./commands/fetch.ts')).fetchCommand,
  },
  {
    name: 'verify',
    group: 'Jobs',
    summary: 'Prove that nothing was lost, duplicated or altered',
    instead: { '--rebuild-ledger': 'ledger rebuild' },
    load: async () => (await import('./commands/verify.ts')).verifyCommand,
  },
  {
    name: 'prune',
    group: 'Jobs',
    summary: 'Remove the outputs, parts and logs of finished jobs',
    load: async () => (await import('./commands/prune.ts')).pruneCommand,
  },
  {
    name: 'ledger rebuild',
    group: 'Jobs',
    summary: 'Rebuild the ledger from the store',
    unlisted: true,
    load: async () => (await import('./commands/verify.ts')).ledgerRebuildCommand,
  },
  {
    name: 'history',
    group: 'Jobs',
    summary: 'Show who decided what about a job, and when',
    load: async () => (await import('./commands/jobs.ts')).historyCommand,
  },
  {
    name: 'why',
    group: 'Jobs',
    summary: 'Explain why a job is slow, stuck or failing, and how to fix it',
    load: async () => (await import('./commands/diagnosis.ts')).whyCommand,
  },
  {
    name: 'report',
    group: 'Jobs',
    summary: 'Report durations, waiting, throughput and failures; HTML too',
    load: async () => (await import('./commands/report.ts')).reportCommand,
  },
  {
    name: 'scale',
    group: 'Grid',
    summary: 'Set or show the size of a worker group',
    load: async () => (await import('./commands/grid.ts')).scaleCommand,
  },
  {
    name: 'workers',
    group: 'Grid',
    summary: 'List workers: what each runs, what it has done, when it was last seen',
    load: async () => (await import('./commands/grid.ts')).workersCommand,
  },
  {
    name: 'workers drain',
    group: 'Grid',
    summary: 'Tell a worker to finish its tasks and exit',
    load: async () => (await import('./commands/grid.ts')).workersDrainCommand,
  },
  {
    name: 'workers stop',
    group: 'Grid',
    summary: 'Tell a worker to return its tasks and exit now',
    load: async () => (await import('./commands/grid.ts')).workersStopCommand,
  },
  {
    name: 'workers logs',
    group: 'Grid',
    summary: "Print a worker's log and boot log",
    load: async () => (await import('./commands/grid.ts')).workersLogsCommand,
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
    load: async () => (await import('./commands/grid.ts')).queueCommand,
  },
  {
    name: 'queue redrive',
    group: 'Grid',
    summary: 'Send dead letters back to their queue',
    load: async () => (await import('./commands/grid.ts')).queueRedriveCommand,
  },
  {
    name: 'queue purge',
    group: 'Grid',
    summary: 'Delete the messages waiting in a queue',
    load: async () => (await import('./commands/grid.ts')).queuePurgeCommand,
  },
  {
    name: 'manager',
    group: 'Service',
    summary: 'Run the job manager: API, dashboard and schedules',
    load: async () => withTable((await import('./commands/manager.ts')).managerCommand),
  },
  {
    name: 'manager token create',
    group: 'Service',
    summary: 'Create an access token',
    load: async () => (await import('./commands/manager-tokens.ts')).managerTokenCreateCommand,
  },
  {
    name: 'manager token list',
    group: 'Service',
    summary: 'List access tokens',
    load: async () => (await import('./commands/manager-tokens.ts')).managerTokenListCommand,
  },
  {
    name: 'manager token revoke',
    group: 'Service',
    summary: 'Revoke an access token',
    load: async () => (await import('./commands/manager-tokens.ts')).managerTokenRevokeCommand,
  },
  {
    name: 'manager fingerprint',
    group: 'Service',
    summary: "Print the fingerprint of the manager's own certificate",
    load: async () => (await import('./commands/manager-tokens.ts')).managerFingerprintCommand,
  },
  {
    name: 'schedule add',
    group: 'Service',
    summary: 'Run a job on a schedule, once per period',
    load: async () => (await import('./commands/schedules.ts')).scheduleAddCommand,
  },
  {
    name: 'schedule ls',
    group: 'Service',
    summary: 'List schedules with their next firing and the result of the last',
    load: async () => (await import('./commands/schedules.ts')).scheduleLsCommand,
  },
  {
    name: 'schedule show',
    group: 'Service',
    summary: 'Show a schedule and the results of its last periods',
    load: async () => (await import('./commands/schedules.ts')).scheduleShowCommand,
  },
  {
    name: 'schedule next',
    group: 'Service',
    summary: 'Show the next ten firings',
    load: async () => (await import('./commands/schedules.ts')).scheduleNextCommand,
  },
  {
    name: 'schedule pause',
    group: 'Service',
    summary: 'Stop a schedule from firing until it is resumed',
    load: async () => (await import('./commands/schedules.ts')).schedulePauseCommand,
  },
  {
    name: 'schedule resume',
    group: 'Service',
    summary: 'Resume a paused schedule',
    load: async () => (await import('./commands/schedules.ts')).scheduleResumeCommand,
  },
  {
    name: 'schedule rm',
    group: 'Service',
    summary: 'Remove a schedule and keep its jobs',
    load: async () => (await import('./commands/schedules.ts')).scheduleRmCommand,
  },
  {
    name: 'schedule run',
    group: 'Service',
    summary: 'Fire one period by hand',
    load: async () => (await import('./commands/schedules.ts')).scheduleRunCommand,
  },
  {
    name: 'notify test',
    group: 'Service',
    summary: 'Send a test event to all receivers of notifications',
    unlisted: true,
    load: async () => (await import('./commands/notify-test.ts')).notifyTestCommand,
  },
  {
    name: 'tick',
    group: 'Service',
    summary: 'Do one round: fire due schedules and look after open jobs',
    load: async () => (await import('./commands/tick.ts')).tickCommand,
  },
  {
    name: 'infra plan',
    group: 'Infrastructure',
    summary: 'Show what infra up would create or change',
    load: async () => (await import('./commands/infra.ts')).infraPlanCommand,
  },
  {
    name: 'infra up',
    group: 'Infrastructure',
    summary: 'Create or update the AWS resources that a profile needs',
    load: async () => (await import('./commands/infra.ts')).infraUpCommand,
  },
  {
    name: 'infra status',
    group: 'Infrastructure',
    summary: 'Show which resources of a stack exist and which have drifted',
    load: async () => (await import('./commands/infra.ts')).infraStatusCommand,
  },
  {
    name: 'infra check',
    group: 'Infrastructure',
    summary: 'Run a small test job in the account, in a temporary stack',
    load: async () => (await import('./commands/infra-check.ts')).infraCheckCommand,
  },
  {
    name: 'infra down',
    group: 'Infrastructure',
    summary: 'Remove a stack, or one of its groups',
    load: async () => (await import('./commands/infra.ts')).infraDownCommand,
  },
  {
    name: 'infra release',
    group: 'Infrastructure',
    summary: 'Publish the program that workers run, roll it out or roll it back',
    load: async () => (await import('./commands/infra-release.ts')).infraReleaseCommand,
  },
  {
    name: 'infra user-data',
    group: 'Infrastructure',
    summary: 'Print the boot script for instances of a group',
    load: async () => (await import('./commands/infra-print.ts')).infraUserDataCommand,
  },
  {
    name: 'infra template',
    group: 'Infrastructure',
    summary: 'Print the resources of infra up as a CloudFormation template',
    load: async () => (await import('./commands/infra-print.ts')).infraTemplateCommand,
  },
  {
    name: 'infra policies',
    group: 'Infrastructure',
    summary: 'Print the IAM policy needed to create, use or run a stack',
    load: async () => (await import('./commands/infra-print.ts')).infraPoliciesCommand,
  },
];

/** Commands that batchctl starts itself. They can be called, but are not listed. */
const HIDDEN: readonly CommandEntry[] = [
  {
    name: 'worker-supervisor',
    group: 'Grid',
    summary: 'Keep the workers of a local group running',
    load: async () => (await import('./commands/worker.ts')).workerSupervisorCommand,
  },
  {
    name: '__complete',
    group: 'Start',
    summary: 'List the candidates for a word, for completion scripts',
    load: async () => withTable((await import('./commands/completion.ts')).completeWordsCommand),
  },
];

/**
 * Names that are accepted but not listed: what they stand for, as words. Names of earlier versions stay for one release;
 * `ls` and `list` may be used for each other.
 */
const OTHER_NAMES: Readonly<Record<string, readonly string[]>> = {
  'tasks kill': ['kill'],
  'config schema': ['schema', 'config'],
  'job schema': ['schema', 'job'],
  list: ['ls'],
  'data list': ['ls'],
  'schedule list': ['schedule', 'ls'],
  'manager token ls': ['manager', 'token', 'list'],
  'jobs ls': ['jobs'],
  'jobs list': ['jobs'],
  'workers ls': ['workers'],
  'workers list': ['workers'],
};

/**
 * The entry with the longest name that the words begin with, and the remaining words. A flag that means another command
 * leads to that one: `status --watch` is `watch`.
 */
export function findCommand(words: readonly string[]): { entry: CommandEntry; words: readonly string[] } | null {
  for (let length = Math.min(3, words.length); length > 0; length -= 1) {
    const name = words.slice(0, length).join(' ');
    const rest = words.slice(length);
    if (Object.hasOwn(OTHER_NAMES, name)) return findCommand([...(OTHER_NAMES[name] ?? []), ...rest]);
    const entry = [...COMMANDS, ...HIDDEN].find((known) => known.name === name || known.also?.includes(name) === true);
    if (entry === undefined) continue;
    const flag = rest.find((word) => entry.instead !== undefined && Object.hasOwn(entry.instead, word));
    const meant = flag === undefined ? undefined : entry.instead?.[flag];
    if (meant === undefined) return { entry, words: rest };
    return findCommand([...meant.split(' '), ...rest.filter((word) => word !== flag)]);
  }
  return null;
}

/** Passes the table to a command that needs it; importing the table there would be a circle. */
function withTable<T>(make: (ctx: Context, table: CommandTable) => T): (ctx: Context) => T {
  return (ctx) => make(ctx, { commands: COMMANDS, find: findCommand });
}
