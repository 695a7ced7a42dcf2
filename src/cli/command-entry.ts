import type { CommandDefinition } from './command.ts';
import type { Context } from './context.ts';

export type CommandGroup = 'Start' | 'Data' | 'Jobs' | 'Grid' | 'Service' | 'Infrastructure';

/** A command as the overview knows it: nothing is loaded before it is asked for. */
export interface CommandEntry {
  /** One word, or with its parent's: `config show`. */
  readonly name: string;
  readonly group: CommandGroup;
  readonly summary: string;
  readonly load: () => Promise<(ctx: Context) => CommandDefinition>;
}
