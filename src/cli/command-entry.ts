import type { CommandDefinition } from './command.ts';
import type { Context } from './context.ts';

export type CommandGroup = 'Start' | 'Data' | 'Jobs' | 'Grid' | 'Service' | 'Infrastructure';

/** A command as listed in the overview. Its module is loaded only on demand. */
export interface CommandEntry {
  /** One word, or several with its parent's: `config show`. */
  readonly name: string;
  readonly group: CommandGroup;
  readonly summary: string;
  readonly load: () => Promise<(ctx: Context) => CommandDefinition>;
}
