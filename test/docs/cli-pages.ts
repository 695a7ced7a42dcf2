import { EXIT_ACTIONS, EXIT_MEANINGS, exitTexts } from '../../src/cli/command.ts';
import {
  type ArgumentFacts,
  allCommandFacts,
  type CommandFacts,
  type OptionFacts,
} from '../../src/cli/command-facts.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { GLOBAL_FLAGS } from '../../src/cli/help.ts';
import { TOPICS, type Topic } from '../../src/cli/topics.ts';
import { EXIT_CODES } from '../../src/errors.ts';
import { commandContext } from './command-line.ts';
import { jsonPage } from './json-page.ts';

/** The reference pages below docs/cli/, generated from the commands' own definitions. `npm run docs` writes them. */

/** Every command's facts; opens nothing. */
export async function commandFacts(): Promise<readonly CommandFacts[]> {
  return allCommandFacts(commandContext(), { commands: COMMANDS });
}

/** Each page's name and text. The name is relative to docs/cli/. */
export async function cliPages(): Promise<ReadonlyMap<string, string>> {
  const commands = await commandFacts();
  const sections = jsonSections(await jsonPage());
  return new Map([
    ['README.md', index(commands)],
    [EXIT_CODES_PAGE, exitCodes()],
    ...commands.map((command) => [pageOf(command.name), page(command, commands, sections)] as const),
  ]);
}

const pageOf = (name: string): string => `${name.replaceAll(' ', '-')}.md`;
const EXIT_CODES_PAGE = '../exit-codes.md';
const EXIT_SCRIPT = `batchctl run job.yaml --period 2026-11 --run-key 'orders-{period}' -o totals.csv --quiet
case $? in
  0) ;;
  5) batchctl failures key:orders-2026-11 ;;
  6 | 8 | 130) echo "not done yet: run this script again" ;;
  *) echo "see above" ;;
esac`;
const GENERATED = '<!-- Made from the commands by `npm run docs`: change src/cli/commands/, not this page. -->';

function index(commands: readonly CommandFacts[]): string {
  const groups = [...new Set(commands.map(({ group }) => group))];
  return paragraphs([
    GENERATED,
    '# The commands',
    'One page a command. `batchctl COMMAND --help` says the same on a terminal. All share the same [exit codes](../exit-codes.md).',
    ...groups.flatMap((group) => [
      `## ${group}`,
      table(
        ['command', 'does'],
        commands
          .filter((command) => command.group === group)
          .map(({ name, summary }) => [`[\`${name}\`](${pageOf(name)})`, cell(summary)]),
      ),
    ]),
    '## Flags of every command',
    'They stand before the command or after it. What they mean in full: [configuration](../configuration.md), [JSON answers](../json.md).',
    table(
      ['flag', 'does'],
      Object.entries(GLOBAL_FLAGS).map(([flag, text]) => [`\`${flag}\``, cell(text)]),
    ),
    ...TOPICS.filter(({ name }) => name !== 'exit-codes').flatMap(topicSection),
  ]);
}

/** The text of `batchctl help TOPIC`. */
function topicSection({ name, text, rows, example, page: more }: Topic): readonly string[] {
  const title = name.replace('-', ' ');
  return [
    `## ${title.charAt(0).toUpperCase()}${title.slice(1)}`,
    escaped(text),
    table(
      ['', ''],
      rows.map(([term, meaning]) => [`\`${term}\``, cell(meaning)]),
    ),
    ...(example.length === 0 ? [] : [fenced(name === 'job-files' ? 'yaml' : 'sh', example.join('\n'))]),
    `In full: [${more}](../${more}).`,
  ];
}

function exitCodes(): string {
  const actions: Readonly<Record<string, string>> = EXIT_ACTIONS;
  return paragraphs([
    GENERATED.replace('src/cli/commands/', 'src/cli/command.ts'),
    '# Exit codes',
    "Every command uses the same codes. A command's [own page](cli/README.md) is more precise where it can be.",
    table(
      ['code', 'means', 'what to do', '`error.kind`'],
      Object.entries(EXIT_MEANINGS).map(([code, text]) => [
        code,
        cell(text),
        cell(actions[code] ?? ''),
        kindsOf(Number(code)),
      ]),
    ),
    'With `--json` an error is the last line of stderr, `{"error":{"kind","message","hint"}}`: see [the JSON answers](json.md).',
    '`run`, `wait` and `watch` exit with the state of the job: 0, 5, 6, 7 or 10. So a script needs no parsing:',
    fenced('sh', EXIT_SCRIPT),
  ]);
}

