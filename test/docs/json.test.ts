// Protects: docs/json.md names exactly the fields and error kinds that --json prints.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { outputOf } from '../../src/cli/command.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { EXIT_CODES } from '../../src/errors.ts';
import type { JsonSchema } from '../../src/lib/json-schema.ts';
import { fieldPaths } from '../support/field-paths.ts';
import { commandContext } from './command-line.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/json.md'), 'utf8');

/** The fields that the page names, by command. A section may cover several commands. */
function fieldsByCommand(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const section of page.split('\n## ').slice(1)) {
    const [heading = ''] = section.split('\n', 1);
    const fields = [...section.matchAll(/^\| `([^`]+)` +\|/gm)].map(([, field]) => field ?? '');
    for (const [, name] of heading.matchAll(/`([^`]+)`/g)) found.set(name ?? '', fields);
  }
  return found;
}

/** `steps`, `[]`, `name` as the page spells it: `steps[].name`. */
function spelled(path: readonly string[]): string {
  return path.reduce((text, part) => (part === '[]' ? `${text}[]` : text === '' ? part : `${text}.${part}`), '');
}

/** The answer's schema of each command that has one. Opens nothing. */
async function outputs(): Promise<ReadonlyMap<string, JsonSchema>> {
  const ctx = commandContext();
  const found = new Map<string, JsonSchema>();
  for (const entry of COMMANDS) {
    const output = await outputOf((await entry.load())(ctx));
    if (output !== null) found.set(entry.name, output);
  }
  return found;
}

describe('docs/json.md', () => {
  it('has a section for every command with an answer, and for no other', async () => {
    expect([...fieldsByCommand().keys()].sort()).to.deep.equal([...(await outputs()).keys()].sort());
  });

  it('names every field of every answer, and no others', async () => {
    const named = fieldsByCommand();
    for (const [command, output] of await outputs()) {
      const fields = fieldPaths(output).map(spelled);
      expect([...(named.get(command) ?? [])].sort(), command).to.deep.equal(fields.sort());
    }
  });

  it('names every kind of error', () => {
    const [, listed = ''] = /Kinds: `([^`]+)`/.exec(page) ?? [];
    expect(listed.split(/\s+/).sort()).to.deep.equal(Object.keys(EXIT_CODES).sort());
  });
});
