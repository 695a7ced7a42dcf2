import type { Context } from './context.ts';
import { ClosedPipe } from './errors.ts';
import { type Column, renderTable } from './render-table.ts';
import { visibleInOurs } from './visible.ts';

/** A single answer: a document with `--json`, otherwise text. An expensive text is given as a function. */
export async function answer(
  ctx: Context,
  { json, text }: { readonly json: unknown; readonly text: string | (() => string | Promise<string>) },
): Promise<void> {
  if (ctx.flags.json) return print(ctx, `${JSON.stringify(json)}\n`);
  const made = typeof text === 'string' ? text : await text();
  if (made !== '') await print(ctx, made.endsWith('\n') ? made : `${made}\n`);
}

export interface ListAnswer<Row> {
  readonly rows: Iterable<Row> | AsyncIterable<Row>;
  /** A row's document with `--json`. */
  readonly json: (row: Row) => unknown;
  readonly columns: readonly Column<Row>[];
  /** Printed on stderr if there are none: `no jobs`. */
  readonly empty: string;
}

/** A list as an answer: JSON Lines with `--json`, as they arrive; otherwise a table. Returns the number of rows. */
export async function answerList<Row>(ctx: Context, list: ListAnswer<Row>): Promise<number> {
  let count = 0;
  const rows: Row[] = [];
  for await (const row of list.rows) {
    count += 1;
    if (ctx.flags.json) await print(ctx, `${JSON.stringify(list.json(row))}\n`);
    else rows.push(row);
  }
  if (count === 0 && !ctx.flags.json) ctx.notice(list.empty);
  if (rows.length > 0) await print(ctx, `${await renderTable(ctx, rows, list.columns)}\n`);
  return count;
}

/**
 * Writes to stdout and waits for a slow reader: bytes unchanged, text without control characters other than colours.
 * Throws ClosedPipe if the reader is gone.
 */
export async function print(ctx: Context, data: string | Uint8Array): Promise<void> {
  const { stdout } = ctx.io;
  if (ctx.closed.aborted || stdout.destroyed) throw new ClosedPipe();
  await new Promise<void>((resolve, reject) => {
    const onClosed = (): void => reject(new ClosedPipe());
    ctx.closed.addEventListener('abort', onClosed, { once: true });
    const said = typeof data === 'string' && !ctx.flags.json ? visibleInOurs(data) : data;
    stdout.write(said, (error) => {
      ctx.closed.removeEventListener('abort', onClosed);
      // The stream's `error` event reports the cause; here only the failure matters.
      if (error === null || error === undefined) resolve();
      else reject(new ClosedPipe());
    });
  });
}
