import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { COMMANDS } from '../../src/cli/commands.ts';
import { isRecord } from '../../src/lib/json.ts';
import type { AnyVerb } from '../../src/verbs/verb.ts';

const FOLDER = join(import.meta.dirname, '../../src/verbs');
export const VERB_INDEX = join(FOLDER, 'index.ts');

interface Declared {
  readonly verb: AnyVerb;
  readonly file: string;
  readonly exported: string;
}

/** Every verb that a module of `src/verbs` exports, by its name. */
export async function declaredVerbs(): Promise<ReadonlyMap<string, Declared>> {
  const files = readdirSync(FOLDER).filter((file) => file !== 'index.ts');
  const all = await Promise.all(
    files.map(async (file) =>
      Object.entries((await import(join(FOLDER, file))) as object)
        .filter(([, value]) => isRecord(value) && 'input' in value && 'answer' in value && 'run' in value)
        .map(([exported, verb]): [string, Declared] => [verb.name, { verb, file, exported }]),
    ),
  );
  return new Map(all.flat());
}

/** The list of verbs, in the order of the commands. */
export async function verbIndex(): Promise<string> {
  const declared = await declaredVerbs();
  const offered = COMMANDS.map(({ name }) => name).filter((name) => declared.has(name));
  const inner = [...declared.keys()].filter((name) => !offered.includes(name)).sort();
  const loaderOf = (name: string): string => {
    const { file = '', exported = '' } = declared.get(name) ?? {};
    return `async () => (await import('./${file}')).${exported},\n`;
  };
  const keyOf = (name: string): string => (name.includes(' ') ? `'${name}'` : name);
  return `// Made by \`npm run docs\` from the verbs that the modules of this folder export, and the list of commands.
import type { AnyVerb } from './verb.ts';

/** All declared verbs by their command-line names. Each is loaded on demand. */
export const VERBS: Readonly<Record<string, () => Promise<AnyVerb>>> = {
${offered.map((name) => `  ${keyOf(name)}: ${loaderOf(name)}`).join('')}};

/** Verbs that only this program's command line calls, as part of a command. */
export const INNER_VERBS: readonly (() => Promise<AnyVerb>)[] = [
${inner.map((name) => `  ${loaderOf(name)}`).join('')}];
`;
}
