import type { Sqlite } from '../../lib/sqlite.ts';
import type { Schema } from './sqlite-open.ts';

/**
 * A message's phase, with the meaning of its `due` (milliseconds since the epoch):
 * - leased: hidden until its lease expires at `due`, then receivable again;
 * - timed: released, or sent with a delay: receivable from `due` on (0: at once);
 * - ready: never delayed nor delivered; `due` is 0, so that a clock that steps back hides nothing.
 * Claims take them in this order: what a dead worker held runs again before a million that never ran.
 */
export const LEASED = 0;
export const TIMED = 1;
export const READY = 2;

/**
 * A lane is the waiting line of one tenant in one group. It exists while it has messages, and `total` counts them, so
 * that a backlog needs no counting of rows. `ids` issues ids that are never reused: a receipt names id and delivery,
 * and must never fit another message.
 */
export const QUEUE_SCHEMA: Schema = {
  version: 1,
  create: `
    CREATE TABLE ids (next INTEGER NOT NULL);
    INSERT INTO ids VALUES (1);
    CREATE TABLE lanes (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      grp TEXT NOT NULL,
      tenant TEXT NOT NULL,
      total INTEGER NOT NULL,
      UNIQUE (grp, tenant)
    );
    CREATE TABLE messages (
      id INTEGER PRIMARY KEY,
      lane INTEGER NOT NULL,
      phase INTEGER NOT NULL,
      due INTEGER NOT NULL,
      receives INTEGER NOT NULL,
      holder TEXT,
      sent_at INTEGER NOT NULL,
      body TEXT NOT NULL
    );
    CREATE INDEX messages_by_turn ON messages (lane, phase, due);
    CREATE TABLE dead (
      id INTEGER PRIMARY KEY,
      grp TEXT NOT NULL,
      tenant TEXT NOT NULL,
      body TEXT NOT NULL,
      reason TEXT NOT NULL,
      buried_at INTEGER NOT NULL
    );
    CREATE INDEX dead_by_group ON dead (grp, id);
  `,
};

interface ClaimedRow {
  readonly id: number;
  readonly receives: number;
  readonly sent_at: number;
  readonly body: string;
}

/** Where a page of messages or dead letters continues, and the columns that are read. */
export interface WaitingRow {
  readonly id: number;
  readonly due: number;
  readonly receives: number;
  readonly body: string;
}

export interface DeadRow {
  readonly id: number;
  readonly tenant: string;
  readonly body: string;
  readonly reason: string;
  readonly buried_at: number;
}

interface BacklogRow {
  readonly total: number;
  readonly leased: number;
  readonly delayed: number;
  readonly oldest: number | null;
}

/** Ends the delivery that (id, receives) names, if it is still the message's current one. */
const CURRENT = `id = ? AND receives = ? AND phase = ${LEASED}`;
const fromLane = (phase: number, rest = '') => `FROM messages WHERE lane = lanes.id AND phase = ${phase} ${rest}`;
/** The first message that could be claimed in a phase: a good estimate of the oldest. */
const firstSent = (phase: number) => `(SELECT sent_at ${fromLane(phase, 'AND due <= @now ORDER BY due LIMIT 1')})`;
const NEVER = 9e15;

export type QueueStatements = ReturnType<typeof prepareQueue>;

