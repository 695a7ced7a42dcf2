import type { FastifyInstance, FastifyReply } from 'fastify';
import { findJob } from '../../../jobs/find.ts';
import type { JobStatus } from '../../../jobs/status.ts';
import { API, type ApiError } from '../../../model/api.ts';
import type { Platform } from '../../../ports/platform.ts';
import type { VerbRunner } from '../../../ports/verbs.ts';
import { toldError } from '../error-answers.ts';
import { askStatus } from './ask-verb.ts';
import { EventStream, type Listener, type Seen, SharedLook } from './event-stream.ts';
import { Overview } from './overview.ts';

/** Milliseconds between two looks at a job, and at all that goes on. */
const NEAR = { job: 1_000, overview: 2_000 };
/** The same where each look is requests to S3 and SQS, a few for each open job and group: they are paid for. */
const FAR = { job: 2_500, overview: 10_000 };
const ALIVE = 15_000;

export interface EventOptions {
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
