import type { FastifyInstance, FastifyReply } from 'fastify';
import { isKind } from '../../../errors.ts';
import { findJob } from '../../../jobs/find.ts';
import type { JobStatus } from '../../../jobs/status.ts';
import { KeeperWatch } from '../../../jobs/watch/round-memory.ts';
import { eachParallel } from '../../../lib/parallel.ts';
import { API, type ApiError } from '../../../model/api.ts';
import type { LedgerJob } from '../../../ports/ledger.ts';
import type { Platform } from '../../../ports/platform.ts';
import type { VerbRunner } from '../../../ports/verbs.ts';
import { toldError } from '../error-answers.ts';
import { askStatus, askVerb, EventStream, type Listener, type Seen, SharedLook } from './event-stream.ts';

/** Milliseconds between two looks at a job, and at all that goes on. */
const NEAR = { job: 1_000, overview: 2_000 };
/** The same where each look is requests to S3 and SQS, a few for each open job and group: they are paid for. */
const FAR = { job: 2_500, overview: 10_000 };
const ALIVE = 15_000;

interface EventOptions {
  readonly verbs: VerbRunner;
  readonly platform: Platform;
  /** Milliseconds between signs of life; 15 s unless given. */
  readonly aliveMs?: number;
}

const CONFIG = { scope: 'read', streams: true } as const;

/** What goes on, as it happens: server-sent events, each a whole document. */
export function addEvents(app: FastifyInstance, { verbs, platform, aliveMs = ALIVE }: EventOptions): void {
  const asError = (error: unknown): ApiError => toldError(error, 'of these events').error;
  const every = platform.remote === true ? FAR : NEAR;
  const streams = new Set<EventStream>();
  const open = (reply: FastifyReply): EventStream => {
    const stream = new EventStream(aliveMs);
    streams.add(stream);
    stream.body.once('close', () => streams.delete(stream));
    void reply.type('text/event-stream').header('x-accel-buffering', 'no').send(stream.body);
    return stream;
  };

  const all = new Overview({ verbs, platform, asError });
  const overview = new SharedLook({ look: (signal) => all.look(signal), everyMs: every.overview, asError });
  app.get(`${API}/events`, { config: CONFIG, exposeHeadRoute: false }, (_, reply) => {
    const stream = open(reply);
    stream.body.once('close', overview.listen(telling(stream, 'overview')));
    return reply;
  });

  const jobs = new Map<string, SharedLook>();
  app.get<{ Params: { job: string } }>(
    `${API}/jobs/:job/events`,
    { config: CONFIG, exposeHeadRoute: false },
    async (request, reply) => {
      const { job } = (await findJob(platform, request.params.job)).record;
      const look =
        jobs.get(job) ?? new SharedLook({ look: (signal) => lookAt(verbs, job, signal), everyMs: every.job, asError });
      jobs.set(job, look);
      const stream = open(reply);
      const leave = look.listen(telling(stream, 'status'));
      stream.body.once('close', () => {
        leave();
        if (look.isIdle) jobs.delete(job);
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

function telling(stream: EventStream, event: string): Listener {
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

const ENDED: readonly string[] = ['succeeded', 'failed', 'cancelled'] satisfies JobStatus['state'][];

async function lookAt(verbs: VerbRunner, job: string, signal: AbortSignal): Promise<Seen> {
  const status = await askStatus(verbs, job, signal);
  return { json: JSON.stringify(status), last: ENDED.includes(status.state) };
}

/** At most so many jobs are shown: the newest. */
const MOST = 200;
/** What closed longer ago, in milliseconds, is not shown. */
const SHOWN_FOR = 24 * 3_600_000;
/** Jobs that are looked at together. */
const PARALLEL = 4;

interface OverviewOptions {
  readonly verbs: VerbRunner;
  readonly platform: Platform;
  readonly asError: (error: unknown) => ApiError;
}

/** Looks at all that goes on: jobs, workers, groups, queues, firings. What can't be looked at is named, and the rest stands. */
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

  async look(signal: AbortSignal): Promise<Seen> {
    const { platform } = this.#options;
    const troubles: ApiError[] = [];
    const trying = async <T>(act: () => Promise<T>, otherwise: T): Promise<T> => {
      try {
        return await act();
      } catch (error) {
        signal.throwIfAborted();
        troubles.push(this.#options.asError(error));
        return otherwise;
      }
    };
    const ask = (name: string, input = {}) => trying(() => askVerb(this.#options.verbs, name, input, signal), []);
    const [jobs, workers, groups, queues, firings, keeper] = await Promise.all([
      trying(() => this.#jobs(signal), { documents: [], more: false }),
      ask('workers'),
      ask('scale'),
      ask('queue'),
      ask('schedule next'),
      trying(() => this.#keepers.id(), null),
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

  async #jobs(signal: AbortSignal): Promise<{ readonly documents: readonly string[]; readonly more: boolean }> {
    const { platform, verbs } = this.#options;
    const shown = await shownJobs(platform);
    const jobs = shown.slice(0, MOST);
    const documents: string[] = jobs.map(() => '');
    const ended = new Map<string, string>();
    await eachParallel(
      jobs.entries(),
      PARALLEL,
      async ([index, job], ends) => {
        const of = job.closedAt === null ? null : `${job.job} ${job.round} ${job.state} ${job.closedAt} ${job.pruned}`;
        const known = of === null ? undefined : this.#ended.get(of);
        const status = known === undefined ? await statusIfThere(verbs, job.job, ends) : null;
        const document = known ?? (status === null ? '' : JSON.stringify(status));
        const settled = known !== undefined || (status !== null && isSettled(status));
        if (of !== null && settled) ended.set(of, document);
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
    ledger.jobs({ states: ['submitted', 'running', 'paused'], limit: MOST + 1 }),
    ledger.jobs({ states: ['succeeded', 'failed', 'cancelled'], limit: MOST + 1 }),
  ]);
  const lately = closed.filter(({ closedAt }) => (closedAt ?? 0) >= since);
  const newest = [...lately].sort((a, b) => b.createdAt - a.createdAt);
  return [...open, ...newest];
}

/** None of a job that is being removed. */
async function statusIfThere(verbs: VerbRunner, job: string, signal: AbortSignal): Promise<JobStatus | null> {
  try {
    return await askStatus(verbs, job, signal);
  } catch (error) {
    if (isKind(error, 'notFound')) return null;
    throw error;
  }
}

/** Nothing goes on with it any more: what is to be delivered is, or won't be. */
function isSettled({ delivery }: Pick<JobStatus, 'delivery'>): boolean {
  return delivery === null || ['none', 'delivered', 'givenUp'].includes(delivery.state);
}
