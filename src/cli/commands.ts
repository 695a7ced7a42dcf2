import type { CommandEntry, CommandGroup } from './command-entry.ts';
import { GRID_COMMANDS } from './grid-commands.ts';
import { INFRA_COMMANDS } from './infra-commands.ts';
import { SERVICE_COMMANDS } from './service-commands.ts';

export type { CommandEntry, CommandGroup };

/** Every command, in the order of the overview. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'init',
    group: 'Start',
    summary: 'write a configuration, an example job and .gitignore',
    load: async () => (await import('./commands/init.ts')).initCommand,
  },
  {
    name: 'doctor',
    group: 'Start',
    summary: 'check what jobs stand on; each line with its mend',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  {
    name: 'config show',
    group: 'Start',
    summary: 'each value of the configuration, and where it came from',
    load: async () => (await import('./commands/config.ts')).configShowCommand,
  },
  {
    name: 'config schema',
    group: 'Start',
    summary: 'the JSON Schema of the configuration file',
    load: async () => (await import('./commands/config.ts')).configSchemaCommand,
  },
  {
    name: 'job schema',
    group: 'Start',
    summary: 'the JSON Schema of a job file',
    load: async () => (await import('./commands/job-schema.ts')).jobSchemaCommand,
  },
  {
    name: 'schema',
    group: 'Start',
    summary: "the JSON Schema of a command's --json answer",
    load: async () => (await import('./commands/schema.ts')).schemaCommand,
  },
  {
    name: 'completion',
    group: 'Start',
    summary: 'a script that completes commands, flags and jobs in your shell',
    load: async () => (await import('./commands/completion.ts')).completionCommand,
  },
  {
    name: 'upload',
    group: 'Data',
    summary: 'put files into the store: parallel, checksummed, taken up again',
    load: async () => (await import('./commands/upload.ts')).uploadCommand,
  },
  {
    name: 'ls',
    group: 'Data',
    summary: 'what raw data the store holds',
    load: async () => (await import('./commands/ls.ts')).lsCommand,
  },
  {
    name: 'rm',
    group: 'Data',
    summary: 'remove raw data',
    load: async () => (await import('./commands/rm.ts')).rmCommand,
  },
  {
    name: 'run',
    group: 'Jobs',
    summary: 'submit, work, watch, verify and fetch, and wait for it all',
    load: async () => (await import('./commands/run.ts')).runCommand,
  },
  {
    name: 'plan',
    group: 'Jobs',
    summary: 'what a submission would do; writes nothing',
    load: async () => (await import('./commands/plan.ts')).planCommand,
  },
  {
    name: 'rehearse',
    group: 'Jobs',
    summary: 'run the job on a sample, with faults on request, and forecast the whole',
    load: async () => (await import('./commands/rehearse.ts')).rehearseCommand,
  },
  {
    name: 'submit',
    group: 'Jobs',
    summary: 'cut the input into tasks and send them',
    load: async () => (await import('./commands/submit.ts')).submitCommand,
  },
  {
    name: 'jobs',
    group: 'Jobs',
    summary: 'the jobs, newest first',
    load: async () => (await import('./commands/jobs.ts')).jobsCommand,
  },
  {
    name: 'status',
    group: 'Jobs',
    summary: 'how far each step of a job is',
    load: async () => (await import('./commands/status.ts')).statusCommand,
  },
  {
    name: 'watch',
    group: 'Jobs',
    summary: 'status, live, until the job ends',
    load: async () => (await import('./commands/watch.ts')).watchCommand,
  },
  {
    name: 'wait',
    group: 'Jobs',
    summary: 'wait in silence until the job ends',
    load: async () => (await import('./commands/wait.ts')).waitCommand,
  },
  {
    name: 'tasks',
    group: 'Jobs',
    summary: 'one line a task, or all attempts of one',
    load: async () => (await import('./commands/tasks.ts')).tasksCommand,
  },
  {
    name: 'tasks kill',
    group: 'Jobs',
    summary: "end a task's attempt: try it again, or fail it",
    load: async () => (await import('./commands/tasks-kill.ts')).tasksKillCommand,
  },
  {
    name: 'logs',
    group: 'Jobs',
    summary: 'what attempts wrote to stderr',
    load: async () => (await import('./commands/logs.ts')).logsCommand,
  },
  {
    name: 'failures',
    group: 'Jobs',
    summary: 'why tasks failed for good: causes, counts, an example each',
    load: async () => (await import('./commands/failures.ts')).failuresCommand,
  },
  {
    name: 'retry',
    group: 'Jobs',
    summary: 'ask again for tasks that failed for good',
    load: async () => (await import('./commands/retry.ts')).retryCommand,
  },
  {
    name: 'reproduce',
    group: 'Jobs',
    summary: 'one task on this machine: its input, code, environment, run.sh',
    load: async () => (await import('./commands/reproduce.ts')).reproduceCommand,
  },
  {
    name: 'skip',
    group: 'Jobs',
    summary: 'go without tasks, by name and with a reason; or take that back',
    load: async () => (await import('./commands/skip.ts')).skipCommand,
  },
  {
    name: 'pause',
    group: 'Jobs',
    summary: 'take no more tasks of a job',
    load: async () => (await import('./commands/pause.ts')).pauseCommand,
  },
  {
    name: 'resume',
    group: 'Jobs',
    summary: 'let a paused job go on',
    load: async () => (await import('./commands/resume.ts')).resumeCommand,
  },
  {
    name: 'adjust',
    group: 'Jobs',
    summary: "change an open job's deadline, tolerance or limits",
    load: async () => (await import('./commands/adjust.ts')).adjustCommand,
  },
  {
    name: 'cancel',
    group: 'Jobs',
    summary: 'end a job for good, keep its outputs',
    load: async () => (await import('./commands/cancel.ts')).cancelCommand,
  },
  {
    name: 'fetch',
    group: 'Jobs',
    summary: "a job's outputs, verified: one file a task, or joined",
    load: async () => (await import('./commands/fetch.ts')).fetchCommand,
  },
  {
    name: 'verify',
    group: 'Jobs',
    summary: 'prove that nothing was lost, done twice or altered',
    load: async () => (await import('./commands/verify.ts')).verifyCommand,
  },
  {
    name: 'prune',
    group: 'Jobs',
    summary: "remove finished jobs' outputs, parts and logs",
    load: async () => (await import('./commands/prune.ts')).pruneCommand,
  },
  {
    name: 'ledger rebuild',
    group: 'Jobs',
    summary: 'tell the ledger what the store says of every job',
    load: async () => (await import('./commands/ledger-rebuild.ts')).ledgerRebuildCommand,
  },
  {
    name: 'history',
    group: 'Jobs',
    summary: 'who decided what about a job, and when',
    load: async () => (await import('./commands/history.ts')).historyCommand,
  },
  {
    name: 'why',
    group: 'Jobs',
    summary: 'why a job is slow, stuck or failing, and what mends it',
    load: async () => (await import('./commands/why.ts')).whyCommand,
  },
  {
    name: 'report',
    group: 'Jobs',
    summary: 'how a job went: durations, waiting, throughput, causes; html too',
    load: async () => (await import('./commands/report.ts')).reportCommand,
  },
  ...GRID_COMMANDS,
  ...SERVICE_COMMANDS,
  ...INFRA_COMMANDS,
];

/** What batchctl starts by itself: found by name, shown nowhere. */
const HIDDEN: readonly CommandEntry[] = [
  {
    name: 'worker-supervisor',
    group: 'Grid',
    summary: "keeps a local group's workers up",
    load: async () => (await import('./commands/worker-supervisor.ts')).workerSupervisorCommand,
  },
  {
    name: '__complete',
    group: 'Start',
    summary: 'what a word can be: asked by completion scripts',
    load: async () => (await import('./commands/complete-words.ts')).completeWordsCommand,
  },
];

/** The entry that the words begin with (the longest name wins), and the words after it. */
export function findCommand(words: readonly string[]): { entry: CommandEntry; words: readonly string[] } | null {
  for (let length = Math.min(3, words.length); length > 0; length -= 1) {
    const name = words.slice(0, length).join(' ');
    const entry = [...COMMANDS, ...HIDDEN].find((candidate) => candidate.name === name);
    if (entry !== undefined) return { entry, words: words.slice(length) };
  }
  return null;
}

/** The entries below a word that is no command of its own: `config`. */
export function commandsBelow(word: string): readonly CommandEntry[] {
  return COMMANDS.filter((entry) => entry.name.startsWith(`${word} `));
}
