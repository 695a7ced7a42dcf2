import type { CommandEntry } from './command.ts';
import type { Output } from './io.ts';

/** The global flags as the help shows them; `global-flags.ts` parses them. */
export const GLOBAL_FLAGS = {
  '--config <file>': 'configuration file (BATCHCTL_CONFIG)',
  '--profile <name>': 'batchctl profile (BATCHCTL_PROFILE)',
  '--json': 'print the answer as JSON, and a list as JSON Lines',
  '-q, --quiet': 'print no progress and no notices',
  '-v, --verbose': 'print more, including stack traces of unexpected errors',
  '--no-color': 'print without colours (also NO_COLOR)',
  '--tz <zone>': "time zone in which times are read and shown (default: the profile's, or else this machine's)",
  '-y, --yes': 'answer yes to every question',
  '-n, --dry-run': 'show what would change without changing anything',
  '-h, --help': 'show the help of a command',
  '-V, --version': 'print the version',
} as const satisfies Readonly<Record<string, string>>;

/** The commands that make up a day, by what one is about to do. */
const COMMON_COMMANDS: Readonly<Record<string, readonly string[]>> = {
  'Set up': ['init', 'doctor'],
  'Run a job': ['run', 'submit', 'status'],
  'Fix what failed': ['failures', 'logs', 'why', 'retry'],
  'Take the results': ['fetch', 'verify', 'report'],
};

/** `batchctl --help`: the commands of a day, on one screen of 80 x 24. Loads no command modules. */
export function overview(commands: readonly CommandEntry[], width: number): string {
  const summaries = new Map(commands.map(({ name, summary }) => [name, summary]));
  const most = Math.max(...Object.values(COMMON_COMMANDS).flatMap((names) => names.map(({ length }) => length)));
  const blocks = Object.entries(COMMON_COMMANDS).map(([title, names]) => {
    const rows = names.map((name) => [name.padEnd(most), summaries.get(name) ?? ''] as const);
    return `${title}:\n${columns(rows, width)}`;
  });
  return [
    ...wrap('Split data into tasks, run them on workers and prove that nothing was lost.', width),
    'Usage: batchctl COMMAND [ARGUMENTS] [FLAGS]',
    '',
    ...blocks,
    '',
    ...wrap('More: batchctl help --all, help COMMAND, or help TOPIC', width),
    ...wrap('Topics: job-files, splits, exit-codes, environment', width),
    '',
  ].join('\n');
}

/** `batchctl help --all`: every command by group, and the flags that all take. */
export function allCommandsHelp(commands: readonly CommandEntry[], width: number): string {
  const groups = [...new Set(commands.map((entry) => entry.group))];
  const blocks = groups.map((group) => {
    const rows = commands.filter((entry) => entry.group === group).map((entry) => [entry.name, entry.summary] as const);
    return `${group}:\n${columns(rows, width)}`;
  });
  return [
    'Usage: batchctl COMMAND [ARGUMENTS] [FLAGS]',
    'Split raw data into tasks, run them on workers and prove that nothing was lost, on this machine or on AWS.',
    ...blocks,
    `Global flags, before or after the command:\n${columns(Object.entries(GLOBAL_FLAGS), width)}`,
    'More: batchctl help COMMAND, or help TOPIC\nTopics: job-files, splits, exit-codes, environment\n',
  ].join('\n\n');
}

/** The columns of a terminal; 80 if it does not know them (it reports 0), and for anything else. */
export const columnsOf = ({ isTTY, columns = 0 }: Pick<Output, 'isTTY' | 'columns'>): number =>
  isTTY === true && columns > 0 ? columns : 80;

/** Two columns; the right one is wrapped to fit the width. */
export function columns(rows: readonly (readonly [string, string])[], width: number): string {
  const left = Math.max(...rows.map(([term]) => term.length)) + 2;
  const room = Math.max(20, Math.min(width, 120) - left - 2);
  return rows
    .map(([term, text]) => `  ${term.padEnd(left)}${wrap(text, room).join(`\n${' '.repeat(left + 2)}`)}`)
    .join('\n');
}

/** Breaks a text at spaces into lines of at most `room` characters. A longer word is not broken. */
export function wrap(text: string, room: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
