import type { Camel, CommandDefinition, CommandEntry, CommandGroup, CommandTable } from './command.ts';
import type { Context } from './context.ts';

const init = () => import('./commands/init.ts');
const diagnosis = () => import('./commands/diagnosis.ts');
const about = () => import('./commands/about.ts');
const completion = () => import('./commands/completion.ts');
const data = () => import('./commands/data.ts');
const run = () => import('./commands/run.ts');
const plan = () => import('./commands/plan.ts');
const rehearse = () => import('./commands/rehearse.ts');
const submit = () => import('./commands/submit.ts');
const jobs = () => import('./commands/jobs.ts');
const status = () => import('./commands/status.ts');
const watch = () => import('./commands/watch.ts');
const tasks = () => import('./commands/tasks.ts');
const changes = () => import('./commands/changes.ts');
const reproduce = () => import('./commands/reproduce.ts');
const fetch = () => import('./commands/fetch.ts');
const verify = () => import('./commands/verify.ts');
const prune = () => import('./commands/prune.ts');
const report = () => import('./commands/report.ts');
const grid = () => import('./commands/grid.ts');
const worker = () => import('./commands/worker.ts');
const manager = () => import('./commands/manager.ts');
const managerTokens = () => import('./commands/manager-tokens.ts');
const schedules = () => import('./commands/schedules.ts');
const notifyTest = () => import('./commands/notify-test.ts');
const tick = () => import('./commands/tick.ts');
const infra = () => import('./commands/infra.ts');
const infraCheck = () => import('./commands/infra-check.ts');
const infraRelease = () => import('./commands/infra-release.ts');
const infraPrint = () => import('./commands/infra-print.ts');

/** Every command, in the order of the overview. */
export const COMMANDS: readonly CommandEntry[] = [
  ...inGroup('Start', [
    entry('init', 'Write an example configuration, job and .gitignore', init),
    entry('doctor', 'Check the configuration, services and disk; suggest fixes', diagnosis),
    entry('config show', 'Show each configuration value and where it came from', about),
    entry('config trust', 'Trust a root that came with a clone or a copy', about),
    entry('schema', "Print the JSON Schema of job files, the configuration or a command's answer", about),
    entry('completion', 'Print a script that completes commands, flags and jobs in your shell', completion),
    entry('version', 'Print the version, with that of Node, the backend and the store format', about),
    entry('help', 'Explain a command or a topic, or list all commands', about),
  ]),
  ...inGroup('Data', [
    entry('upload', 'Upload files to the store in parallel, with checksums; resumes if interrupted', data, {
      also: ['data put'],
    }),
    entry('ls', 'List the raw data in the store', data, { also: ['data ls'] }),
    entry('rm', 'Remove raw data', data, { also: ['data rm'] }),
  ]),
  ...inGroup('Jobs', [
    entry('run', 'Submit a job, work on it, verify it and fetch its outputs', run),
    entry('plan', 'Show what a submission would do, without writing anything', plan),
    entry('rehearse', 'Run a job on a sample, optionally with faults, and forecast the full run', rehearse),
    entry('submit', 'Split the input into tasks and queue them', submit),
    entry('jobs', 'List jobs, newest first', jobs),
    entry('status', 'Show the progress of each step of a job', status),
    entry('watch', 'Show the status live until the job ends', watch),
    entry('wait', 'Wait silently until the job ends', watch),
    entry('tasks', 'List tasks, or all attempts of one task', tasks),
    entry('kill', "End a task's running attempt, then retry or fail the task", changes),
    entry('logs', 'Print what attempts wrote to stderr', tasks),
    entry('failures', 'Group failed tasks by cause, with counts and an example of each', tasks),
    entry('retry', 'Run failed tasks again', changes),
    entry('reproduce', 'Set up one task on this machine: input, code, environment and run.sh', reproduce),
    entry('skip', 'Skip named tasks with a reason, or undo a skip', changes),
    entry('pause', 'Stop taking tasks of a job', changes),
    entry('resume', 'Resume a paused job', changes),
    entry('adjust', 'Change the deadline, tolerance or limits of an open job', changes),
    entry('cancel', 'End a job permanently and keep its outputs', changes),
    entry('fetch', 'Download the verified outputs of a job, one file per task or joined', fetch),
    entry('verify', 'Prove that nothing was lost, duplicated or altered', verify),
    entry('prune', 'Remove the outputs, parts and logs of finished jobs', prune),
    entry('ledger rebuild', 'Rebuild the ledger from the store', verify),
    entry('history', 'Show who decided what about a job, and when', jobs),
    entry('why', 'Explain why a job is slow, stuck or failing, and how to fix it', diagnosis),
    entry('report', 'Report durations, waiting, throughput and failures; HTML too', report),
  ]),
  ...inGroup('Grid', [
    entry('scale', 'Set or show the size of a worker group', grid),
    entry('workers', 'List workers: what each runs, what it has done, when it was last seen', grid),
    entry('workers drain', 'Tell a worker to finish its tasks and exit', grid),
    entry('workers stop', 'Tell a worker to return its tasks and exit now', grid),
    entry('workers logs', "Print a worker's log and boot log", grid),
    entry('worker', 'Run a worker: take tasks and run them', worker),
    entry('queue', 'Show how many messages are waiting, leased, delayed and dead', grid),
    entry('queue redrive', 'Send dead letters back to their queue', grid),
    entry('queue purge', 'Delete the messages waiting in a queue', grid),
  ]),
  ...inGroup('Service', [
    entry('manager', 'Run the job manager: API, dashboard and schedules', manager),
    entry('manager token create', 'Create an access token', managerTokens),
    entry('manager token list', 'List access tokens', managerTokens),
    entry('manager token revoke', 'Revoke an access token', managerTokens),
    entry('manager fingerprint', "Print the fingerprint of the manager's own certificate", managerTokens),
    entry('schedule add', 'Run a job on a schedule, once per period', schedules),
    entry('schedule ls', 'List schedules with their next firing and the result of the last', schedules),
    entry('schedule show', 'Show a schedule and the results of its last periods', schedules),
    entry('schedule next', 'Show the next ten firings', schedules),
    entry('schedule pause', 'Stop a schedule from firing until it is resumed', schedules),
    entry('schedule resume', 'Resume a paused schedule', schedules),
    entry('schedule rm', 'Remove a schedule and keep its jobs', schedules),
    entry('schedule run', 'Fire one period by hand', schedules),
    entry('notify test', 'Send a test event to all receivers of notifications', notifyTest),
    entry('tick', 'Do one round: fire due schedules and look after open jobs', tick),
  ]),
  ...inGroup('Infrastructure', [
    entry('infra plan', 'Show what infra up would create or change', infra),
    entry('infra up', 'Create or update the AWS resources that a profile needs', infra),
    entry('infra status', 'Show which resources of a stack exist and which have drifted', infra),
    entry('infra check', 'Run a small test job in the account, in a temporary stack', infraCheck),
    entry('infra down', 'Remove a stack, or one of its groups', infra),
    entry('infra release', 'Publish the program that workers run, roll it out or roll it back', infraRelease),
    entry('infra user-data', 'Print the boot script for instances of a group', infraPrint),
    entry('infra template', 'Print the resources of infra up as a CloudFormation template', infraPrint),
    entry('infra policies', 'Print the IAM policy needed to create, use or run a stack', infraPrint),
  ]),
];

