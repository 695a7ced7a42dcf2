import type { Stats } from 'node:fs';
import type { Environment } from './environment.ts';

/** The users whose files this process may take programs from. Null ids: the system has none (Windows). */
export interface Trusted {
  readonly uid: number | null;
  readonly gid: number | null;
  /** For root: the user who called sudo. */
  readonly caller: number | null;
}

/** This process's user. For root also the user who called it by sudo, as that person typed the command. */
export function trustedUsers(env: Environment = process.env, uid = process.geteuid?.() ?? null): Trusted {
  const caller = /^\d{1,10}$/.test(env.SUDO_UID ?? '') ? Number(env.SUDO_UID) : null;
  return { uid, gid: process.getegid?.() ?? null, caller: uid === 0 ? caller : null };
}

/**
 * Why a file or directory that decides what runs can't be trusted; null if it can: root, this user or its caller owns
 * it, and no one else may write it. The members of a group are unknown, but where groups can write by default, each user
 * has a primary group of its own.
 */
export function distrustReason(
  { uid, gid, mode }: Pick<Stats, 'uid' | 'gid' | 'mode'>,
  trusted: Trusted,
): string | null {
  if (trusted.uid === null) return null;
  const shown = `(mode ${(mode & 0o7777).toString(8).padStart(4, '0')}, owner ${uid}, group ${gid})`;
  if (!isTrustedOwner(uid, trusted)) return `belongs to another user ${shown}`;
  if ((mode & 0o002) !== 0) return `can be written by everyone ${shown}`;
  if ((mode & 0o020) !== 0 && gid !== trusted.gid) return `can be written by a group ${shown}`;
  return null;
}

/** Whether this user, root or root's caller has this id. */
export const isTrustedOwner = (uid: number, trusted: Trusted): boolean =>
  trusted.uid === null || uid === trusted.uid || uid === 0 || uid === trusted.caller;

/** Whether every user may rename what is in a directory of this mode, and put something else in its place. */
export const isOpenToAll = (mode: number): boolean => (mode & 0o002) !== 0 && (mode & 0o1000) === 0;
