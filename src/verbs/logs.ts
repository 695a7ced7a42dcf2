import { StringDecoder } from 'node:string_decoder';
import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { originFinder } from '../jobs/fetch/input-names.ts';
import {
  followJobLogs,
  followLog,
  type JobLogPiece,
  type LogEnd,
  type LogPlace,
  listLogs,
  NOTHING_SHOWN,
  type Shown,
  type StoredLog,
  shownOf,
  shownWith,
  unshownBytes,
} from '../jobs/logs.ts';
import { findTask } from '../jobs/task-params.ts';
import { parseTaskName, type TaskName } from '../jobs/tasks.ts';
import type { AttemptLog } from '../model/answers/tasks.ts';
import { stepIndex } from '../model/job.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import type { VerbContext } from './context.ts';
import { jobOrLatest, resolveJobToShow } from './job.ts';
import { firstRows, flag, listVerb, option, PAGED, type Resumption, reading, text } from './verb.ts';

/** The stderr of attempts; with `follow`, in pieces as it is written. Throws `notFound`, `usage`, `interrupted`. */
export const logs = listVerb({
  name: 'logs',
  ...reading('/jobs/{job}/logs'),
  isLongRunning: ({ follow }) => follow,
  interruptedError: ({ job = 'last', task }) => stoppedError(job, task),
  createResumption: () => new LogResumption(),
  framesOnly: ['follow'],
  input: v.strictObject({
    job: jobOrLatest,
    task: option(
      '[task]',
      'task to show, <step>/<n> or <step>[name=value,...]; as the only argument, of the latest job (default: all tasks)',
      text,
    ),
    failed: option('--failed', 'only tasks that failed for good', flag, false),
    follow: option(
      '-f, --follow',
      'keep printing new output until the task is done; without a task, that of all running tasks until the job ends',
      flag,
      false,
    ),
    ...PAGED,
  }),
  cursorOf: (row: AttemptLog, { follow }: { readonly follow: boolean }) => (follow ? null : ReadLog.placeOf(row)),
  answer: async () => (await import('../model/answers/tasks.ts')).ATTEMPT_LOG,
  async run(context, { job: said, task, failed, follow, after, limit }): Promise<AsyncIterable<AttemptLog>> {
    const platform = await context.platform();
    const view = await resolveJobToShow(context, said);
    const named = task === undefined ? undefined : await findTask(platform.store, view, task);
    if (!follow) {
      const from = after === undefined ? undefined : parsePlace(view, after);
      return firstRows(wholeLogs(context, view, listLogs(platform, view, { task: named, failed, after: from })), limit);
    }
    if (failed) {
      throw new BatchctlError('usage', '--follow and --failed are mutually exclusive', {
        hint: `batchctl logs ${view.record.job} --failed`,
      });
    }
    return named === undefined ? followJob(context, view) : followTask(context, view, named);
  },
});

type OfTask = Pick<AttemptLog, 'step' | 'task' | 'input' | 'place' | 'params'>;

/** Adds what a task's part is to its step and number. */
function withOrigin({ store }: Platform, view: JobView): (of: Pick<OfTask, 'step' | 'task'>) => Promise<OfTask> {
  const originOf = originFinder(store, view);
  return async ({ step, task }) => ({ step, task, ...(await originOf(stepIndex(view.record.spec, step), task)) });
}

async function* wholeLogs(
  { platform, signal }: Pick<VerbContext, 'platform' | 'signal'>,
  view: JobView,
  found: AsyncIterable<StoredLog>,
): AsyncGenerator<AttemptLog, void> {
  const describe = withOrigin(await platform(), view);
  for await (const { step, task, attempt, modified, open } of found) {
    signal.throwIfAborted();
    const chunks: Uint8Array[] = [];
    for await (const chunk of (await open()) ?? []) chunks.push(chunk as Uint8Array);
    const bytes = Buffer.concat(chunks);
    yield new ReadLog({ ...(await describe({ step, task })), attempt, text: bytes.toString('utf8') }, bytes, modified);
  }
}

/** A log's place in the list, as `ReadLog.placeOf` writes it. Throws `usage`, `notFound`. */
function parsePlace(view: JobView, text: string): LogPlace {
  const [, task, modified, attempt] = /^([^/]+\/\d+)\/(\d+)\/([^/]+)$/.exec(text) ?? [];
  if (task === undefined || modified === undefined || attempt === undefined)
    throw new BatchctlError('usage', `after: expected the next of a page of logs, found "${text.slice(0, 100)}"`);
  return { task: parseTaskName(view, task), modified: Number(modified), attempt };
}

const ENDS: Readonly<Record<Exclude<LogEnd, 'interrupted'>, string>> = {
  done: 'is done',
  failed: 'failed for good',
  skipped: 'was skipped',
  cancelled: 'ended: its job was cancelled',
  closed: 'ended: its job was closed',
};

type FollowContext = Pick<VerbContext, 'platform' | 'signal' | 'notice'>;

