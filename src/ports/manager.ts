import type { ValueFrame } from '../model/api.ts';
import type { ManagerHealth } from '../model/manager-health.ts';
import type { ObjectStore } from './object-store.ts';
import type { VerbRequest } from './verbs.ts';

/**
 * A manager, as its callers see it.
 *
 * - Nothing is sent before the certificate was accepted: the token never reaches another.
 * - Errors have a kind: `credentials` for a token that isn't accepted, `refused` for one that may not do it, `config` for
 *   another version and for a certificate that isn't the one expected, `unavailable` for a manager that can't be
 *   reached or is busy. For `unavailable`, a `ManagerUnavailableError` says whether the manager may have received the
 *   call.
 */
export interface Manager {
  readonly url: string;
  /** Runs a verb; ends with the frame that has `exit`. Aborting closes the connection, which stops the verb. */
  call(asked: VerbRequest, signal: AbortSignal): AsyncIterable<ValueFrame>;
  /** Its store, as far as callers may read it; `data/` and `code/` can be written. */
  readonly store: ObjectStore;
  /** Its version, and how far its clock is ahead of this one, milliseconds; needs no token. */
  hello(signal: AbortSignal): Promise<{ readonly version: string | null; readonly ahead: number | null }>;
  /** State of its duties; null: its version doesn't report that. Needs a token. */
  health(signal: AbortSignal): Promise<ManagerHealth | null>;
  close(): Promise<void>;
}
