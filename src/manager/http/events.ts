import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { BatchctlError, type ErrorKind, isKind } from '../../errors.ts';
import { findJob } from '../../jobs/find.ts';
import { KeeperWatch } from '../../jobs/keeper-mark.ts';
import { eachParallel } from '../../lib/parallel.ts';
import { wait } from '../../lib/wait.ts';
import type { JobStatus } from '../../model/answers/status.ts';
import { API, type ApiError } from '../../model/api.ts';
import { CLOSED_STATES, isClosed, OPEN_STATES } from '../../model/job-state.ts';
import type { LedgerJob } from '../../model/ledger/records.ts';
import type { Platform } from '../../ports/platform.ts';
import type { VerbRunner } from '../../verbs/verb-runner.ts';
import { publicError } from './error-answers.ts';

/** Polling intervals for a job and for the overview, milliseconds. */
const FREE_INTERVALS = { job: 1_000, overview: 2_000 };
/** The same where each poll costs requests to S3 and SQS, a few for each open job and group. */
const PAID_INTERVALS = { job: 2_500, overview: 10_000 };
const ALIVE = 15_000;

interface EventOptions {
  readonly verbs: VerbRunner;
  readonly platform: Platform;
  /** Milliseconds between signs of life; 15 s unless given. */
  readonly aliveMs?: number;
}

const CONFIG = { scope: 'read', streams: true } as const;

/** Live updates as server-sent events, each a whole document. */
export function addEvents(app: FastifyInstance, { verbs, platform, aliveMs = ALIVE }: EventOptions): void {
  const asError = (error: unknown): ApiError => publicError(error, 'of these events').error;
  const every = platform.workplace.paysRequests ? PAID_INTERVALS : FREE_INTERVALS;
  const streams = new Set<EventStream>();
  const open = (reply: FastifyReply): EventStream => {
    const stream = new EventStream(aliveMs);
    streams.add(stream);
    stream.body.once('close', () => streams.delete(stream));
    void reply.type('text/event-stream').header('x-accel-buffering', 'no').send(stream.body);
    return stream;
  };

  const all = new Overview({ verbs, platform, asError });
  const overview = new SharedPoll({ read: (signal) => all.read(signal), everyMs: every.overview, asError });
  app.get(`${API}/events`, { config: CONFIG, exposeHeadRoute: false }, (_, reply) => {
    const stream = open(reply);
    stream.body.once('close', overview.listen(listenerFor(stream, 'overview')));
    return reply;
  });

  const jobs = new Map<string, SharedPoll>();
  app.get<{ Params: { job: string } }>(
    `${API}/jobs/:job/events`,
    { config: CONFIG, exposeHeadRoute: false },
    async (request, reply) => {
      const { job } = (await findJob(platform, request.params.job)).record;
      const poll =
        jobs.get(job) ??
        new SharedPoll({ read: (signal) => readStatus(verbs, job, signal), everyMs: every.job, asError });
      jobs.set(job, poll);
      const stream = open(reply);
      const leave = poll.listen(listenerFor(stream, 'status'));
      stream.body.once('close', () => {
        leave();
        if (poll.isIdle) jobs.delete(job);
      });
      return reply;
    },
  );

  app.addHook('preClose', async () => {
    for (const stream of streams) {
      stream.send('leaving', '{}');
      stream.end();
    }
  });
}

function listenerFor(stream: EventStream, event: string): Listener {
  return {
    changed: ({ json, last }) => {
      stream.send(event, json);
      if (!last) return;
      stream.send('end', '{}');
      stream.end();
    },
    failed: (error) => stream.send('trouble', JSON.stringify(error)),
  };
}

async function readStatus(verbs: VerbRunner, job: string, signal: AbortSignal): Promise<Snapshot> {
  const status = await askStatus(verbs, job, signal);
  return { json: JSON.stringify(status), last: isClosed(status.state) };
}

/** The maximum number of jobs shown, newest first. */
const MOST = 200;
/** Jobs that closed longer ago than this are not shown, milliseconds. */
const SHOWN_FOR = 24 * 3_600_000;
/** Jobs that are read together. */
const PARALLEL = 4;

interface OverviewOptions {
  readonly verbs: VerbRunner;
  readonly platform: Platform;
  readonly asError: (error: unknown) => ApiError;
}

/**
 * Reads the overview: jobs, workers, groups, queues, firings. A part that can't be read is listed in `troubles`; the
 * others are still returned.
 */
class Overview {
  readonly #options: OverviewOptions;
  readonly #keepers: KeeperWatch;
  /** Status documents of jobs that have ended, by what would change with another round. */
  #ended = new Map<string, string>();
  #before = '';
  #now = '';

