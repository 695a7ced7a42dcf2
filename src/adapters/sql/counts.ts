import Big from 'big.js';
import { CompiledQuery, type Kysely, sql, type Transaction } from 'kysely';
import { addDecimals, type DecimalSums, decimalTexts } from '../../model/ledger/decimals.ts';
import type { ExactCounts, StepCounts } from '../../model/ledger/records.ts';
import { compareExact, type Delta } from '../../model/ledger/transitions.ts';
import type { CompiledStatements, SqlLocks, UpsertPlan } from './dialect.ts';
import { EXACT_WRITER, type Tables } from './tables.ts';

const SUMS = ['running', 'done', 'failed', 'retried', 'interrupted', 'bytes_in', 'bytes_out', 'millis'] as const;
const STEP_COUNTS: UpsertPlan = {
  table: 'step_counts',
  keys: ['job', 'step', 'writer'],
  adds: SUMS,
};
const COUNTER_SUMS: UpsertPlan = { table: 'counter_sums', keys: ['job', 'step', 'writer', 'name'] };

export interface StepKey {
  readonly job: string;
  readonly step: string;
}

export interface RecordContext {
  readonly transaction: Transaction<Tables>;
  readonly locks: SqlLocks | undefined;
  readonly statements: CompiledStatements;
  readonly writer: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** The round in which exact totals were taken (-1: none were), and the highest round that this writer counted. */
export async function countedRounds(context: RecordContext, group: StepKey): Promise<{ exact: number; own: number }> {
  const text = context.statements.text(
    'rounds',
    () => sql`select writer, round from step_counts where job = ${''} and step = ${''} and writer in (${''}, ${''})`,
  );
  const parameters = [group.job, group.step, EXACT_WRITER, context.writer];
  const { rows } = await context.transaction.executeQuery<{ writer: string; round: number }>(
    CompiledQuery.raw(text, parameters),
  );
  const roundOf = (writer: string): number => Number(rows.find((row) => row.writer === writer)?.round ?? -1);
  return { exact: roundOf(EXACT_WRITER), own: roundOf(context.writer) };
}

/** Adds a change to this writer's counts of a step; `ownRound` is the highest round it had counted. */
export async function addCounts(context: RecordContext, group: StepKey, delta: Delta, ownRound: number): Promise<void> {
  const { transaction, statements, writer, now } = context;
  const key = { job: group.job, step: group.step, writer };
  const { running, done, failed, retried, interrupted, bytesIn, bytesOut, millis } = delta;
  const sums = { running, done, failed, retried, interrupted, bytes_in: bytesIn, bytes_out: bytesOut, millis };
  const row = { ...key, round: Math.max(delta.round, ownRound), ...sums, moved_at: now };
  await statements.upsert(transaction, STEP_COUNTS, [row]);
  if (delta.counters.size === 0) return;
  const totals = await ownSums(context, group, delta.counters);
  const rows = [...totals].map(([name, total]) => ({ ...key, name, total }));
  await statements.upsert(transaction, COUNTER_SUMS, rows);
}

/** This writer's sums of the counters in the change, after the change. */
async function ownSums(context: RecordContext, group: StepKey, changes: DecimalSums): Promise<Map<string, string>> {
  const text = context.statements.text(
    'sums',
    () => sql`select name, total from counter_sums where job = ${''} and step = ${''} and writer = ${''}`,
  );
  const { rows } = await context.transaction.executeQuery<{ name: string; total: string }>(
    CompiledQuery.raw(text, [group.job, group.step, context.writer]),
  );
  const known = new Map(rows.map((row) => [row.name, row.total]));
  return new Map(
    [...changes].map(([name, change]) => [
      name,
      Big(known.get(name) ?? '0')
        .plus(change)
        .toFixed(),
    ]),
  );
}

/** A job's counts by step, in no order: the sums over writers. Costs steps x writers, however many tasks there are. */
export async function readCounts(db: Kysely<Tables>, job: string): Promise<Map<string, StepCounts>> {
  const rows = await db.selectFrom('step_counts').selectAll().where('job', '=', job).execute();
  const sums = await db.selectFrom('counter_sums').selectAll().where('job', '=', job).execute();
  const counts = new Map<string, StepCounts>();
  for (const step of new Set(rows.map((row) => row.step))) {
    const ofStep = rows.filter((row) => row.step === step);
    const sum = (column: (typeof SUMS)[number]): number =>
      ofStep.reduce((total, row) => total + Number(row[column]), 0);
    const counters: DecimalSums = new Map();
    for (const { name, total } of sums.filter((each) => each.step === step))
      addDecimals(counters, { [name]: total }, 1);
    counts.set(step, {
      step,
      running: sum('running'),
      done: sum('done'),
      failed: sum('failed'),
      retried: sum('retried'),
      interrupted: sum('interrupted'),
      bytesIn: sum('bytes_in'),
      bytesOut: sum('bytes_out'),
      counters: decimalTexts(counters),
      seconds: sum('millis') / 1000,
      movedAt: Math.max(...ofStep.map((row) => Number(row.moved_at))),
      // A row of any other writer means that something changed after the exact totals were taken.
      exact: ofStep.length === 1 && ofStep[0]?.writer === EXACT_WRITER,
    });
  }
  return counts;
}

/**
 * Replaces a step's sums by exact totals taken in `round`. Ignored if a newer round was counted already, or if exact
 * totals of the same round know more tasks: then these were taken from an older listing.
 */
export async function writeExact(
  context: RecordContext,
  job: string,
  round: number,
  exact: ExactCounts,
): Promise<void> {
  const { transaction, statements, now } = context;
  await context.locks?.job(transaction, job, 'alone');
  const rows = await transaction
    .selectFrom('step_counts')
    .selectAll()
    .where('job', '=', job)
    .where('step', '=', exact.step)
    .execute();
  if (rows.some((row) => row.round > round)) return;
  const known = rows.find((row) => row.writer === EXACT_WRITER && row.round === round);
  const before = { done: Number(known?.done), failed: Number(known?.failed) };
  if (known !== undefined && rows.length === 1 && compareExact(before, exact) > 0) return;
  const sum = (column: 'retried' | 'interrupted'): number =>
    rows.reduce((total, row) => total + Number(row[column]), 0);
  const moved = rows.length === 0 ? now : Math.max(...rows.map((row) => Number(row.moved_at)));
  await transaction.deleteFrom('step_counts').where('job', '=', job).where('step', '=', exact.step).execute();
  await transaction.deleteFrom('counter_sums').where('job', '=', job).where('step', '=', exact.step).execute();
  const key = { job, step: exact.step, writer: EXACT_WRITER };
  const { done, failed, bytesIn, bytesOut, seconds } = exact;
  const sums = { running: 0, done, failed, retried: sum('retried'), interrupted: sum('interrupted') };
  const sizes = { bytes_in: bytesIn, bytes_out: bytesOut, millis: Math.round(seconds * 1000) };
  await statements.upsert(transaction, STEP_COUNTS, [{ ...key, round, ...sums, ...sizes, moved_at: moved }]);
  const counters: DecimalSums = new Map();
  addDecimals(counters, exact.counters, 1);
  const texts = Object.entries(decimalTexts(counters));
  await statements.upsert(
    transaction,
    COUNTER_SUMS,
    texts.map(([name, total]) => ({ ...key, name, total })),
  );
}
