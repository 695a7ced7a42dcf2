import { BatchctlError } from '../../errors.ts';
import { describeFound } from '../../lib/problems.ts';
import type { CommandDefinition, OptionSpec } from '../command.ts';

/** An argument's or option's name in the API: `[job]` is job, `-o, --output <file>` output, `--no-scale` scale. */
export function nameOf(spec: string): string {
  const long = /--(?:no-)?([a-z][a-z-]*)/.exec(spec)?.[1] ?? spec.replace(/[<>[\].]/g, '');
  return long.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * The command line for named values; each value becomes one argument, whatever it contains. Throws `usage` for an
 * unknown name, a value of the wrong kind, and an argument that would take another's position.
 */
export function wordsOf(definition: CommandDefinition, input: Readonly<Record<string, unknown>>): readonly string[] {
  const left = new Map(Object.entries(input).filter(([, value]) => value !== undefined && value !== null));
  const take = (name: string): unknown => {
    const value = left.get(name);
    left.delete(name);
    return value;
  };
  const options = Object.keys(definition.options).flatMap((spec) =>
    optionWords(spec, definition.options[spec], take(nameOf(spec))),
  );
  const operands: string[] = [];
  let missing: string | null = null;
  for (const spec of Object.keys(definition.arguments)) {
    const words = listOf(spec, take(nameOf(spec)), spec.includes('...'));
    if (words.length > 0 && missing !== null)
      throw new BatchctlError('usage', `${nameOf(spec)}: expected with ${missing}, found without it`);
    if (words.length === 0) missing ??= nameOf(spec);
    operands.push(...words);
  }
  const [unknown] = left.keys();
  if (unknown !== undefined) throw new BatchctlError('usage', `unknown field "${unknown.slice(0, 100)}"`);
  return [...options, '--', ...operands];
}

function optionWords(
  spec: string,
  option: string | OptionSpec<unknown> | undefined,
  value: unknown,
): readonly string[] {
  const long = /--[a-z][a-z-]*/.exec(spec)?.[0] ?? spec;
  if (value === undefined) return [];
  const takesValue = /[<[]/.test(spec);
  if (long.startsWith('--no-')) return bool(spec, value) ? [] : [long];
  if (!takesValue) return bool(spec, value) ? [long] : [];
  if (value === true && spec.includes('[')) return [long];
  const isList = typeof option === 'object' && option.repeat === true;
  return listOf(spec, value, isList).map((text) => `${long}=${text}`);
}

function bool(spec: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new BatchctlError('usage', `${nameOf(spec)}: expected true or false, found ${describeFound(value)}`);
}

function listOf(spec: string, value: unknown, isList: boolean): readonly string[] {
  if (value === undefined) return [];
  const values = isList && Array.isArray(value) ? value : [value];
  return values.map((each) => {
    if (typeof each === 'string' || typeof each === 'number') return String(each);
    throw new BatchctlError('usage', `${nameOf(spec)}: expected text or a number, found ${describeFound(each)}`);
  });
}
