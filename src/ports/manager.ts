import type { Frame, ValueFrame } from '../model/api.ts';
import type { ManagerHealth } from '../model/manager-health.ts';
import type { ObjectStore } from './object-store.ts';
import type { AskedValue, VerbCall } from './verbs.ts';

/** What a command line asks of a manager: `POST /commands`. */
export type AskedVerb = Pick<VerbCall, 'name' | 'input' | 'flags' | 'terminal' | 'attachments'>;

/**
 * A manager, as its callers see it.
 *
 * - Nothing is sent before the certificate was accepted: the token never reaches another.
 * - Errors have a kind: `credentials` for a token that isn't accepted, `refused` for one that may not do it, `config` for
 *   another version and for a certificate that isn't the one expected, `unavailable` for a manager that can't be
 *   reached or is busy. Of the last, an `AwayError` says whether the call may have been heard.
 */
export interface Manager {
  readonly url: string;
  /** Runs a verb; ends with the frame that has `exit`. Aborting closes the connection, which tells the verb to stop. */
  run(asked: AskedVerb, signal: AbortSignal): AsyncIterable<Frame>;
  /** The same for a declared verb, whose answer and events are values. */
  call(asked: AskedValue, signal: AbortSignal): AsyncIterable<ValueFrame>;
  /** What its store holds, as far as callers may read it; `data/` and `code/` can be written. */
  readonly store: ObjectStore;
  /** The version it says it has, and how far its clock is ahead of this one, milliseconds; asks nothing that needs a token. */
  hello(signal: AbortSignal): Promise<{ readonly version: string | null; readonly ahead: number | null }>;
  /** How it does its duties; null: it is of a version that doesn't tell. Wants a token. */
  health(signal: AbortSignal): Promise<ManagerHealth | null>;
  close(): Promise<void>;
}
