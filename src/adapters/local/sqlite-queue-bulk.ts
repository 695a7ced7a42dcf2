import type { Clock } from '../../lib/clock.ts';
import type { SqliteMessages } from './sqlite-messages.ts';
import { LEASED, READY, TIMED } from './sqlite-queue-schema.ts';

/** Messages a transaction: others wait some milliseconds at most. */
const PAGE = 1000;

/** Runs one transaction, again while another process holds the lock. */
type Run = <T>(work: () => T) => Promise<T>;

/**
 * Deletes the messages that wait, delayed ones included, if `match` says so of their body; answers how many.
 * What is leased stays, and so does what was sent after this began.
 */
export async function purgeWaiting(
  messages: SqliteMessages,
  match: (body: string) => boolean,
  clock: Clock,
  run: Run,
): Promise<number> {
  const bound = await run(() => messages.nextId());
  let purged = 0;
  for (const lane of await run(() => messages.lanes())) {
    for (const phase of [READY, TIMED, LEASED]) {
      let after = { due: -1, id: -1 };
      for (;;) {
        const from = after;
        const page = await run(() => messages.waitingPage(lane, phase, from, PAGE));
        const rows = page.filter(({ id, body }) => id < bound && match(body));
        if (rows.length > 0) purged += await run(() => messages.removeWaiting(lane, rows, clock.now()));
        const last = page.at(-1);
        // Ready messages come in the order of their ids.
        if (last === undefined || (phase === READY && last.id >= bound)) break;
        after = { due: last.due, id: last.id };
      }
    }
  }
  return purged;
}

/** Makes new messages of at most `limit` dead letters whose body satisfies `match`; answers how many. */
export async function redriveDead(
  messages: SqliteMessages,
  match: (body: string) => boolean,
  limit: number,
  clock: Clock,
  run: Run,
): Promise<number> {
  // What is buried from here on stays: a letter that dies again at once is not sent around for ever.
  const last = await run(() => messages.lastDead());
  let after = 0;
  let sent = 0;
  while (after < last && sent < limit) {
    const from = after;
    const page = await run(() => messages.deadPage(from, PAGE));
    const rows = page.filter(({ id, body }) => id <= last && match(body)).slice(0, limit - sent);
    if (rows.length > 0) sent += await run(() => messages.redrive(rows, clock.now()));
    after = page.at(-1)?.id ?? last;
  }
  return sent;
}
