import type { CommandEntry } from './command.ts';

/** The global flags as the help shows them; `global-flags.ts` parses them. */
export const GLOBAL_FLAGS = {
  '--config <file>': 'configuration file (BATCHCTL_CONFIG)',
  '--profile <name>': 'batchctl profile (BATCHCTL_PROFILE)',
  '--json': 'print the answer as JSON, and a list as JSON Lines',
  '--quiet': 'print no progress and no notices',
  '--verbose': 'print more, including stack traces of unexpected errors',
  '--no-color': 'print without colours (also NO_COLOR)',
  '--tz <zone>': "time zone in which times are read and shown (default: the profile's, or else this machine's)",
  '--yes': 'answer yes to every question',
  '--dry-run': 'show what would change without changing anything',
  '--help': 'show the help of a command',
  '--version': 'print the version',
} as const satisfies Readonly<Record<string, string>>;

/** `batchctl --help`: every command by group. Loads no command modules. */
export function overview(commands: readonly CommandEntry[], width: number): string {
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
    'Examples:\n  batchctl init\n  batchctl COMMAND --help',
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}

/** The subcommands of a word that is not itself a command: `batchctl config --help`. */
export function overviewBelow(word: string, entries: readonly CommandEntry[], width: number): string {
  const rows = entries.map((entry) => [entry.name, entry.summary] as const);
  return `Usage: batchctl ${word} COMMAND\n\nCommands:\n${columns(rows, width)}\n`;
}

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
