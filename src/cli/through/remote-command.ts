import type { ManagerProfile } from '../../config/load-config.ts';
import type { Manager } from '../../ports/manager.ts';
import type { CommandDefinition, CommandEntry } from '../command.ts';
import type { Context } from '../context.ts';

/** A command to be run through a manager. */
export interface RemoteCommand {
  readonly ctx: Context;
  readonly profile: ManagerProfile;
  readonly entry: CommandEntry;
  readonly definition: CommandDefinition;
  /** Parsed, as the command itself would receive it. */
  readonly input: Readonly<Record<string, unknown>>;
  /** As typed: see `givenTexts`. */
  readonly given: Readonly<Record<string, unknown>>;
}

/** The same, once the manager has answered. */
export interface ConnectedCommand extends RemoteCommand {
  readonly manager: Manager;
}
