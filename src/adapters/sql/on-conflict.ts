import { type RawBuilder, sql } from 'kysely';
import type { UpsertPlan } from './upsert.ts';

/** What follows an insert's values in SQLite and PostgreSQL, to make it replace or add to the row that has the same key. */
export function onConflict(plan: UpsertPlan): RawBuilder<unknown> {
  const sets = plan.columns
    .filter((column) => !plan.keys.includes(column))
    .map((column) =>
      plan.adds?.includes(column)
        ? sql`${sql.ref(column)} = ${sql.ref(`${plan.table}.${column}`)} + ${sql.ref(`excluded.${column}`)}`
        : sql`${sql.ref(column)} = ${sql.ref(`excluded.${column}`)}`,
    );
  return sql`on conflict (${sql.join(plan.keys.map((key) => sql.ref(key)))}) do update set ${sql.join(sets)}`;
}
