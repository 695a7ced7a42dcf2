import { CompiledQuery, type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import type { Cells, Tables } from './tables.ts';

export interface UpsertPlan {
  readonly table: keyof Tables;
  /** In the order of the cells. */
  readonly columns: readonly string[];
  readonly keys: readonly string[];
  /** Columns whose value is added to the row's; all others but the keys replace it. */
  readonly adds?: readonly string[];
}

/** Rows a statement. Few sizes, so that few statements are compiled, whatever the number of rows. */
const CHUNKS = [64, 8, 1] as const;

/**
 * Multi-row upserts and lookups whose SQL is compiled once a chunk size: compiling costs Kysely more than running
 * costs the database.
 */
export class CompiledStatements {
  readonly #db: Kysely<Tables>;
  readonly #onConflict: (plan: UpsertPlan) => RawBuilder<unknown>;
  readonly #texts = new Map<string, string>();

  constructor(db: Kysely<Tables>, onConflict: (plan: UpsertPlan) => RawBuilder<unknown>) {
    this.#db = db;
    this.#onConflict = onConflict;
  }

  /** Writes rows; no two of them may have the same key. */
  async upsert(transaction: Transaction<Tables>, plan: UpsertPlan, rows: readonly Cells[]): Promise<void> {
    let at = 0;
    for (const size of CHUNKS) {
      for (; rows.length - at >= size; at += size) {
        const text = this.text(`upsert ${plan.table} ${size}`, () => this.#upsertOf(plan, size));
        await transaction.executeQuery(CompiledQuery.raw(text, rows.slice(at, at + size).flat()));
      }
    }
  }

  /** The SQL of a statement, built at its first use. */
  text(name: string, build: () => { compile(db: Kysely<Tables>): CompiledQuery }): string {
    let text = this.#texts.get(name);
    if (text === undefined) {
      text = build().compile(this.#db).sql;
      this.#texts.set(name, text);
    }
    return text;
  }

  #upsertOf(plan: UpsertPlan, size: number): RawBuilder<unknown> {
    const row = sql`(${sql.join(plan.columns.map(() => sql.value(null)))})`;
    const columns = sql.join(plan.columns.map((column) => sql.ref(column)));
    const rows = sql.join(Array.from({ length: size }, () => row));
    return sql`insert into ${sql.table(plan.table)} (${columns}) values ${rows} ${this.#onConflict(plan)}`;
  }
}
