import type { Context } from './context.ts';
import { formatCount } from './format.ts';
import { columnsOf } from './help.ts';
import { ClosedPipe } from './report-error.ts';
import { clip, displayWidth, escapeKeepingColours, oneLine, type Paint, paintFor } from './terminal-text.ts';

/** Prints one answer: JSON with `--json`, otherwise text; a text that is expensive to make is a function. */
export async function printAnswer(
  ctx: Context,
  { json, text }: { readonly json: unknown; readonly text: string | (() => string | Promise<string>) },
): Promise<void> {
  if (ctx.flags.json) return print(ctx, `${JSON.stringify(json)}\n`);
  const made = typeof text === 'string' ? text : await text();
  if (made !== '') await print(ctx, made.endsWith('\n') ? made : `${made}\n`);
}

interface ListAnswer<Row> {
  readonly rows: Iterable<Row> | AsyncIterable<Row>;
  /** A row's document with `--json`; the row itself unless given. */
  readonly json?: (row: Row) => unknown;
  readonly each?: (row: Row) => void;
  /** The table's columns. They may depend on the rows. */
  readonly columns: readonly Column<Row>[] | ((rows: readonly Row[]) => readonly Column<Row>[]);
  /** Printed on stderr if there are none: `no jobs`. */
  readonly empty: string;
}

/** Prints a list: JSON Lines with `--json`, as they arrive; otherwise a table. Returns the number of rows. */
export async function printList<Row>(ctx: Context, list: ListAnswer<Row>): Promise<number> {
  let count = 0;
  const rows: Row[] = [];
  for await (const row of list.rows) {
    count += 1;
    list.each?.(row);
    if (ctx.flags.json) await print(ctx, `${JSON.stringify(list.json?.(row) ?? row)}\n`);
    else rows.push(row);
  }
  if (count === 0 && !ctx.flags.json) ctx.notice(list.empty);
  const columns = typeof list.columns === 'function' ? list.columns(rows) : list.columns;
  if (rows.length > 0) await print(ctx, `${await renderTable(ctx, rows, columns)}\n`);
  return count;
}

/**
 * Writes to stdout and waits for a slow reader. Bytes are written unchanged; text loses control characters other than
 * colours. Throws ClosedPipe if the reader is gone.
 */
export async function print(ctx: Context, data: string | Uint8Array): Promise<void> {
  const { stdout } = ctx.io;
  if (ctx.closed.aborted || stdout.destroyed) throw new ClosedPipe();
  await new Promise<void>((resolve, reject) => {
    const onClosed = (): void => reject(new ClosedPipe());
    ctx.closed.addEventListener('abort', onClosed, { once: true });
    const said = typeof data === 'string' && !ctx.flags.json ? escapeKeepingColours(data) : data;
    stdout.write(said, (error) => {
      ctx.closed.removeEventListener('abort', onClosed);
      // The stream's `error` event reports the cause; here only the failure matters.
      if (error === null || error === undefined) resolve();
      else reject(new ClosedPipe());
    });
  });
}

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  /** Numbers are aligned right. */
  readonly align?: 'left' | 'right';
  /** It may shrink to this many characters on a narrow terminal (default: 8; numbers never shrink). */
  readonly min?: number;
  /** An id or a name, which people copy: it is never cut. */
  readonly whole?: true;
  /** Left out of a terminal that is too narrow for the others, the highest rank first. */
  readonly rank?: number;
  readonly tint?: (row: Row) => Parameters<Paint>[0] | null;
}

/** A column of counts: `-` if unknown, with `bad` in red if more than 0. */
export function countColumn<Row>(title: string, of: (row: Row) => number | null, bad = false): Column<Row> {
  return {
    title,
    value: (row) => {
      const count = of(row);
      return count === null ? '-' : formatCount(count);
    },
    align: 'right',
    ...(bad && { tint: (row: Row) => ((of(row) ?? 0) > 0 ? 'bad' : null) }),
  };
}

const GAP = 2;

/** The rules that cli-table3 would draw. */
const NO_LINES = Object.fromEntries(
  ['top', 'bottom', 'left', 'mid', 'right', 'middle']
    .flatMap((name) => [name, `${name}-mid`, `${name}-left`, `${name}-right`])
    .map((name) => [name, '']),
);

/** Before the second line of a row. */
const INDENT = '    ';

/**
 * Rows as a table without rules that fits the terminal; at full width if stdout is not a terminal. Columns that must not
 * be cut go to a second line if there is no room for them.
 */
