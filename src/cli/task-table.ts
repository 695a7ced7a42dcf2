import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { BatchctlError, hasCode } from '../errors.ts';
import { csvRow, plainCell } from '../lib/csv-row.ts';
import { ownValue } from '../lib/json.ts';
import type { FetchAnswer, TableRow } from '../model/answers/data.ts';
import { fetchedEndsText } from '../model/completeness-text.ts';
import type { TableFound } from '../verbs/fetch.ts';
import type { Context } from './context.ts';
import { formatCount, formatMany } from './format.ts';
import { type Progress, startProgress } from './progress.ts';
import { print, printAnswer } from './render.ts';
import { openReportFile } from './report-file.ts';
import type { Presenter } from './verb-command.ts';

/** Separator of its columns; null: JSON Lines. */
const FORMATS: Readonly<Record<string, string | null>> = { '.csv': ',', '.tsv': '\t', '.jsonl': null };

/** The most columns of a table: more are data, not results. */
const MOST_COLUMNS = 1_000;

const HEAD = ['task', 'step', 'state', 'attempts', 'seconds'] as const;

export interface TableTarget {
  /** As given; `-` is stdout. */
  readonly output: string;
  readonly delimiter: string | null;
}

/** Throws `usage` for a name that says no format, `refused` for an existing file that is no such table. */
export async function tableTarget(ctx: Context, output: string): Promise<TableTarget> {
  if (output === '-') {
    if (!ctx.flags.json) return { output, delimiter: ',' };
    throw new BatchctlError('usage', 'stdout can carry either the table or the --json answer', {
      hint: 'use --table FILE, or omit --json',
    });
  }
  const extension = extname(output).toLowerCase();
  const delimiter = Object.hasOwn(FORMATS, extension) ? FORMATS[extension] : undefined;
  if (delimiter === undefined) {
    throw new BatchctlError('usage', `--table ${output}: expected a file named .csv, .tsv or .jsonl, or - for CSV`, {
      hint: '--table results.csv',
    });
  }
  if (!ctx.flags.yes) await refuseOtherFile(resolve(ctx.io.cwd, output), output);
  return { output, delimiter };
}

/** Only a table that an earlier call wrote is replaced without a word: a file of parameters may have the same name. */
async function refuseOtherFile(path: string, output: string): Promise<void> {
  const begins = [...Object.values(FORMATS)].map((delimiter) =>
    delimiter === null ? '{"task":' : HEAD.join(delimiter),
  );
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0);
      const head = buffer.toString('latin1', 0, bytesRead);
      if (head === '' || begins.some((begin) => head.startsWith(begin))) return;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return;
    // What can't be read, or is a directory, is reported when the table is written.
    if (hasCode(error)) return;
    throw error;
  }
  throw new BatchctlError('refused', `--table ${output}: the file exists, and is not a table of tasks`, {
    hint: 'choose another name, or use --yes to replace it',
  });
}

/** Writes the table of tasks once all rows are known, as only then are its columns. */
export function showTable(ctx: Context, { output, delimiter }: TableTarget): Presenter<Pages, TableFound> {
  let found: TableFound | null = null;
  let progress: Progress | null = null;
  return {
    async event(event) {
      found = event;
      progress = await startProgress(ctx, 'reading tasks', 'items');
    },
    async answer(pages) {
      const spool = await Spool.open();
      try {
        for await (const page of pages) {
          await spool.add(page);
          progress?.update(spool.rows, found?.tasks ?? null);
        }
        progress?.done();
        progress = null;
        if (found === null) throw new TypeError('no rows were announced');
        const columns = columnsOf(found, spool);
        const bytes = await writeTable(ctx, output, delimiter, columns, spool);
        await tell(ctx, found, spool, { output, bytes, columns: columns.length });
      } finally {
        await spool.remove();
      }
    },
    close: () => progress?.failed(),
  };
}

type Pages = AsyncIterable<readonly TableRow[]>;

/** Rows on their way: what is remembered of them does not grow with their number. */
class Spool {
  readonly #directory: string;
  readonly #file: Awaited<ReturnType<typeof open>>;
  rows = 0;
  /** Rows with an output that is not a record. */
  others = 0;
  hasInputs = false;
  readonly counters = new Set<string>();
  readonly outputs = new Set<string>();

  private constructor(directory: string, file: Awaited<ReturnType<typeof open>>) {
    this.#directory = directory;
    this.#file = file;
  }

  static async open(): Promise<Spool> {
    const directory = await mkdtemp(join(tmpdir(), 'batchctl-table-'));
    return new Spool(directory, await open(join(directory, 'rows'), 'wx', 0o600));
  }

  async add(page: readonly TableRow[]): Promise<void> {
    for (const { input, counters, output, state } of page) {
      this.rows += 1;
      this.hasInputs ||= input !== null;
      if (state === 'done' && output === null) this.others += 1;
      for (const name of Object.keys(counters)) this.counters.add(name);
      for (const [name] of output ?? []) this.outputs.add(name);
    }
    if (this.counters.size + this.outputs.size > MOST_COLUMNS) {
      throw new BatchctlError('refused', `the outputs have more than ${formatCount(MOST_COLUMNS)} different fields`, {
        hint: 'a table has a column a field: fetch the outputs themselves with -o',
      });
    }
    await this.#file.appendFile(page.map((row) => `${JSON.stringify(row)}\n`).join(''));
  }