function kindsOf(code: number): string {
  const kinds = Object.entries(EXIT_CODES).filter(([, number]) => number === code);
  return kinds.map(([kind]) => `\`${kind}\``).join(', ');
}

function page(command: CommandFacts, all: readonly CommandFacts[], sections: ReadonlyMap<string, string>): string {
  const { name, summary, also, help } = command;
  return paragraphs([
    GENERATED,
    `# \`batchctl ${name}\``,
    sentence(summary),
    ...(help.about === undefined ? [] : [escaped(help.about)]),
    fenced('', usage(command)),
    ...(also.length === 0 ? [] : [`Also: ${also.map((other) => `\`batchctl ${other}\``).join(', ')}.`]),
    ...listed('Arguments', ['argument', 'is'], command.arguments.map(argumentRow)),
    ...listed('Flags', ['flag', 'does'], command.options.map(optionRow)),
    `Besides the [flags of every command](README.md#flags-of-every-command)${
      command.writes ? ': with `--dry-run` it says what it would do, and changes nothing' : ''
    }.`,
    '## Examples',
    fenced('sh', help.examples.join('\n')),
    '## Exit codes',
    table(['code', 'means'], exitRows(command)),
    ...json(command, sections),
    '## Related',
    help.related.map((other) => link(other, all)).join(' · '),
  ]);
}

function usage({ name, arguments: operands, options, passThrough }: CommandFacts): string {
  const words = operands.map(({ name: operand, required, repeat }) => {
    const text = `${operand.toUpperCase()}${repeat ? '...' : ''}`;
    return required ? text : `[${text}]`;
  });
  const flags = options.length > 0 ? ['[FLAGS]'] : [];
  return ['batchctl', name, ...words, ...flags, ...(passThrough ? ['[-- COMMAND ARGUMENTS...]'] : [])].join(' ');
}

function argumentRow({ name, required, repeat, text }: ArgumentFacts): readonly [string, string] {
  const notes = [...(required ? [] : ['may be left out']), ...(repeat ? ['one or more'] : [])];
  return [`\`${name.toUpperCase()}\``, cell([text, ...notes].join('; '))];
}

function optionRow({ long, short, value, optional, choices, repeat, text }: OptionFacts): readonly [string, string] {
  const flag = `${short === null ? '' : `${short}, `}${long}${value === null ? '' : ` ${optional ? `[${value.toUpperCase()}]` : value.toUpperCase()}`}`;
  const words = choices.map((choice) => `\`${choice}\``).join(', ');
  const notes = [...(choices.length > 0 ? [`one of ${words}`] : []), ...(repeat ? ['may be repeated'] : [])];
  return [`\`${flag}\``, [cell(text), ...notes].join('; ')];
}

function exitRows({ help }: CommandFacts): readonly (readonly [string, string])[] {
  return exitTexts({ ...help, exitCodes: { 1: true, 2: true, ...help.exitCodes } }).map(([code, text]) => [
    code,
    cell(text),
  ]);
}

function json({ name, output }: CommandFacts, sections: ReadonlyMap<string, string>): readonly string[] {
  if (output === null) return [];
  const anchor = sections.get(name);
  const fields = anchor === undefined ? '[JSON answers](../json.md)' : `[its fields](../json.md#${anchor})`;
  return ['## JSON', `\`--json\` answers with ${fields}; \`batchctl schema ${name}\` prints the schema.`];
}

/** The anchor of a command's section in docs/json.md. */
function jsonSections(text: string): ReadonlyMap<string, string> {
  const anchors = new Map<string, string>();
  for (const [, heading = ''] of text.matchAll(/^## (.+)$/gm)) {
    const anchor = heading
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .replaceAll(' ', '-');
    for (const [, name = ''] of heading.matchAll(/`([^`]+)`/g)) anchors.set(name, anchor);
  }
  return anchors;
}

function link(name: string, all: readonly CommandFacts[]): string {
  return all.some((command) => command.name === name) ? `[\`${name}\`](${pageOf(name)})` : `\`${name}\``;
}

const listed = (heading: string, titles: readonly [string, string], rows: readonly (readonly [string, string])[]) =>
  rows.length === 0 ? [] : [`## ${heading}`, table(titles, rows)];

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  return [titles, titles.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const sentence = (text: string): string => escaped(`${text.charAt(0).toUpperCase()}${text.slice(1)}.`);
const fenced = (language: string, text: string): string => `\`\`\`${language}\n${text}\n\`\`\``;
const paragraphs = (blocks: readonly string[]): string => `${blocks.join('\n\n')}\n`;
/** Text that Markdown would take for a tag. */
const escaped = (text: string): string => text.replaceAll('<', '&lt;');
const cell = (text: string): string => escaped(text).replaceAll('|', '\\|');
