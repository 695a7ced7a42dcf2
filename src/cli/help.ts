import { COMMANDS, type CommandEntry } from './commands.ts';

/** The flags of every command, as the help shows them; `global-flags.ts` reads them. */
export const GLOBAL_FLAGS = {
  '--config <file>': 'configuration file (BATCHCTL_CONFIG)',
  '--profile <name>': "batchctl's profile (BATCHCTL_PROFILE)",
  '--json': 'answers as JSON; a list as JSON Lines',
  '--quiet': 'no progress, no notices',
  '--verbose': 'say more; stacks of unexpected errors',
  '--no-color': 'no colours (also NO_COLOR)',
  '--tz <zone>': "time zone of times read and shown; else the profile's, else this machine's",
  '--yes': 'answer every question with yes',
  '--dry-run': 'say what would change, and change nothing',
  '--help': 'help for a command',
  '--version': 'the version',
} as const satisfies Readonly<Record<string, string>>;

/** `batchctl --help`: every command by group. Loads no command. */
export function overview(width: number): string {
  const groups = [...new Set(COMMANDS.map((entry) => entry.group))];
  const blocks = groups.map((group) => {
    const rows = COMMANDS.filter((entry) => entry.group === group).map((entry) => [entry.name, entry.summary] as const);
    return `${group}:\n${columns(rows, width)}`;
  });
  return [
    'Usage: batchctl COMMAND [ARGUMENTS] [FLAGS]',
    'Cut raw data into tasks, run them on workers, prove that nothing was lost: on this machine, or on AWS.',
    ...blocks,
    `Flags of every command, before or after it:\n${columns(Object.entries(GLOBAL_FLAGS), width)}`,
    'Examples:\n  batchctl init\n  batchctl COMMAND --help',
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}

/** The commands below a word that is none itself: `batchctl config --help`. */
export function overviewBelow(word: string, entries: readonly CommandEntry[], width: number): string {
  const rows = entries.map((entry) => [entry.name, entry.summary] as const);
  return `Usage: batchctl ${word} COMMAND\n\nCommands:\n${columns(rows, width)}\n`;
}

/** Two columns, the right one wrapped within the width. */
export function columns(rows: readonly (readonly [string, string])[], width: number): string {
  const left = Math.max(...rows.map(([term]) => term.length)) + 2;
  const room = Math.max(20, Math.min(width, 120) - left - 2);
  return rows
    .map(([term, text]) => `  ${term.padEnd(left)}${wrap(text, room).join(`\n${' '.repeat(left + 2)}`)}`)
    .join('\n');
}

/** Breaks a text at spaces into lines of at most `room` characters; a longer word stays whole. */
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
