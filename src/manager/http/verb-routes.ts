import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { asciiJson } from '../../lib/json.ts';
import { API, ERROR_HEADER, EXIT_HEADER, WARNINGS_HEADER } from '../../model/api.ts';
import type { VerbCall } from '../../verbs/remote-caller.ts';
import { type Http, scopeOf } from '../../verbs/verb.ts';
import type { OfferedVerb, VerbOutcome, VerbResponse, VerbRunner } from '../../verbs/verb-runner.ts';
import { callerOf } from './auth.ts';
import { type OnHidden, publicVerbError, statusOfKind } from './error-answers.ts';
import { goneSignal } from './limits.ts';
import { type ApiRequest, parseApiCall } from './verb-input.ts';

/** A path of its own for each verb that answers JSON: `POST /api/v1/jobs/{job}/retries`. */
export function addVerbs(app: FastifyInstance, tools: Tools): void {
  for (const { verb, method, path } of endpointsOf(tools.verbs)) {
    const { declared } = verb;
    const { name, scope, scopeWith = {} } = declared;
    const scopeVaries = Object.keys(scopeWith).length > 0;
    app.route({
      method,
      url: `${API}${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
      exposeHeadRoute: false,
      config: { scope: scopeVaries ? (request) => scopeOf(declared, bodyOf(request)) : scope, verb: name },
      handler: (request, reply) => run(tools, verb, request, reply),
    });
  }
}

interface Tools {
  readonly verbs: VerbRunner;
  readonly onHidden: OnHidden;
}

export interface Endpoint extends Http {
  readonly verb: OfferedVerb;
}

/** Every path of a verb; a verb that also only shows has two. */
export function endpointsOf({ verbs }: Pick<VerbRunner, 'verbs'>): readonly Endpoint[] {
  return verbs.flatMap((verb) => {
    const { http, shownAt } = verb.declared;
    if (http === null) return [];
    const own = { verb, ...http };
    return shownAt === undefined ? [own] : [own, { verb: readOnlyVerb(verb), method: 'GET' as const, path: shownAt }];
  });
}

/** The verb without the fields that make it change something. */
function readOnlyVerb(verb: OfferedVerb): OfferedVerb {
  const { declared, input } = verb;
  const { scopeWith = {}, ...declaration } = declared;
  const properties = Object.fromEntries(Object.entries(input.properties).filter(([name]) => !(name in scopeWith)));
  return { ...verb, declared: { ...declaration, changes: false }, input: { ...input, properties } };
}

const bodyOf = ({ body }: FastifyRequest): Readonly<Record<string, unknown>> =>
  typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>) : {};

/** Errors that qualify an answer, which is complete and still sent. */
const VERDICTS = ['proof', 'finding', 'notFinished', 'jobFailed', 'late'];

async function run(
  { verbs, onHidden }: Tools,
  verb: OfferedVerb,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { params, query, body } = request as unknown as ApiRequest;
  const { input, dryRun, tz, attachments } = parseApiCall(verb, request.method, { params, query, body });
  const signal = goneSignal(reply);
  const answer = new JsonAnswer(verb.declared.list, signal);
  const warnings: string[] = [];
  const call = { name: verb.declared.name, input, ...callerOf(request), attachments, signal };
  const running = callVerb(verbs, { ...call, dryRun, tz }, answer, warnings);
  const logHidden = ({ error, cause }: VerbOutcome): void => {
    // A list that ends because its reader left is not an error.
    if (error?.kind === 'unexpected' && !signal.aborted) onHidden(cause ?? error, request.id);
  };
  const end = await Promise.race([running, answer.overflows]);
  reply.type('application/json; charset=utf-8');
  if (end === undefined) {
    // It is too late for a header, so an error truncates the body.
    void running
      .then((late) => {
        logHidden(late);
        if (late.error === null || isVerdict(late)) answer.end(late.next ?? null);
        else answer.body.destroy(new Error(late.error.message));
      })
      .catch((error: unknown) => {
        if (!signal.aborted) onHidden(error, request.id);
        answer.body.destroy();
      });
    return reply.send(answer.body);
  }
  reply.header(EXIT_HEADER, String(end.exitCode));
  if (warnings.length > 0) reply.header(WARNINGS_HEADER, asciiJson(warnings));
  if (end.error === null || (isVerdict(end) && !answer.isEmpty)) {
    if (end.error !== null) reply.header(ERROR_HEADER, asciiJson(end.error));
    answer.end(end.next ?? null);
    return reply.send(answer.body);
  }
  logHidden(end);
  answer.body.destroy();
  return reply.code(statusOfKind(end.error.kind)).send({ error: publicVerbError(end.error, request.id) });
}

/** Serialises what the verb answers. */
async function callVerb(
  verbs: VerbRunner,
  asked: Omit<VerbCall, 'yes' | 'report' | 'notice' | 'warn' | 'row'>,
  answer: JsonAnswer,
  warnings: string[],
): Promise<VerbResponse> {
  const end = await verbs.call({
    ...asked,
    // API callers don't get a confirmation prompt.
    yes: true,
    report: () => {},
    notice: () => {},
    warn: (text) => void warnings.push(text),
    row: (row) => answer.add(row),
  });
  if (end.answer !== undefined) await answer.add(end.answer);
  return end;
}

const isVerdict = ({ error }: VerbOutcome): boolean => error !== null && VERDICTS.includes(error.kind);

/** Bytes buffered until a verb has ended, so that an error can still have its own status. */
const HELD = 256 * 1024;

/**
 * A verb's answer as the body of a response: one document, or a page of rows as `{"items":[...],"next":...}`. A body
 * longer than the buffer is sent while the verb runs, at the reader's pace.
 */
class JsonAnswer {
  /** Resolves when there is more than the buffer holds: from then on `body` must be read. */
  readonly overflows: Promise<void>;
  readonly body = new PassThrough({ highWaterMark: HELD });
  readonly #list: boolean;
  readonly #gone: AbortSignal;
  readonly #overflow: () => void;
  #added = 0;

  constructor(list: boolean, gone: AbortSignal) {
    this.#list = list;
    this.#gone = gone;
    let overflow = (): void => {};
    this.overflows = new Promise((resolve) => {
      overflow = resolve;
    });
    this.#overflow = overflow;
    if (list) this.body.write('{"items":[');
  }

  get isEmpty(): boolean {
    return this.#added === 0;
  }

  /**
   * Adds the answer, or a row of it; resolves with its length when there is room for more. Throws when the reader has
   * left.
   */
  async add(value: unknown): Promise<number> {
    this.#gone.throwIfAborted();
    const comma = this.#list && this.#added > 0 ? ',' : '';
    this.#added += 1;
    const bytes = Buffer.from(`${comma}${JSON.stringify(value)}`);
    if (!this.body.write(bytes)) {
      this.#overflow();
      await once(this.body, 'drain', { signal: this.#gone });
    }
    return bytes.length;
  }

  /** Ends the body: the answer is complete. `next`: the `after` of the next page of a list. */
  end(next: string | null): void {
    if (this.#list) this.body.write(`],"next":${JSON.stringify(next)}}`);
    else if (this.isEmpty) this.body.write('null');
    this.body.end();
  }
}
