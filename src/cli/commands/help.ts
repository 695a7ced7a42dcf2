import { BatchctlError } from '../../errors.ts';
import { type CommandDefinition, type CommandTable, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { everything, overview } from '../help.ts';
import { commandHelp } from '../parse.ts';
import { print } from '../render.ts';

export function helpCommand(ctx: Context, table: CommandTable): CommandDefinition {
  return defineCommand({
    arguments: { '[topic...]': 'a command, or job-files, splits, exit-codes, environment' },
    options: { '--all': 'every command by group, and the flags that all of them take' },
    writes: false,
    output: null,
    help: {
      about: 'Without a topic it lists the commands that make up a day.',
      examples: ['batchctl help --all', 'batchctl help splits', 'batchctl help schedule add'],
      exitCodes: [0],
      related: ['version', 'schema'],
    },
    run: async ({ topic, all }) => {
      const { isTTY, columns } = ctx.io.stdout;
      await print(ctx, await helpText(ctx, table, topic, { all, width: isTTY === true ? (columns ?? 80) : 80 }));
    },
  });
}

async function helpText(
  ctx: Context,
  table: CommandTable,
  words: readonly string[],
  { all, width }: { readonly all: boolean; readonly width: number },
): Promise<string> {
  const [first] = words;
  if (all && first !== undefined) {
    throw new BatchctlError('usage', `--all lists every command, found ${words.join(' ')} besides`, {
      hint: `batchctl help ${words.join(' ')}`,
    });
  }
  if (first === undefined) return (all ? everything : overview)(table.commands, width);
  const found = table.find(words);
  if (found !== null) return commandHelp(found.entry, (await found.entry.load())(ctx), width);
  const { topicNamed, topicText } = await import('../topics.ts');
  const topic = topicNamed(words.join(' '));
  if (topic !== null) return topicText(topic, width);
  const { helpBelow, unknownCommand } = await import('../unknown-command.ts');
  const below = words.length === 1 ? helpBelow(table.commands, first, width) : null;
  if (below === null) throw unknownCommand(table.commands, words);
  return below;
}
