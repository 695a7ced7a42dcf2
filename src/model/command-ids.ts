/**
 * The user ids, and group ids, of commands that run as another user: one for each slot of each worker, without a name
 * (ADR 57). Systems assign no ids from here to 2^32 - 2 (systemd: UIDS-GIDS). The firewall of an instance keeps all of
 * them from its metadata.
 */
export const COMMAND_IDS = { first: 2 ** 31, last: 2 ** 31 + 2 ** 30 - 1 } as const;

/** A worker's slots with ids of their own. Linux's process ids are below 2^22 (proc(5): pid_max), so the ids suffice. */
export const MAX_COMMAND_SLOTS = 256;

/** The id of a slot: no other process on the machine has it while the worker runs. */
export function commandId(workerPid: number, slot: number): number {
  return COMMAND_IDS.first + workerPid * MAX_COMMAND_SLOTS + slot;
}