/** Commands that batchctl starts itself. They can be called, but are not listed. */
const HIDDEN: readonly CommandEntry[] = [
  ...inGroup('Grid', [entry('worker-supervisor', 'Keep the workers of a local group running', worker)]),
  {
    ...entry('complete-words', 'List the candidates for a word, for completion scripts', completion),
    name: '__complete',
    group: 'Start',
  },
];

/** Names that are accepted but not listed, and the words that they stand for: `ls` and `list` are the same. */
const OTHER_NAMES: Readonly<Record<string, readonly string[]>> = {
  list: ['ls'],
  'data list': ['ls'],
  'schedule list': ['schedule', 'ls'],
  'manager token ls': ['manager', 'token', 'list'],
  'jobs ls': ['jobs'],
  'jobs list': ['jobs'],
  'workers ls': ['workers'],
  'workers list': ['workers'],
};

/** The entry with the longest name that the words begin with, and the remaining words. */
export function findCommand(words: readonly string[]): { entry: CommandEntry; words: readonly string[] } | null {
  for (let length = Math.min(3, words.length); length > 0; length -= 1) {
    const name = words.slice(0, length).join(' ');
    const rest = words.slice(length);
    if (Object.hasOwn(OTHER_NAMES, name)) return findCommand([...(OTHER_NAMES[name] ?? []), ...rest]);
    const entry = [...COMMANDS, ...HIDDEN].find((known) => known.name === name || known.also?.includes(name) === true);
    if (entry !== undefined) return { entry, words: rest };
  }
  return null;
}

type Words<S extends string> = S extends `${infer A} ${infer B}` ? `${A}${Capitalize<Words<B>>}` : Camel<S>;

/** Makes a command; one that needs the others takes the table, as importing it would be a circle. */
type CommandFactory = (ctx: Context, table: CommandTable) => CommandDefinition;

/** A command that its module exports by its name: `infra user-data` as `infraUserDataCommand`. */
function entry<N extends string, M extends Readonly<Record<`${Words<N>}Command`, CommandFactory>>>(
  name: N,
  summary: string,
  load: () => Promise<M>,
  more: Pick<CommandEntry, 'also'> = {},
): Omit<CommandEntry, 'group'> {
  const exported = `${name.replace(/[ -]([a-z])/g, (_, letter: string) => letter.toUpperCase())}Command`;
  return {
    name,
    summary,
    ...more,
    async load() {
      const make = (await load())[exported as keyof M] as CommandFactory;
      return (ctx) => make(ctx, { commands: COMMANDS, find: findCommand });
    },
  };
}

function inGroup(group: CommandGroup, entries: readonly Omit<CommandEntry, 'group'>[]): readonly CommandEntry[] {
  return entries.map((each) => ({ ...each, group }));
}
