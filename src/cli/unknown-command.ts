import { BatchctlError } from '../errors.ts';
import { closest } from '../lib/closest.ts';
import type { CommandEntry } from './command.ts';
import { columns } from './help.ts';

/** The words that other programs have for what a command does here. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  jobs: ['ps', 'qstat', 'squeue', 'bjobs', 'sacct', 'runs'],
  status: ['show', 'info', 'describe', 'inspect', 'view'],
  watch: ['top', 'follow', 'attach', 'monitor'],
  submit: ['sbatch', 'qsub', 'bsub', 'enqueue', 'push', 'launch'],
  run: ['start', 'exec', 'execute', 'process', 'parallel', 'apply'],
  retry: ['rerun', 'restart', 'resubmit', 'requeue', 'redo', 'again'],
  resume: ['continue', 'unpause', 'release'],
  pause: ['hold', 'suspend', 'halt'],
  cancel: ['stop', 'abort', 'terminate', 'scancel', 'qdel', 'bkill', 'end'],
  skip: ['ignore', 'exclude'],
  logs: ['tail', 'stderr', 'bpeek'],
  failures: ['errors', 'failed'],
  fetch: ['download', 'pull', 'results', 'outputs', 'collect', 'save'],
  verify: ['prove', 'proof', 'audit'],
  plan: ['preview', 'validate', 'lint', 'check', 'estimate'],
  upload: ['cp', 'copy', 'sync', 'put', 'mv'],
  rm: ['delete', 'remove'],
  prune: ['clean', 'cleanup', 'gc', 'purge'],
  report: ['trace', 'stats', 'summary', 'metrics'],
  why: ['explain', 'diagnose', 'debug'],
  workers: ['nodes', 'hosts', 'agents', 'instances', 'sinfo', 'bhosts'],
  manager: ['serve', 'server', 'dashboard', 'ui', 'web', 'daemon'],
  doctor: ['ping', 'test', 'health'],
  init: ['new', 'create', 'setup', 'configure', 'login'],
  'schedule add': ['cron', 'every', 'at'],
  'config show': ['settings', 'env'],
  'infra up': ['deploy', 'bootstrap', 'provision', 'install'],
  'infra down': ['destroy', 'teardown', 'uninstall'],
};

/** The error for words that begin with no command's name, with the command that was probably meant. */
export function unknownCommand(commands: readonly CommandEntry[], words: readonly string[]): BatchctlError {
  const [first = ''] = words;
  const below = subcommandsOf(commands, first);
  if (below.length > 0) {
    const names = below.map(({ name }) => name).join(', ');
    return new BatchctlError('usage', `expected one of: ${names}; found ${words.join(' ')}`, {
      hint: `see batchctl ${first} --help`,
    });
  }
  const rival = Object.keys(SYNONYMS).find((name) => SYNONYMS[name]?.includes(first.toLowerCase()) === true);
  const meant = rival ?? closest(first, [...new Set(commands.map(({ name }) => name.split(' ')[0] ?? ''))]);
  return new BatchctlError('usage', `unknown command '${first}'`, {
    hint: `${meant === null ? '' : `did you mean ${meant}? `}see batchctl help --all`,
  });
}

/** The subcommands of a word that is not itself a command: `batchctl config --help`; null: it has none. */
export function subcommandHelp(commands: readonly CommandEntry[], word: string, width: number): string | null {
  const rows = subcommandsOf(commands, word).map(({ name, summary }) => [name, summary] as const);
  return rows.length === 0 ? null : `Usage: batchctl ${word} COMMAND\n\nCommands:\n${columns(rows, width)}\n`;
}

/** Each under the name that begins with the word: `data put`. */
function subcommandsOf(
  commands: readonly CommandEntry[],
  word: string,
): readonly Pick<CommandEntry, 'name' | 'summary'>[] {
  return commands.flatMap(({ name, also = [], summary }) =>
    [name, ...also].filter((each) => each.startsWith(`${word} `)).map((each) => ({ name: each, summary })),
  );
}
