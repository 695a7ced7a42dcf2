import { BatchctlError } from '../errors.ts';
import { ownValue } from '../lib/json.ts';
import { parseZone } from '../lib/zone.ts';

/** Flags that every command accepts, before or after its name. */
export interface GlobalFlags {
  readonly config: string | undefined;
  readonly profile: string | undefined;
  readonly tz: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly color: boolean;
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly help: boolean;
  readonly version: boolean;
}

/** The arguments before and after `--`, without the global flags. */
export interface SplitArguments {
  readonly flags: GlobalFlags;
  readonly words: readonly string[];
  /** The arguments after `--`; null without `--`. */
  readonly rest: readonly string[] | null;
}

const VALUED: readonly string[] = ['--config', '--profile', '--tz'];
const SHORT: Readonly<Record<string, string>> = {
  '-q': '--quiet',
  '-v': '--verbose',
  '-y': '--yes',
  '-n': '--dry-run',
  '-h': '--help',
  '-V': '--version',
};
const PLAIN: readonly string[] = [...Object.values(SHORT), '--json', '--no-color'];

/** Removes the global flags from the arguments, at any position. Throws `usage`. */
export function splitGlobalFlags(argv: readonly string[]): SplitArguments {
  const end = argv.indexOf('--');
  const before = end < 0 ? argv : argv.slice(0, end);
  const values = new Map<string, string>();
  const seen = new Set<string>();
  const words: string[] = [];
  for (let i = 0; i < before.length; i += 1) {
    const word = before[i] ?? '';
    const [name = '', inline] = splitAtEquals(ownValue(SHORT, word) ?? word);
    if (VALUED.includes(name)) {
      const value = inline ?? before[i + 1];
      if (inline === undefined) i += 1;
      if (value === undefined || value === '' || (inline === undefined && value.startsWith('--'))) {
        throw new BatchctlError('usage', `${name} requires a value`, {
          hint: 'batchctl help --all lists the value of each flag',
        });
      }
      values.set(name, value);
    } else if (PLAIN.includes(name)) {
      if (inline !== undefined) throw new BatchctlError('usage', `${name} takes no value, found "${inline}"`);
      seen.add(name);
    } else words.push(word);
  }
  return {
    flags: {
      config: values.get('--config'),
      profile: values.get('--profile'),
      tz: values.has('--tz') ? parseZone(values.get('--tz') ?? '') : undefined,
      json: seen.has('--json'),
      quiet: seen.has('--quiet'),
      verbose: seen.has('--verbose'),
      color: !seen.has('--no-color'),
      yes: seen.has('--yes'),
      dryRun: seen.has('--dry-run'),
      help: seen.has('--help'),
      version: seen.has('--version'),
    },
    words,
    rest: end < 0 ? null : argv.slice(end + 1),
  };
}

function splitAtEquals(word: string): [string, string | undefined] {
  const at = word.indexOf('=');
  return word.startsWith('--') && at > 0 ? [word.slice(0, at), word.slice(at + 1)] : [word, undefined];
}
