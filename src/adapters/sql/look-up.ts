import { type RawBuilder, sql } from 'kysely';
import type { LookUpPlan } from './upsert.ts';

/** A look-up for databases that seek each number of a list, whatever they believe of a table's size. */
export function lookUp({ table, columns, size, locks }: LookUpPlan): RawBuilder<unknown> {
  const list = sql.join(Array.from({ length: size }, () => sql.value(0)));
  const names = sql.join(columns.map((column) => sql.ref(column)));
  const ending = locks ? sql`order by task for update` : sql``;
  return sql`select ${names} from ${sql.table(table)} where task in (${list}) and job = ${''} and step = ${''} ${ending}`;
}
