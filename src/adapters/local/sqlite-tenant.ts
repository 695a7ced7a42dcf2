import type Database from 'better-sqlite3';
import type { TenantBacklog } from '../../ports/task-queue.ts';
import { LEASED, TIMED } from './sqlite-queue-schema.ts';

/** So many bodies of delayed messages are shown. */
const SHOWN = 20;

interface CountRow {
  readonly total: number;
  readonly leased: number;
  readonly lease_end: number | null;
  readonly delayed: number;
  readonly due: number | null;
  readonly last_due: number | null;
}

const of = (phase: number, what: string): string =>
  `(SELECT ${what} FROM messages WHERE lane = lanes.id AND phase = ${phase} AND due > @now)`;

/** What one tenant has in a group's queue: the index by lane and phase answers it. Throws SQLite's own errors. */
export function tenantBacklog(db: Database.Database, group: string, tenant: string, now: number): TenantBacklog {
  const counts = db.prepare<{ group: string; tenant: string; now: number }, CountRow>(
    `SELECT total, ${of(LEASED, 'count(*)')} AS leased, ${of(LEASED, 'min(due)')} AS lease_end,
       ${of(TIMED, 'count(*)')} AS delayed, ${of(TIMED, 'min(due)')} AS due, ${of(TIMED, 'max(due)')} AS last_due
     FROM lanes WHERE grp = @group AND tenant = @tenant`,
  );
  const bodies = db
    .prepare<{ group: string; tenant: string; now: number }, string>(
      `SELECT body FROM lanes JOIN messages ON lane = lanes.id AND phase = ${TIMED} AND due > @now
       WHERE grp = @group AND tenant = @tenant ORDER BY due LIMIT ${SHOWN}`,
    )
    .pluck();
  return db.transaction((): TenantBacklog => {
    const row = counts.get({ group, tenant, now });
    const { total = 0, leased = 0, delayed = 0 } = row ?? {};
    return {
      visible: Math.max(0, total - leased - delayed),
      leased,
      leaseEnd: row?.lease_end ?? null,
      delayed,
      nextDue: row?.due ?? null,
      lastDue: row?.last_due ?? null,
      delayedBodies: delayed === 0 ? [] : bodies.all({ group, tenant, now }),
    };
  })();
}