export async function renderTable<Row>(
  ctx: Pick<Context, 'io' | 'flags'>,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): Promise<string> {
  const { stdout } = ctx.io;
  const paint = paintFor(ctx, stdout);
  const cells = rows.map((row) => columns.map((column) => oneLine(column.value(row))));
  const natural = columns.map((column, i) =>
    Math.max(displayWidth(column.title), ...cells.map((row) => displayWidth(row[i] ?? ''))),
  );
  const room = stdout.isTTY === true ? Math.max(40, columnsOf(stdout)) : Number.POSITIVE_INFINITY;
  const least = columns.map(({ align, whole, min = 8 }, i) => {
    const all = natural[i] ?? 0;
    return align === 'right' || whole ? all : Math.min(all, min);
  });
  const { default: Table } = await import('cli-table3');
  const [first = [], ...further] = linesOf(columns, least, room).map((shown, at) =>
    drawColumns(shown, room - (at === 0 ? 0 : INDENT.length)),
  );
  return first
    .flatMap((line, i) => [line, ...further.flatMap((lines) => (lines[i] ? [`${INDENT}${lines[i]}`] : []))])
    .join('\n');

  function drawColumns(shown: readonly number[], width: number): readonly string[] {
    const of = <T>(all: readonly T[]): readonly T[] => shown.flatMap((i) => all.slice(i, i + 1));
    const widths = shrinkWidths(of(natural), of(least), width - GAP * (shown.length - 1));
    return drawTable(of(columns), cells.map(of), widths);
  }

  function drawTable(
    columns: readonly Column<Row>[],
    cells: readonly (readonly string[])[],
    widths: readonly number[],
  ): readonly string[] {
    const table = new Table({
      chars: NO_LINES,
      style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
      colWidths: widths.map((width, i) => width + (i === widths.length - 1 ? 0 : GAP)),
      colAligns: columns.map((column) => column.align ?? 'left'),
    });
    const put = (texts: readonly string[], color: (text: string, i: number) => string): string[] =>
      texts.map((text, i) => {
        const width = widths[i] ?? 0;
        // The gap is part of the cell, so that numbers stay clear of the next column.
        return `${color(clip(text, width), i)}${columns[i]?.align === 'right' && i < widths.length - 1 ? ' '.repeat(GAP) : ''}`;
      });
    table.push(
      put(
        columns.map((column) => column.title.toUpperCase()),
        (text) => paint('faint', text),
      ),
    );
    for (const [at, row] of rows.entries()) {
      table.push(
        put(cells[at] ?? [], (text, i) => {
          const tint = columns[i]?.tint?.(row) ?? null;
          return tint === null ? text : paint(tint, text);
        }),
      );
    }
    return table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd());
  }
}

/**
 * Which columns each line of a row shows. Leaves out ranked ones until what is left fits; if it still doesn't, columns
 * that don't fit on the first line begin a second one.
 */
function linesOf<Row>(
  columns: readonly Column<Row>[],
  least: readonly number[],
  room: number,
): readonly (readonly number[])[] {
  const needed = (shown: readonly number[]): number =>
    shown.reduce((sum, i) => sum + (least[i] ?? 0), GAP * (shown.length - 1));
  let shown: readonly number[] = [...columns.keys()];
  while (needed(shown) > room) {
    const ranks = shown.map((i) => columns[i]?.rank ?? 0);
    const highest = Math.max(...ranks);
    if (highest <= 0) break;
    const at = ranks.lastIndexOf(highest);
    shown = shown.filter((_, i) => i !== at);
  }
  if (needed(shown) <= room || !columns.some(({ whole }) => whole)) return [shown];
  const lines: number[][] = [[]];
  for (const i of shown) {
    const line = lines.at(-1) ?? [];
    const width = needed([...line, i]) + (lines.length > 1 ? INDENT.length : 0);
    if (line.length > 0 && width > room) lines.push([i]);
    else line.push(i);
  }
  return lines;
}

/** Takes width from the widest column that may shrink, until the sum fits or none can shrink. */
export function shrinkWidths(natural: readonly number[], least: readonly number[], room: number): readonly number[] {
  const widths = [...natural];
  let over = widths.reduce((sum, width) => sum + width, 0) - room;
  while (over > 0) {
    let widest = -1;
    for (const [i, width] of widths.entries()) {
      if (width > (least[i] ?? 0) && (widest < 0 || width > (widths[widest] ?? 0))) widest = i;
    }
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    over -= 1;
  }
  return widths;
}
