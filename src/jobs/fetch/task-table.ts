import { mapAhead } from '../../lib/parallel.ts';
import type { TableRow } from '../../model/answers/data.ts';
import { sectionStart } from '../../model/job.ts';
import type { LedgerTask } from '../../model/ledger/records.ts';
import type { TaskBits } from '../../model/task-set.ts';
import { type JobView, roundOf, skippedStep } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { listFailed, listPublished } from '../listing.ts';
import { ifLedgerAvailable } from '../record-view.ts';
import { ledgerTasks } from '../tasks.ts';
import { originFinder } from './input-names.ts';
import { type ChosenStep, chooseStep } from './names.ts';
import { RECORD_LIMIT, recordOf } from './output-record.ts';
import { isSingle, outputSource, verifiedBytes, verifiedOutput } from './verified.ts';

const ROWS_IN_FLIGHT = 16;
const PAGE = 500;

/** A step on the way to the one whose outputs are wanted, and what is known of its tasks. */
interface Way {
  readonly index: number;
  readonly name: string;
  readonly published: TaskBits;
  readonly failed: TaskBits;
  /** The ledger's row of a task; undefined if it can't be asked. Tasks must be asked for in their order. */
  readonly known: (task: number) => Promise<LedgerTask | null | undefined>;
}

/** The step of a table unless one is named: the last whose tasks are those of the split, as each has its parameters. */
export function chooseTableStep(view: JobView, name: string | undefined): ChosenStep {
  const { steps } = view.record.spec;
  const last = steps.findLastIndex((_, index) => sectionStart(steps, index) === 0);
  return chooseStep(view, name ?? steps[last]?.name);
}

/** The published tasks of a step, and the rows of all its tasks in pages. */
export interface TaskTable {
  readonly published: TaskBits;
  readonly pages: AsyncIterable<readonly TableRow[]>;
}

/**
 * The tasks of a step, each with its parameters, its state and the fields of its output. The store says how they stand,
 * the ledger adds what it knows; one that is unavailable leaves that out. Memory grows by three bits a task and step.
 * Reading the pages throws `proof`, naming the task, for an altered output.
 */
export async function taskTable(
  platform: Platform,
  view: JobView,
  { index, total }: ChosenStep,
  signal: AbortSignal,
): Promise<TaskTable> {
  const { store } = platform;
  const { job, spec } = view.record;
  const ways: Way[] = [];
  for (let at = sectionStart(spec.steps, index); at <= index; at += 1) {
    const name = spec.steps[at]?.name ?? '';
    const published = await listPublished(store, job, name, total);
    const failed = await listFailed(store, view, at, published);
    ways.push({ index: at, name, published, failed, known: ledgerReader(platform, job, name) });
  }
  const wanted = ways.at(-1);
  if (wanted === undefined) throw new RangeError(`no step has the index ${index}`);
  const source = outputSource(store, view, wanted.name);
  const originOf = originFinder(store, view);

  async function* standings(): AsyncGenerator<Standing> {
    for (let task = 0; task < total; task += 1) yield await standingOf(view, ways, wanted as Way, task);
  }

  async function rowOf({ task, way, state, row }: Standing): Promise<TableRow> {
    signal.throwIfAborted();
    const { input, params } = await originOf(index, task);
    const isDone = state === 'done';
    const found = isDone ? await verifiedOutput(source, task) : null;
    const [file] = found !== null && isSingle(found) ? found.files : [];
    const bytes = file === undefined || file.size > RECORD_LIMIT ? null : await verifiedBytes(source, task, file);
    return {
      task,
      step: way.name,
      state,
      attempts: row === undefined ? null : (row?.attempts ?? (isDone ? null : 0)),
      seconds: found === null ? secondsOf(row ?? null) : Math.round(found.meta.seconds * 1_000) / 1_000,
      input,
      params,
      counters: found?.meta.counters ?? {},
      output: bytes === null ? null : (recordOf(bytes)?.map(([name, json]): [string, string] => [name, json]) ?? null),
    };
  }

  return { published: wanted.published, pages: inPages(mapAhead(standings(), ROWS_IN_FLIGHT, rowOf)) };
}

/** Where a chain is on its way, and what the ledger says of its task there. */
interface Standing {
  readonly task: number;
  readonly way: Way;
  readonly state: TableRow['state'];
  readonly row: LedgerTask | null | undefined;
}

async function standingOf(view: JobView, ways: readonly Way[], wanted: Way, task: number): Promise<Standing> {
  // Each reader passes this task, so that all stay in step.
  const rows = await Promise.all(ways.map(({ known }) => known(task)));
  const at = ways.findLastIndex(({ published }) => published.has(task));
  const skippedAt = skippedStep(view, wanted.index, task);
  const way = ways[Math.min(at + 1, ways.length - 1)] ?? wanted;
  const row = rows[ways.indexOf(way)];
  const state = (): TableRow['state'] => {
    if (wanted.published.has(task)) return 'done';
    if (skippedAt !== null) return 'skipped';
    if (way.failed.has(task)) return 'failed';
    return row?.state === 'running' && row.round === roundOf(view, way.index, task) ? 'running' : 'waiting';
  };
  return { task, way, state: state(), row };
}

const secondsOf = (row: LedgerTask | null): number | null =>
  row === null || row.startedAt === null || row.endedAt === null ? null : (row.endedAt - row.startedAt) / 1_000;

/** Reads the ledger's rows of a step along with its tasks. */
function ledgerReader(platform: Platform, job: string, step: string): Way['known'] {
  const rows = ledgerTasks(platform, job, { states: undefined, step });
  let next: LedgerTask | null | undefined = null;
  let isBegun = false;
  const advance = async (): Promise<void> => {
    isBegun = true;
    const answered = await ifLedgerAvailable(async () => {
      const { value = null } = await rows.next();
      next = value;
    });
    if (!answered) next = undefined;
  };
  return async (task) => {
    if (!isBegun) await advance();
    while (next && next.task < task) await advance();
    return next === undefined || next?.task === task ? next : null;
  };
}

async function* inPages(rows: AsyncIterable<TableRow>): AsyncGenerator<readonly TableRow[]> {
  let page: TableRow[] = [];
  for await (const row of rows) {
    page.push(row);
    if (page.length < PAGE) continue;
    yield page;
    page = [];
  }
  yield page;
}