  async *read(): AsyncGenerator<TableRow> {
    const lines = createInterface({ input: createReadStream(join(this.#directory, 'rows')), crlfDelay: Infinity });
    for await (const line of lines) yield JSON.parse(line);
  }

  async remove(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** A column: its title, and its value in a row as JSON text; null: the row has none. */
interface Column {
  readonly title: string;
  readonly json: (row: TableRow) => string | null;
}

const jsonOf = (value: string | number | null | undefined): string | null =>
  value === null || value === undefined ? null : JSON.stringify(value);

/** A name that two sources have, or that looks like none, is preceded by its source. */
function columnsOf({ params, counters: known }: TableFound, spool: Spool): readonly Column[] {
  const inputs = spool.hasInputs && params.length === 0 ? ['input'] : [];
  const counters = [...new Set([...known, ...spool.counters])].sort();
  const outputs = [...spool.outputs];
  const fixed: readonly string[] = [...HEAD, ...inputs];
  const uses = new Map<string, number>();
  for (const name of [...fixed, ...params, ...counters, ...outputs]) uses.set(name, (uses.get(name) ?? 0) + 1);
  const titleOf = (source: string, name: string): string => {
    if (name === '') return source;
    return uses.get(name) === 1 && !/^\d+$/.test(name) && name !== source ? name : `${source}:${name}`;
  };
  return [
    ...HEAD.map((title): Column => ({ title, json: (row) => jsonOf(row[title]) })),
    ...inputs.map((title): Column => ({ title, json: (row) => jsonOf(row.input) })),
    ...params.map(
      (name): Column => ({
        title: titleOf('param', name),
        json: (row) => jsonOf(ownValue(row.params ?? {}, name)),
      }),
    ),
    ...counters.map(
      (name): Column => ({
        title: titleOf('counter', name),
        json: ({ counters: of }) => ownValue(of, name) ?? null,
      }),
    ),
    ...outputs.map(
      (name): Column => ({
        title: titleOf('output', name),
        json: ({ output }) => output?.find(([other]) => other === name)?.[1] ?? null,
      }),
    ),
  ];
}

/** Returns the bytes written. */
async function writeTable(
  ctx: Context,
  output: string,
  delimiter: string | null,
  columns: readonly Column[],
  spool: Spool,
): Promise<number> {
  let bytes = 0;
  const file = output === '-' ? null : await openReportFile(resolve(ctx.io.cwd, output));
  const write = async (text: string): Promise<void> => {
    bytes += Buffer.byteLength(text);
    await (file === null ? print(ctx, text) : file.write(text));
  };
  try {
    if (delimiter !== null)
      await write(
        csvRow(
          columns.map(({ title }) => plainCell(title)),
          delimiter,
        ),
      );
    let lines: string[] = [];
    for await (const row of spool.read()) {
      lines.push(delimiter === null ? jsonLine(columns, row) : csvLine(columns, row, delimiter));
      if (lines.length < 500) continue;
      await write(lines.join(''));
      lines = [];
    }
    await write(lines.join(''));
    await file?.commit();
  } catch (error) {
    await file?.abandon();
    throw error;
  }
  return bytes;
}

function jsonLine(columns: readonly Column[], row: TableRow): string {
  const fields = columns.map(({ title, json }) => `${JSON.stringify(title)}:${json(row) ?? 'null'}`);
  return `{${fields.join(',')}}\n`;
}

const csvLine = (columns: readonly Column[], row: TableRow, delimiter: string): string =>
  csvRow(
    columns.map(({ json }) => cellOf(json(row))),
    delimiter,
  );

/** Numbers stay as they were written; a map or list is JSON. */
function cellOf(json: string | null): string | null {
  if (json === null || json === 'null') return null;
  return plainCell(json.startsWith('"') ? String(JSON.parse(json)) : json);
}

async function tell(
  ctx: Context,
  { event: _, state, tasks, params: __, counters: ___, ...ends }: TableFound,
  { others }: Spool,
  { output, bytes, columns }: { readonly output: string; readonly bytes: number; readonly columns: number },
): Promise<void> {
  const { step } = ends;
  const size = `${formatMany(tasks, 'task')} of ${step}, ${formatMany(columns, 'column')}`;
  const answer: FetchAnswer = { ...ends, bytes, output, guessed: null, kept: 0, others: [] };
  if (output !== '-') await printAnswer(ctx, { json: answer, text: `wrote ${output}: ${size}` });
  const text = fetchedEndsText(ends, state);
  if (text !== null) ctx.warn(text);
  if (others === 0) return;
  const which =
    others === ends.outputs ? 'no output' : `${formatCount(others)} of ${formatMany(ends.outputs, 'output')}`;
  ctx.notice(`${which} of ${step} gave columns: one record is expected, JSON or CSV of at most 64 KiB`);
}