async function* followTask(context: FollowContext, view: JobView, task: TaskName): AsyncGenerator<AttemptLog, void> {
  const platform = await context.platform();
  const of = await withOrigin(platform, view)({ step: task.name, task: task.task });
  const end = yield* rowsOf(followLog(platform, view, task, context.signal), async () => of);
  const name = `${task.name}/${task.task}`;
  if (end === 'interrupted') throw stoppedError(view.record.job, name);
  context.notice(`${name} ${ENDS[end]}`);
}

async function* followJob(context: FollowContext, view: JobView): AsyncGenerator<AttemptLog, void> {
  const { job } = view.record;
  const platform = await context.platform();
  const end = yield* rowsOf(followJobLogs(platform, view, context.signal), withOrigin(platform, view));
  if (end === 'interrupted') throw stoppedError(job, undefined);
  context.notice(`job ${job} ${end === 'cancelled' ? 'was cancelled' : end}`);
}

/** Attempts remembered while a job is followed for long. */
const MOST_ATTEMPTS = 10_000;

/** A piece may end inside a character, so the pieces of an attempt are decoded as one text. */
async function* rowsOf<Piece extends Pick<JobLogPiece, 'attempt' | 'bytes'>, End>(
  pieces: AsyncGenerator<Piece, End>,
  taskOf: (piece: Piece) => Promise<OfTask>,
): AsyncGenerator<AttemptLog, End> {
  const decoders = new Map<string, StringDecoder>();
  for (;;) {
    const next = await pieces.next();
    if (next.done) return next.value;
    const { attempt, bytes } = next.value;
    const decoder = decoders.get(attempt) ?? new StringDecoder('utf8');
    // The attempt that wrote least recently is forgotten first.
    decoders.delete(attempt);
    decoders.set(attempt, decoder);
    if (decoders.size > MOST_ATTEMPTS) decoders.delete(decoders.keys().next().value ?? '');
    yield new ReadLog({ ...(await taskOf(next.value)), attempt, text: decoder.write(bytes) }, bytes);
  }
}

function stoppedError(id: string, task: string | undefined): BatchctlError {
  const [what, continues] = task === undefined ? [id, 'the job continues'] : [task, 'the task continues'];
  return new BatchctlError('interrupted', `stopped following ${what}; ${continues}`, {
    hint: `batchctl logs ${id} ${task === undefined ? '' : `${task} `}--follow`,
  });
}

/** A row that keeps the bytes that were read, because text can't represent bytes that aren't UTF-8. */
class ReadLog implements AttemptLog {
  readonly step: string;
  readonly task: number;
  readonly attempt: string;
  readonly input: AttemptLog['input'];
  readonly place: AttemptLog['place'];
  readonly params: AttemptLog['params'];
  readonly text: string;
  readonly #bytes: Uint8Array;
  readonly #modified: number;

  constructor({ step, task, attempt, input, place, params, text }: AttemptLog, bytes: Uint8Array, modified = 0) {
    this.step = step;
    this.task = task;
    this.attempt = attempt;
    this.input = input;
    this.place = place;
    this.params = params;
    this.text = text;
    this.#bytes = bytes;
    this.#modified = modified;
  }

  static placeOf(log: AttemptLog): string | null {
    return #modified in log ? `${log.step}/${log.task}/${log.#modified}/${log.attempt}` : null;
  }

  static bytesOf(log: AttemptLog): Uint8Array {
    return #bytes in log ? log.#bytes : Buffer.from(log.text);
  }
}

/** The stderr of an attempt: the original bytes if this process read them, otherwise its text. */
export const logBytes = (log: AttemptLog): Uint8Array => ReadLog.bytesOf(log);

/** A followed log starts with everything that exists, so this leaves out what was displayed before. */
class LogResumption implements Resumption {
  /** By attempt. */
  readonly #shown = new Map<string, Shown>();
  /** Attempts with more log in the current list than was displayed. */
  readonly #begun = new Set<string>();

  restart(): void {
    this.#begun.clear();
  }

  newPart(row: unknown): AttemptLog | null {
    const log = row as AttemptLog;
    const bytes = Buffer.from(log.text);
    const shown = this.#shown.get(log.attempt) ?? NOTHING_SHOWN;
    if (this.#begun.has(log.attempt)) {
      this.#shown.set(log.attempt, shownWith(shown, bytes));
      return log;
    }
    if (this.#shown.size >= MOST_ATTEMPTS) this.#forget();
    this.#begun.add(log.attempt);
    this.#shown.set(log.attempt, shownOf(bytes));
    const text = Buffer.from(unshownBytes(shown, bytes)).toString('utf8');
    return text === '' && shown.length > 0 ? null : { ...log, text };
  }

  /** The attempt that was seen first has ended long ago. */
  #forget(): void {
    const [oldest] = this.#shown.keys();
    if (oldest === undefined) return;
    this.#shown.delete(oldest);
    this.#begun.delete(oldest);
  }
}
