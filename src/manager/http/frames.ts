import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { BatchctlError } from '../../errors.ts';
import { API, FRAMES_TYPE, type Frame, type FrameEnd, type ValueFrame } from '../../model/api.ts';
import {
  type AskedValue,
  scopeOf,
  type Verb,
  type VerbCall,
  type VerbEnd,
  type VerbRunner,
} from '../../ports/verbs.ts';
import { callerOf } from './auth.ts';
import { toldByVerb } from './error-answers.ts';
import { BOUNDS, goneSignal } from './limits.ts';
import { requireFew } from './verb-input.ts';

/** What `POST /commands` takes, as `VerbCall` has it. */
export const FRAMES_BODY = {
  type: 'object',
  required: ['name', 'input', 'flags'],
  additionalProperties: false,
  properties: {
    name: { type: 'string', maxLength: 40, description: 'the verb: retry, schedule add' },
    input: {
      type: 'object',
      description: "arguments and options by their camelCase names, as in the verb's own path",
    },
    flags: {
      type: 'object',
      required: ['json', 'quiet', 'verbose', 'yes', 'dryRun', 'tz'],
      additionalProperties: false,
      properties: {
        json: { type: 'boolean' },
        quiet: { type: 'boolean' },
        verbose: { type: 'boolean' },
        yes: { type: 'boolean', description: 'destroy without asking for confirmation' },
        dryRun: { type: 'boolean' },
        tz: { type: ['string', 'null'], maxLength: 64, description: "an IANA zone; null: the profile's" },
      },
    },
    terminal: {
      type: ['object', 'null'],
      description: "the caller's terminal; null: output goes to a file or a pipe",
      required: ['columns', 'color'],
      additionalProperties: false,
      properties: {
        columns: { type: 'integer', minimum: 20, maximum: 1_000 },
        color: { type: 'boolean' },
        shows: {
          type: 'array',
          items: { enum: ['out', 'err'] },
          description: 'which of the two streams is a terminal; default: both',
        },
      },
    },
    attachments: {
      type: ['object', 'null'],
      description: 'content of the local files given to the verb',
      required: ['jobFile', 'inputs'],
    },
  },
} as const;

/** Milliseconds between signs of life: what stands between may cut a connection that says nothing for a minute. */
const ALIVE = 15_000;
/** The most characters of what a verb prints in one frame. */
const LARGEST = 64 * 1024;
/** Bytes of frames that wait for a slow reader, before the verb waits too. */
const HELD = 256 * 1024;

interface FramesOptions {
  readonly verbs: VerbRunner;
  /** Milliseconds between signs of life; 15 s unless given. */
  readonly aliveMs?: number;
  readonly onHidden: (error: unknown, requestId: string) => void;
}

/** What a command line sends: a verb with its flags; answered by what it prints, as it prints it. */
type Asked = Pick<VerbCall, 'name' | 'input' | 'flags' | 'terminal' | 'attachments'>;

/** What `POST /verbs` takes, as `AskedValue` has it. */
export const VALUES_BODY = {
  type: 'object',
  required: ['name', 'input'],
  additionalProperties: false,
  properties: {
    name: FRAMES_BODY.properties.name,
    input: FRAMES_BODY.properties.input,
    dryRun: { type: 'boolean' },
    yes: FRAMES_BODY.properties.flags.properties.yes,
    tz: FRAMES_BODY.properties.flags.properties.tz,
    attachments: FRAMES_BODY.properties.attachments,
  },
} as const;

/** Runs any verb for a command line, and streams what it prints. When the caller leaves, the verb is told to stop. */
export function addFrames(app: FastifyInstance, options: FramesOptions): void {
  const byName = new Map(options.verbs.verbs.map((verb) => [verb.name, verb]));
  app.post(
    `${API}/commands`,
    {
      bodyLimit: BOUNDS.command.value,
      schema: { body: FRAMES_BODY },
      config: { scope: (request) => scopeOf(askedVerb(byName, request), (request.body as Asked).input), streams: true },
    },
    (request, reply) => run(options, askedVerb(byName, request), request, reply),
  );
  const declared = new Map([...byName].filter(([, verb]) => verb.declared));
  app.post(
    `${API}/verbs`,
    {
      schema: { body: VALUES_BODY },
      config: {
        scope: (request) => scopeOf(askedVerb(declared, request), (request.body as Asked).input),
        streams: true,
      },
    },
    (request, reply) => call(options, askedVerb(declared, request), request, reply),
  );
}

