// Protects: the command reference matches the program: every command, flag, example and link is right.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { CommandFacts } from '../../src/cli/command-facts.ts';
import { cliPages, commandFacts } from './cli-pages.ts';
import { linesOf, parseLine } from './command-line.ts';

const DIRECTORY = join(import.meta.dirname, '../../docs/cli');

describe('docs/cli', () => {
  let commands: readonly CommandFacts[] = [];
  before(async () => {
    commands = await commandFacts();
  });

  it("matches the commands' definitions, as npm run docs writes it", async () => {
    const made = await cliPages();
    const kept = [...readdirSync(DIRECTORY).filter((name) => name.endsWith('.md')), '../exit-codes.md'];
    expect(kept.sort()).to.deep.equal([...made.keys()].sort());
    for (const name of kept) expect(readFileSync(join(DIRECTORY, name), 'utf8'), name).to.equal(made.get(name));
  });

  it('explains every command, argument and flag', () => {
    const silent = commands.flatMap(({ name, summary, arguments: operands, options }) => [
      ...(summary.trim().length < 5 ? [name] : []),
      ...operands.filter(({ text }) => text.trim().length < 2).map((operand) => `${name} ${operand.name}`),
      ...options.filter(({ text }) => text.trim().length < 5).map(({ long }) => `${name} ${long}`),
    ]);
    expect(silent).to.deep.equal([]);
  });

  it('spells every flag so that completion and pages recognise it', () => {
    const odd = commands.flatMap(({ name, options }) =>
      options.filter(({ long }) => long === '').map(({ text }) => `${name}: ${text}`),
    );
    expect(odd).to.deep.equal([]);
  });

  it('has only examples that this program parses', async () => {
    const wrong: string[] = [];
    for (const { help } of commands) {
      for (const example of help.examples) {
        for (const line of linesOf(example)) {
          await parseLine(line).catch((error: Error) => wrong.push(`${example}: ${error.message}`));
        }
      }
    }
    expect(wrong).to.deep.equal([]);
  });

  it('has every command in an example of its own, and every flag on its page', async () => {
    const pages = await cliPages();
    for (const { name, help, options } of commands) {
      expect(
        help.examples.some((example) => example.includes(`batchctl ${name}`)),
        name,
      ).to.equal(true);
      const page = pages.get(`${name.replaceAll(' ', '-')}.md`) ?? '';
      for (const { long } of options) expect(page, name).to.include(long);
    }
  });

  it('names only existing related commands', () => {
    const names = new Set(commands.map(({ name }) => name));
    const unknown = commands.flatMap(({ name, help }) =>
      help.related.filter((other) => !names.has(other)).map((other) => `${name}: ${other}`),
    );
    expect(unknown).to.deep.equal([]);
  });
});
