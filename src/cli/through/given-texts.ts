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
  const negated = new Set(
    Object.keys(options).flatMap((spec) => {
      const name = /--no-([a-z][a-z-]*)/.exec(spec)?.[1];
      return name === undefined ? [] : [name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())];
    }),
  );
  return Object.fromEntries(
    Object.entries(all).filter(([name, value]) => {
      if (value === undefined || (Array.isArray(value) && value.length === 0)) return false;
      return typeof value !== 'boolean' || value !== negated.has(name);
    }),
  );
}

function bare(option: string | OptionSpec<unknown>): string | OptionSpec<string> {
  if (typeof option === 'string') return option;
  return { text: option.text, ...(option.repeat === true && { repeat: true }) };
}
