import type { AttemptEvent } from '../ledger/records.ts';

/** The facts about an attempt that a report needs, from the ledger as far as it has them. */
export type AttemptFacts = Omit<AttemptEvent, 'job' | 'bytesOut' | 'counters'>;

/** An attempt with an end: for one that vanished, the last instant at which it can have run. */
export interface EndedAttempt {
  readonly facts: AttemptFacts;
  readonly outcome: AttemptFacts['outcome'];
  /** Milliseconds since the epoch; for a running one, now. */
  readonly end: number;
}

/** Other knowledge about possible ends, milliseconds since the epoch. */
export interface EndingContext {
  readonly now: number;
  /** When the job was closed; null while it is open. */
  readonly closedAt: number | null;
  /** A worker's last heartbeat, and whether it is still alive; undefined for an unknown worker. */
  readonly worker: (id: string) => { readonly seenAt: number; readonly alive: boolean } | undefined;
}

/**
 * Gives each attempt of one task its end. An attempt without a recorded end either runs, or vanished with its worker
 * (killed, lost). Then it counts as interrupted, and ended at its worker's last heartbeat, but not after the next
 * attempt began or another one succeeded.
 */
export function endAttempts(attempts: readonly AttemptFacts[], context: EndingContext): readonly EndedAttempt[] {
  const won = attempts.find(({ outcome }) => outcome === 'done')?.endedAt ?? null;
  return attempts.map((facts): EndedAttempt => {
    const { outcome, startedAt, endedAt } = facts;
    if (outcome !== 'running') return { facts, outcome, end: Math.max(startedAt, endedAt ?? startedAt) };
    const worker = context.worker(facts.worker);
    const next = Math.min(...attempts.map((other) => (other.startedAt > startedAt ? other.startedAt : context.now)));
    const runs = context.closedAt === null && won === null && next === context.now && worker?.alive === true;
    if (runs) return { facts, outcome, end: Math.max(startedAt, context.now) };
    const last = Math.min(next, won ?? context.now, context.closedAt ?? context.now, worker?.seenAt ?? startedAt);
    return { facts, outcome: 'interrupted', end: Math.max(startedAt, last) };
  });
}
