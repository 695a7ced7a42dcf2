import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { BatchctlError } from '../../errors.ts';
import { API, FRAMES_TYPE, type FrameEnd, type ValueFrame } from '../../model/api.ts';
import type { VerbRequest } from '../../ports/verbs.ts';
import { type AnyVerb, scopeOf } from '../../verbs/verb.ts';
import type { VerbRunner } from '../../verbs/verb-runner.ts';
import { callerOf } from './auth.ts';
import { type OnHidden, publicVerbError } from './error-answers.ts';
import { goneSignal, LIMITS } from './limits.ts';
import { requireBoundedInput } from './verb-input.ts';

/** Milliseconds between signs of life: a proxy may close a connection that is silent for a minute. */
const ALIVE = 15_000;
/** Bytes of frames that wait for a slow reader, before the verb waits too. */
const HELD = 256 * 1024;

interface FramesOptions {
  readonly verbs: VerbRunner;
  /** Milliseconds between signs of life; 15 s unless given. */
  readonly aliveMs?: number;
  readonly onHidden: OnHidden;
}

/** The body of `POST /verbs`, as `VerbRequest` has it. */
export const VALUES_BODY = {
  type: 'object',
  required: ['name', 'input'],
  additionalProperties: false,
  properties: {
    name: { type: 'string', maxLength: 40, description: 'the verb: retry, schedule add' },
    input: {
      type: 'object',
      description: "arguments and options by their camelCase names, as in the verb's own path",
    },
    dryRun: { type: 'boolean' },
    yes: { type: 'boolean', description: 'destroy without asking for confirmation' },
    tz: { type: ['string', 'null'], maxLength: 64, description: "an IANA zone; null: the profile's" },
    attachments: {
      type: ['object', 'null'],
      description: 'content of the local files given to the verb',
      required: ['jobFile', 'inputs'],
    },
  },
} as const;

/**
 * Runs any verb, and streams what it reports, its rows and its answer. When the caller leaves, the verb is asked to
 * stop.
 */
export function addFrames(app: FastifyInstance, options: FramesOptions): void {
  const byName = new Map(options.verbs.verbs.map(({ declared }) => [declared.name, declared]));
  app.post(
    `${API}/verbs`,
    {
      bodyLimit: LIMITS.command.value,
      schema: { body: VALUES_BODY },
      config: { scope: (request) => scopeOf(requestedVerb(byName, request), callOf(request).input), streams: true },
    },
    (request, reply) => call(options, requestedVerb(byName, request), request, reply),
  );
}

const callOf = ({ body }: FastifyRequest): VerbRequest => body as VerbRequest;

function requestedVerb(byName: ReadonlyMap<string, AnyVerb>, { body }: FastifyRequest): AnyVerb {
  const { name } = body as VerbRequest;
  const verb = byName.get(name);
  if (verb !== undefined) return verb;
  throw new BatchctlError('usage', `a manager has no verb ${JSON.stringify(name.slice(0, 100))}`, {
    hint: `GET ${API}/openapi.json lists its verbs`,
  });
}

/** Answers with frames, as the verb makes them; the last one tells how it ended. */
function call(options: FramesOptions, verb: AnyVerb, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { input, dryRun = false, yes = false, tz = null, attachments = null } = callOf(request);
  requireBoundedInput(input);
  request.audited = { verb: verb.name, input };
  const gone = goneSignal(reply);
  const frames = new FrameStream(gone);
  // At once, so that the caller knows that it runs.
  frames.alive();
  const alive = setInterval(() => frames.alive(), options.aliveMs ?? ALIVE);
  void options.verbs
    .call({
      name: verb.name,
      input,
      dryRun,
      yes,
      tz,
      attachments,
      ...callerOf(request),
      signal: gone,
      report: (event) => frames.report({ event }),
      notice: (text) => frames.write({ notice: text }),
      warn: (text) => frames.write({ warning: text }),
      row: (row) => frames.send({ row }),
    })
    .then(async ({ answer, next, exitCode, error, cause }) => {
      if (answer !== undefined) await frames.send({ answer });
      request.audited = { verb: verb.name, input, exitCode };
      // A list that ends because its reader left is not an error.
      if (error?.kind === 'unexpected' && !gone.aborted) options.onHidden(cause ?? error, request.id);
      const shown = error === null ? null : publicVerbError(error, request.id);
      return frames.end({ exit: exitCode, error: shown, ...(next != null && { next }) });
    })
    .catch((error: unknown) => {
      if (!gone.aborted) options.onHidden(error, request.id);
      frames.body.destroy();
    })
    .finally(() => clearInterval(alive));
  // A reverse proxy that collects an answer before it passes it on would make it look like silence.
  return reply.type(FRAMES_TYPE).header('x-accel-buffering', 'no').send(frames.body);
}

/** Frames, one a line, at the reader's pace. */
class FrameStream {
  readonly body = new PassThrough({ highWaterMark: HELD });
  readonly #gone: AbortSignal;

  constructor(gone: AbortSignal) {
    this.#gone = gone;
  }

  /** Skipped for a slow reader, which still has data to read. */
  alive(): void {
    if (!this.body.writableNeedDrain) this.body.write(`${JSON.stringify({ alive: true } satisfies ValueFrame)}\n`);
  }

  async end(frame: FrameEnd): Promise<void> {
    await this.send(frame);
    this.body.end();
  }

  /** Progress is dropped while the buffer is full. */
  report(frame: ValueFrame): void {
    if (this.body.writableLength < HELD) this.write(frame);
  }

  write(frame: ValueFrame): void {
    if (!this.#gone.aborted) this.body.write(`${JSON.stringify(frame)}\n`);
  }

  /** Resolves with the frame's length in bytes when the reader takes more. */
  async send(frame: ValueFrame): Promise<number> {
    this.#gone.throwIfAborted();
    const bytes = Buffer.from(`${JSON.stringify(frame)}\n`);
    if (!this.body.write(bytes)) await once(this.body, 'drain', { signal: this.#gone });
    return bytes.length;
  }
}
