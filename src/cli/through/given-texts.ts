import { Option } from 'commander';
import type { CommandDefinition, CommandEntry, OptionSpec } from '../command.ts';
import { parseCommand } from '../parse.ts';

/** Arguments and options by name, as typed, because the manager parses the values itself. Omits what was not given. */
export function givenTexts(
  entry: CommandEntry,
  definition: CommandDefinition,
  words: readonly string[],
): Readonly<Record<string, unknown>> {
  const options = Object.fromEntries(Object.entries(definition.options).map(([spec, option]) => [spec, bare(option)]));
  const all = parseCommand(entry, { ...definition, options }, words);
  const negated = Object.keys(options).flatMap((spec) => {
    const option = new Option(spec);
    return option.negate ? [option.attributeName()] : [];
  });
  return Object.fromEntries(
    Object.entries(all).filter(([name, value]) => {
      if (value === undefined || (Array.isArray(value) && value.length === 0)) return false;
      return typeof value !== 'boolean' || value !== negated.includes(name);
    }),
  );
}

function bare(option: string | OptionSpec<unknown>): string | OptionSpec<string> {
  if (typeof option === 'string') return option;
  return { text: option.text, ...(option.repeat === true && { repeat: true }) };
}
