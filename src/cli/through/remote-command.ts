import type { ManagerProfile } from '../../config/load-config.ts';
import type { Manager } from '../../ports/manager.ts';
import type { InvokedCommand } from '../command.ts';

/** A command to be run through a manager. */
export interface RemoteCommand extends InvokedCommand {
  readonly profile: ManagerProfile;
}

/** The same, once the manager has answered. */
export interface ConnectedCommand extends RemoteCommand {
  readonly manager: Manager;
}