/** Every statement of the queue, prepared once per connection. */
export function prepareQueue(db: Sqlite) {
  return {
    takeIds: db.prepare<[number], number>('UPDATE ids SET next = next + ? RETURNING next').pluck(),
    nextId: db.prepare<[], number>('SELECT next FROM ids').pluck(),
    growLane: db
      .prepare<[string, string, number], number>(
        `INSERT INTO lanes (grp, tenant, total) VALUES (?, ?, ?)
         ON CONFLICT (grp, tenant) DO UPDATE SET total = total + excluded.total RETURNING id`,
      )
      .pluck(),
    shrinkLane: db.prepare<[number, number]>('UPDATE lanes SET total = total - ? WHERE id = ?'),
    dropEmptyLane: db.prepare<[number]>('DELETE FROM lanes WHERE id = ? AND total <= 0'),
    lanes: db.prepare<[string], number>('SELECT id FROM lanes WHERE grp = ? ORDER BY id').pluck(),
    insert: db.prepare<[number, number, number, number, number, string]>(
      'INSERT INTO messages (id, lane, phase, due, receives, sent_at, body) VALUES (?, ?, ?, ?, 0, ?, ?)',
    ),
    claim: db.prepare<[number, string, number, number, number, number], ClaimedRow>(
      `UPDATE messages SET phase = ${LEASED}, due = ?, holder = ?, receives = receives + 1 WHERE id IN
         (SELECT id FROM messages WHERE lane = ? AND phase = ? AND due <= ? ORDER BY due, id LIMIT ?)
       RETURNING id, receives, sent_at, body`,
    ),
    nextDue: db
      .prepare<[{ group: string }], number | null>(
        `SELECT nullif(min(min(
           ifnull((SELECT min(due) ${fromLane(READY)}), ${NEVER}),
           ifnull((SELECT min(due) ${fromLane(TIMED)}), ${NEVER}),
           ifnull((SELECT min(due) ${fromLane(LEASED)}), ${NEVER}))), ${NEVER}) FROM lanes WHERE grp = @group`,
      )
      .pluck(),
    extend: db.prepare<[number, number, number]>(`UPDATE messages SET due = ? WHERE ${CURRENT}`),
    ack: db.prepare<[number, number], number>(`DELETE FROM messages WHERE ${CURRENT} RETURNING lane`).pluck(),
    release: db.prepare<[number, number, number]>(
      `UPDATE messages SET phase = ${TIMED}, due = ?, holder = NULL WHERE ${CURRENT}`,
    ),
    bury: db.prepare<[string, number, number, number]>(
      `INSERT INTO dead (grp, tenant, body, reason, buried_at)
         SELECT grp, tenant, body, ?, ? FROM messages JOIN lanes ON lanes.id = lane
         WHERE messages.id = ? AND receives = ? AND phase = ${LEASED}`,
    ),
    releaseHeld: db.prepare<[string, string]>(
      `UPDATE messages SET phase = ${TIMED}, due = 0, holder = NULL WHERE id IN
         (SELECT messages.id FROM lanes JOIN messages ON lane = lanes.id AND phase = ${LEASED}
          WHERE grp = ? AND holder = ?)`,
    ),
    backlog: db.prepare<[{ group: string; now: number }], BacklogRow>(
      `SELECT ifnull(sum(total), 0) AS total,
         ifnull(sum((SELECT count(*) ${fromLane(LEASED, 'AND due > @now')})), 0) AS leased,
         ifnull(sum((SELECT count(*) ${fromLane(TIMED, 'AND due > @now')})), 0) AS delayed,
         nullif(min(min(ifnull(${firstSent(LEASED)}, ${NEVER}), ifnull(${firstSent(TIMED)}, ${NEVER}),
           ifnull(${firstSent(READY)}, ${NEVER}))), ${NEVER}) AS oldest
       FROM lanes WHERE grp = @group`,
    ),
    waitingPage: db.prepare<[number, number, number, number, number], WaitingRow>(
      `SELECT id, due, receives, body FROM messages
       WHERE lane = ? AND phase = ? AND (due, id) > (?, ?) ORDER BY due, id LIMIT ?`,
    ),
    removeWaiting: db.prepare<[number, number, number]>(
      `DELETE FROM messages WHERE id = ? AND receives = ? AND (phase <> ${LEASED} OR due <= ?)`,
    ),
    deadCount: db.prepare<[string], number>('SELECT count(*) FROM dead WHERE grp = ?').pluck(),
    lastDead: db.prepare<[string], number>('SELECT ifnull(max(id), 0) FROM dead WHERE grp = ?').pluck(),
    deadPage: db.prepare<[string, number, number], DeadRow>(
      'SELECT id, tenant, body, reason, buried_at FROM dead WHERE grp = ? AND id > ? ORDER BY id LIMIT ?',
    ),
    unbury: db.prepare<[number]>('DELETE FROM dead WHERE id = ?'),
  };
}
