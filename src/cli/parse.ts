import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { BatchctlError } from '../errors.ts';
import { closest } from '../lib/closest.ts';
import { type CommandDefinition, type CommandEntry, exitTexts, type OptionSpec, type RawInput } from './command.ts';
import { columns, GLOBAL_FLAGS, wrap } from './help.ts';
import { withPagePaths } from './pages.ts';

/** A command's arguments and options by name. */
interface ParsedWords {
  /** All of them, those that were left out with their defaults. */
  readonly input: RawInput;
  /** Only those that were typed. */
  readonly given: RawInput;
}

/** Throws `usage` with what was expected, and a suggestion. */
export function parseCommand(
  entry: CommandEntry,
  definition: CommandDefinition,
  words: readonly string[],
  cwd = '.',
): ParsedWords {
  const command = buildCommand(entry, definition);
  withUsageErrors(
    { name: entry.name, cwd },
    () => command.parse([...words], { from: 'user' }),
    () => flagsOf(command),
  );
  const named = Object.entries(command.opts());
  const operands = Object.keys(definition.arguments).map((spec, i) => [argumentName(spec), command.processedArgs[i]]);
  const typed = [
    ...operands.filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0)),
    ...named.filter(([name]) => command.getOptionValueSource(name) === 'cli'),
  ];
  return { input: Object.fromEntries([...operands, ...named]), given: Object.fromEntries(typed) };
}

/** The options that words begin with, up to the first operand; null if one of them is unknown, or lacks its value. */
export function leadingWords(
  entry: CommandEntry,
  definition: CommandDefinition,
  words: readonly string[],
): readonly string[] | null {
  const command = buildCommand(entry, definition).passThroughOptions().allowExcessArguments();
  try {
    command.parse([...words], { from: 'user' });
  } catch {
    return null;
  }
  return words.slice(0, words.length - command.args.length);
}

/** A command's full help: usage, arguments, options, examples, exit codes, related commands. */
export function commandHelp(entry: CommandEntry, definition: CommandDefinition, width: number): string {
  const { help } = definition;
  const command = buildCommand(entry, definition);
  command.configureHelp({ helpWidth: Math.min(width, 120) });
  const blocks = [
    command.helpInformation().trimEnd(),
    ...(help.about === undefined ? [] : [wrap(withPagePaths(help.about), Math.min(width, 120)).join('\n')]),
    `Examples:\n${help.examples.map((line) => `  ${line}`).join('\n')}`,
    `Exit codes (besides 1 and 2):\n${columns(exitTexts(help), width)}`,
    ...(entry.also === undefined ? [] : [`Also: ${entry.also.map((name) => `batchctl ${name}`).join(', ')}`]),
    `Related: ${help.related.map((name) => `batchctl ${name}`).join(', ')}`,
    'Global flags: batchctl help --all',
  ];
  return `${blocks.join('\n\n')}\n`;
}

function buildCommand(entry: CommandEntry, definition: CommandDefinition): Command {
  const command = silenceCommander(new Command(`batchctl ${entry.name}`)).description(entry.summary);
  for (const [spec, text] of Object.entries(definition.arguments)) command.argument(spec, text);
  for (const [flags, spec] of Object.entries(definition.options)) {
    const known = typeof spec === 'string' ? new Option(flags, spec) : buildOption(flags, spec);
    command.addOption(known);
    // Not the option's own default, which its help would show: `(default: [])`.
    if (typeof spec !== 'string' && spec.repeat === true) {
      command.setOptionValueWithSource(known.attributeName(), [], 'default');
    }
  }
  for (const known of command.options) {
    if (known.isBoolean() && !known.negate) command.setOptionValueWithSource(known.attributeName(), false, 'default');
  }
  return command;
}

function buildOption(flags: string, spec: OptionSpec<unknown>): Option {
  const made = new Option(flags, spec.repeat === true ? `${spec.text} (may be repeated)` : spec.text);
  const words = spec.choices?.map(String);
  if (words !== undefined) made.choices(words);
  const parse = (text: string): unknown => {
    if (words !== undefined && !words.includes(text)) {
      throw new InvalidArgumentError(`Expected one of ${words.join(', ')}.`);
    }
    try {
      return spec.parse === undefined ? text : spec.parse(text);
    } catch (error) {
      throw error instanceof RangeError ? new BatchctlError('usage', `${made.long ?? flags}: ${error.message}`) : error;
    }
  };
  if (spec.repeat !== true) return made.argParser(parse);
  const values: unknown[] = [];
  return made.argParser((text: string) => {
    values.push(parse(text));
    return values;
  });
}

function silenceCommander(command: Command): Command {
  return command
    .exitOverride()
    .helpOption(false)
    .helpCommand(false)
    .allowExcessArguments(false)
    .action(() => {})
    .configureOutput({ writeOut: () => {}, writeErr: () => {} });
}

function flagsOf(command: Command): readonly string[] {
  const own = command.options.flatMap(({ long }) => (long == null ? [] : [long]));
  return [...own, ...Object.keys(GLOBAL_FLAGS).map((flag) => /--[a-z-]+/.exec(flag)?.[0] ?? '')];
}

interface TypedCommand {
  readonly name: string;
  readonly cwd: string;
}

function withUsageErrors({ name, cwd }: TypedCommand, parse: () => void, flags: () => readonly string[]): void {
  try {
    parse();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const [first = ''] = error.message.replace(/^error: /, '').split('\n');
    const unknown = /^unknown option '(-[^']*)'/.exec(first)?.[1];
    const flag = unknown === undefined ? null : closest(unknown, flags());
    const meant = flag === null ? '' : `did you mean ${flag}? `;
    const example = first.includes("argument 'jobfile'") ? `${exampleHint(name, cwd)}; ` : '';
    const hint = `${meant}${example}see batchctl ${name} --help`;
    throw new BatchctlError('usage', first.replace(/\.$/, ''), { hint, cause: error });
  }
}

/** The words to add to a command that lacks its job file. */
export const exampleHint = (command: string, cwd: string): string =>
  existsSync(join(cwd, 'job.yaml')) ? `batchctl ${command} job.yaml` : 'batchctl init writes an example, job.yaml';

function argumentName(spec: string): string {
  return spec.replace(/^[<[]|\.\.\.|[>\]]$/g, '').replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
