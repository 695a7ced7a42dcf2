import type { Schema } from './sqlite-open.ts';

/**
 * A message's phase, with the meaning of its `due` (milliseconds since the epoch):
 * - leased: hidden until its lease ends at `due`; past that it is receivable, no sweeper needed;
 * - timed: released, or sent with a delay: receivable from `due` on (0: at once);
 * - ready: never delayed nor delivered; `due` is 0, so that a clock that steps back hides nothing.
 * Claims take them in this order: what a dead worker held runs again before a million that never ran.
 */
export const LEASED = 0;
export const TIMED = 1;
export const READY = 2;

/**
 * A lane is the waiting line of one tenant in one group; it exists while it has messages, and `total` counts them, so
 * that a backlog needs no counting of rows. Ids are handed out by `ids` and never used again: a receipt names
 * id and delivery, and must never fit another message.
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
