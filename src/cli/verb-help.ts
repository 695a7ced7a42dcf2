import type { VerbHelp } from '../verbs/verb-runner.ts';
import type { CommandTable } from './command.ts';
import type { Context } from './context.ts';

/** The help of every command, by its name, for the document of a manager's API. */
export async function verbHelp(
  ctx: Context,
  { commands }: Pick<CommandTable, 'commands'>,
): Promise<ReadonlyMap<string, VerbHelp>> {
  return new Map(
    await Promise.all(
      commands.map(async ({ name, summary, load }): Promise<[string, VerbHelp]> => {
        const { help } = (await load())(ctx);
        return [name, { summary, about: help.about ?? null, example: help.examples[0] }];
      }),
    ),
  );
}