/** Runs a declared verb, and streams what it reports, its rows and its answer. */
function call(options: FramesOptions, verb: Verb, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { input, dryRun = false, yes = false, tz = null, attachments = null } = request.body as AskedValue;
  return stream(options, verb, request, reply, async (frames, gone) => {
    const end = await options.verbs.call({
      ...{ name: verb.name, input, dryRun, yes, tz, attachments, who: callerOf(request), signal: gone },
      report: (event) => frames.report({ event }),
      notice: (text) => frames.say({ notice: text }),
      warn: (text) => frames.say({ warning: text }),
      row: (row) => frames.send({ row }),
    });
    if (end.answer !== undefined) await frames.send({ answer: end.answer });
    return end;
  });
}

function askedVerb(byName: ReadonlyMap<string, Verb>, { body }: FastifyRequest): Verb {
  const { name } = body as Asked;
  const verb = byName.get(name);
  if (verb !== undefined) return verb;
  throw new BatchctlError('usage', `a manager has no verb ${JSON.stringify(name.slice(0, 100))}`, {
    hint: `GET ${API}/openapi.json lists its verbs`,
  });
}

function run(options: FramesOptions, verb: Verb, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { input, flags, terminal = null, attachments = null } = request.body as Asked;
  return stream(options, verb, request, reply, (frames, gone) =>
    options.verbs.run({
      ...{ name: verb.name, input, flags, terminal, attachments, who: callerOf(request) },
      ...{ out: frames.channel('out'), err: frames.channel('err'), signal: gone },
    }),
  );
}

/** Answers with frames, as `work` makes them; the last one tells how it ended. */
function stream(
  options: FramesOptions,
  verb: Verb,
  request: FastifyRequest,
  reply: FastifyReply,
  work: (frames: FrameStream, gone: AbortSignal) => Promise<VerbEnd>,
): FastifyReply {
  const { input } = request.body as Asked;
  requireFew(input);
  request.audited = { verb: verb.name, input };
  const gone = goneSignal(reply);
  const frames = new FrameStream(gone);
  // At once, so that the caller knows that it runs.
  frames.alive();
  const alive = setInterval(() => frames.alive(), options.aliveMs ?? ALIVE);
  void work(frames, gone)
    .then(({ exitCode, error, cause }) => {
      request.audited = { verb: verb.name, input, exitCode };
      // A list that breaks off as its reader leaves is nobody's mistake.
      if (error?.kind === 'unexpected' && !gone.aborted) options.onHidden(cause ?? error, request.id);
      return frames.end({ exit: exitCode, error: error === null ? null : toldByVerb(error, request.id) });
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

  /** What is written to it goes out as frames of that name; characters are never cut in two. */
  channel(name: 'out' | 'err'): Writable {
    const decoder = new TextDecoder();
    return new Writable({
      write: (chunk: Buffer, _, done) => {
        this.#texts(name, decoder.decode(chunk, { stream: true })).then(() => done(), done);
      },
    }).on('error', () => {
      // The reader left: the verb is told by its signal.
    });
  }

  /** Not to one that is slow: what waits for it is sign enough. */
  alive(): void {
    if (!this.body.writableNeedDrain) this.body.write(`${JSON.stringify({ alive: true } satisfies Frame)}\n`);
  }

  async end(frame: FrameEnd): Promise<void> {
    await this.send(frame);
    this.body.end();
  }

  /** Progress: a reader so slow that much waits for it misses some. */
  report(frame: ValueFrame): void {
    if (this.body.writableLength < HELD) this.say(frame);
  }

  say(frame: ValueFrame): void {
    if (!this.#gone.aborted) this.body.write(`${JSON.stringify(frame)}\n`);
  }

  /** Resolves when the reader takes more. */
  async send(frame: Frame | ValueFrame): Promise<void> {
    this.#gone.throwIfAborted();
    if (!this.body.write(`${JSON.stringify(frame)}\n`)) await once(this.body, 'drain', { signal: this.#gone });
  }

  async #texts(name: 'out' | 'err', text: string): Promise<void> {
    for (let at = 0; at < text.length; ) {
      const end = cutAt(text, at + LARGEST);
      const piece = text.slice(at, end);
      await this.send(name === 'out' ? { out: piece } : { err: piece });
      at = end;
    }
  }
}

/** Not between the halves of a character outside the basic plane. */
function cutAt(text: string, end: number): number {
  const last = text.charCodeAt(end - 1);
  return end < text.length && last >= 0xd800 && last < 0xdc00 ? end - 1 : end;
}