  constructor(options: OverviewOptions) {
    this.#options = options;
    this.#keepers = new KeeperWatch(options.platform);
  }

  async read(signal: AbortSignal): Promise<Snapshot> {
    const { platform } = this.#options;
    const troubles: ApiError[] = [];
    const tryOr = async <T>(act: () => Promise<T>, otherwise: T): Promise<T> => {
      try {
        return await act();
      } catch (error) {
        signal.throwIfAborted();
        troubles.push(this.#options.asError(error));
        return otherwise;
      }
    };
    const ask = (name: string, input = {}) => tryOr(() => askVerb(this.#options.verbs, name, input, signal), []);
    const [jobs, workers, groups, queues, firings, keeper] = await Promise.all([
      tryOr(() => this.#jobs(signal, troubles), { documents: [], more: false }),
      ask('workers'),
      ask('scale'),
      ask('queue'),
      ask('schedule next'),
      tryOr(() => this.#keepers.id(), null),
    ]);
    const parts = [
      `"keeper":${JSON.stringify(keeper)}`,
      `"jobs":[${jobs.documents.join(',')}]`,
      `"more":${jobs.more}`,
      `"workers":${JSON.stringify(workers)}`,
      `"groups":${JSON.stringify(groups)}`,
      `"queues":${JSON.stringify(queues)}`,
      `"firings":${JSON.stringify(firings)}`,
      `"troubles":${JSON.stringify(troubles)}`,
    ];
    // Only the clock differs: that is no change.
    if (parts.join() !== this.#before) this.#now = new Date(platform.clock.now()).toISOString();
    this.#before = parts.join();
    return { json: `{"now":${JSON.stringify(this.#now)},${parts.join(',')}}`, last: false };
  }

  async #jobs(
    signal: AbortSignal,
    troubles: ApiError[],
  ): Promise<{ readonly documents: readonly string[]; readonly more: boolean }> {
    const { platform, verbs } = this.#options;
    const shown = await shownJobs(platform);
    const jobs = shown.slice(0, MOST);
    const documents: string[] = jobs.map(() => '');
    const ended = new Map<string, string>();
    await eachParallel(
      jobs.entries(),
      PARALLEL,
      async ([index, job], ends) => {
        const cacheKey =
          job.closedAt === null ? null : `${job.job} ${job.round} ${job.state} ${job.closedAt} ${job.pruned}`;
        const known = cacheKey === null ? undefined : this.#ended.get(cacheKey);
        const addTrouble = (error: unknown): void => void troubles.push(this.#options.asError(error));
        const status = known === undefined ? await statusIfReadable(verbs, job.job, ends, addTrouble) : null;
        const document = known ?? (status === null ? '' : JSON.stringify(status));
        const settled = known !== undefined || (status !== null && isSettled(status));
        if (cacheKey !== null && settled) ended.set(cacheKey, document);
        documents[index] = document;
      },
      signal,
    );
    this.#ended = ended;
    return { documents: documents.filter(Boolean), more: shown.length > MOST };
  }
}

/** Open jobs, and those that closed lately; the newest first. */
async function shownJobs(platform: Platform): Promise<readonly LedgerJob[]> {
  const ledger = await platform.ledger();
  const since = platform.clock.now() - SHOWN_FOR;
  const [open, closed] = await Promise.all([
    ledger.jobs({ states: OPEN_STATES, limit: MOST + 1 }),
    ledger.jobs({ states: CLOSED_STATES, limit: MOST + 1 }),
  ]);
  const lately = closed.filter(({ closedAt }) => (closedAt ?? 0) >= since);
  const newest = [...lately].sort((a, b) => b.createdAt - a.createdAt);
  return [...open, ...newest];
}

/** None of a job that is being removed, or can't be read, which is reported and hides no other job. */
async function statusIfReadable(
  verbs: VerbRunner,
  job: string,
  signal: AbortSignal,
  onUnreadable: (error: unknown) => void,
): Promise<JobStatus | null> {
  try {
    return await askStatus(verbs, job, signal);
  } catch (error) {
    if (isKind(error, 'newer', 'corrupt')) onUnreadable(error);
    else if (!isKind(error, 'notFound')) throw error;
    return null;
  }
}

/** The job's status won't change: its delivery has finished or was given up. */
function isSettled({ delivery }: Pick<JobStatus, 'delivery'>): boolean {
  return delivery === null || ['none', 'delivered', 'givenUp'].includes(delivery.state);
}

/** A stream of server-sent events for one reader, who gets of each event only the newest when slow. */
export class EventStream {
  readonly body: Readable;
  /** The unread events by name: at most one of each. */
  readonly #waiting = new Map<string, string>();
  readonly #timer: NodeJS.Timeout;
  #wanted = false;
  #ending = false;

  /** After `aliveMs` without an event it sends a comment, to show that the connection is alive. */
  constructor(aliveMs: number) {
    this.body = new Readable({
      read: () => {
        this.#wanted = true;
        this.#flush();
      },
      // One event is held besides those that wait; it may be large.
      highWaterMark: 1,
    });
    this.#timer = setInterval(() => this.#comment(), aliveMs).unref();
    this.body.once('close', () => clearInterval(this.#timer));
  }

  /** `data` is JSON, without a line break. */
  send(event: string, data: string): void {
    if (this.#ending) return;
    // To the end of the order: what came first of this name is superseded.
    this.#waiting.delete(event);
    this.#waiting.set(event, `event: ${event}\ndata: ${data}\n\n`);
    this.#flush();
  }

  /** Ends the stream once what waits was read. */
  end(): void {
    this.#ending = true;
    this.#flush();
  }

  #comment(): void {
    if (!this.#wanted || this.#ending) return;
    this.#push(':\n\n');
  }

  #flush(): void {
    if (!this.#wanted) return;
    const [next] = this.#waiting;
    if (next !== undefined) {
      this.#waiting.delete(next[0]);
      this.#push(next[1]);
    } else if (this.#ending) {
      this.#wanted = false;
      this.body.push(null);
    }
  }

  #push(text: string): void {
    this.#wanted = false;
    this.body.push(text);
  }
}

/** The result of a poll: a document as JSON; `last`: it will not change any more. */
interface Snapshot {
  readonly json: string;
  readonly last: boolean;
}

interface SharedPollOptions {
  readonly read: (signal: AbortSignal) => Promise<Snapshot>;
  /** The minimum interval, milliseconds. */
  readonly everyMs: number;
  readonly asError: (error: unknown) => ApiError;
}

/** Called with a document that differs from the one before, or with the error of a failed poll. */
interface Listener {
  changed(seen: Snapshot): void;
  failed(error: ApiError): void;
}

/** The maximum share of time spent polling: slow polls run less often. */
const SHARE = 0.2;
/** The pause after a failed poll, milliseconds. */
const AFTER_FAILURE = 5_000;

/** One poll shared by all listeners. It runs only while there are listeners. */
class SharedPoll {
  readonly #options: SharedPollOptions;
  readonly #listeners = new Set<Listener>();
  #stop: AbortController | null = null;
  #seen: Snapshot | null = null;

  constructor(options: SharedPollOptions) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#listeners.size === 0;
  }

  /** Calls the listener with the latest document, then with each change, until the returned function is called. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    if (this.#stop === null) {
      // A reading from before the first listener may be old.
      this.#seen = null;
      this.#stop = new AbortController();
      void this.#loop(this.#stop.signal);
    } else if (this.#seen !== null) listener.changed(this.#seen);
    return () => {
      if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
      this.#stop?.abort();
      this.#stop = null;
    };
  }

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const began = performance.now();
      const failed = await this.#poll(signal);
      if (this.#seen?.last === true) return;
      const took = performance.now() - began;
      const rest = failed ? AFTER_FAILURE : Math.max(this.#options.everyMs - took, took / SHARE - took);
      await wait(rest, signal);
    }
  }

  /** Returns true if it failed. */
  async #poll(signal: AbortSignal): Promise<boolean> {
    try {
      const seen = await this.#options.read(signal);
      if (signal.aborted || seen.json === this.#seen?.json) return false;
      this.#seen = seen;
      for (const listener of this.#listeners) listener.changed(seen);
      return false;
    } catch (error) {
      if (signal.aborted) return false;
      const visible = this.#options.asError(error);
      for (const listener of this.#listeners) listener.failed(visible);
      return true;
    }
  }
}

/**
 * Runs a declared verb that only reads. Returns its rows, or its answer as the only one. Throws what the verb throws.
 */
async function askVerb(
  verbs: VerbRunner,
  name: string,
  input: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  const rows: unknown[] = [];
  const { answer, error } = await verbs.call({
    name,
    input,
    who: 'manager',
    scope: 'read',
    dryRun: false,
    yes: false,
    tz: null,
    attachments: null,
    signal,
    report: () => {},
    notice: () => {},
    warn: () => {},
    row: async (row) => {
      rows.push(row);
      return 0;
    },
  });
  if (error !== null)
    throw new BatchctlError(error.kind as ErrorKind, error.message, error.hint === null ? {} : { hint: error.hint });
  return answer === undefined ? rows : [answer];
}

/** The status of a job. Throws `notFound`. */
async function askStatus(verbs: VerbRunner, job: string, signal: AbortSignal): Promise<JobStatus> {
  const [status] = await askVerb(verbs, 'status', { job }, signal);
  return status as JobStatus;
}
