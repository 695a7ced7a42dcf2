import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { API, ERROR_HEADER, EXIT_HEADER, WARNINGS_HEADER } from '../../model/api.ts';
import { scopeOf, type Verb, type VerbCall, type VerbOutcome, type VerbRunner } from '../../ports/verbs.ts';
import { callerOf } from './auth.ts';
import { publicVerbError, statusOfKind } from './error-answers.ts';
import { goneSignal } from './limits.ts';
import { type ApiRequest, parseApiCall, propertiesOf } from './verb-input.ts';

/** A path of its own for each verb that answers JSON: `POST /api/v1/jobs/{job}/retries`. */
export function addVerbs(app: FastifyInstance, verbs: VerbRunner, onHidden: OnHidden): void {
  for (const { verb, method, path } of endpointsOf(verbs)) {
    const scopeVaries = Object.keys(verb.scopeWith).length > 0;
    app.route({
      method,
      url: `${API}${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
      exposeHeadRoute: false,
      config: { scope: scopeVaries ? (request) => scopeOf(verb, bodyOf(request)) : verb.scope, verb: verb.name },
      handler: (request, reply) => run({ verbs, onHidden }, verb, request, reply),
    });
  }
}

type OnHidden = (error: unknown, requestId: string) => void;

interface Tools {
  readonly verbs: VerbRunner;
  readonly onHidden: OnHidden;
}

export interface Endpoint {
  readonly verb: Verb;
  readonly method: Verb['method'];
  /** With `{name}` for arguments. */
  readonly path: string;
}

/** Every path of a verb; a verb that also only shows has two. */
export function endpointsOf({ verbs }: VerbRunner): readonly Endpoint[] {
  return verbs.flatMap((verb) => {
    if (verb.path === null) return [];
    const own = { verb, method: verb.method, path: verb.path };
    return verb.shownAt === null
      ? [own]
      : [own, { verb: readOnlyVerb(verb), method: 'GET' as const, path: verb.shownAt }];
  });
}

/** The verb without what makes a change of it. */
function readOnlyVerb(verb: Verb): Verb {
  const { scopeWith, input } = verb;
  const properties = Object.fromEntries(Object.entries(propertiesOf(input)).filter(([name]) => !(name in scopeWith)));
  return { ...verb, method: 'GET', path: verb.shownAt, scopeWith: {}, writes: false, input: { ...input, properties } };
}

const bodyOf = ({ body }: FastifyRequest): Readonly<Record<string, unknown>> =>
  typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>) : {};

/** Errors that say what an answer comes to: it was printed whole, and stands. */
const VERDICTS = ['proof', 'finding', 'notFinished', 'jobFailed', 'late'];

async function run(
  { verbs, onHidden }: Tools,
  verb: Verb,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { params, query, body } = request as unknown as ApiRequest;
  const { input, dryRun, tz, attachments } = parseApiCall(verb, request.method, { params, query, body });
  const answer = new JsonAnswer(verb.list);
  const warnings: string[] = [];
  const call = { name: verb.name, input, who: callerOf(request), attachments, signal: goneSignal(reply) };
  const running = callVerb(verbs, { ...call, dryRun, tz }, answer, warnings);
  const logHidden = ({ error, cause }: VerbOutcome): void => {
    // A list that breaks off as its reader leaves is nobody's mistake.
    if (error?.kind === 'unexpected' && !call.signal.aborted) onHidden(cause ?? error, request.id);
  };
  const end = await Promise.race([running, answer.overflows]);
  reply.type('application/json; charset=utf-8');
  if (end === undefined) {
    // Its end comes too late for a header: an error shows as a body that breaks off.
    void running.then((late) => {
      logHidden(late);
      if (late.error === null || isVerdict(late)) answer.end();
      else answer.body.destroy(new Error(late.error.message));
    });
    return reply.send(answer.body);
  }
  reply.header(EXIT_HEADER, String(end.exitCode));
  if (warnings.length > 0) reply.header(WARNINGS_HEADER, asciiJson(warnings));
  if (end.error === null || (isVerdict(end) && !answer.isEmpty)) {
    if (end.error !== null) reply.header(ERROR_HEADER, asciiJson(end.error));
    answer.end();
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
): Promise<VerbOutcome> {
  const end = await verbs.call({
    ...asked,
    // Who calls the API has decided.
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
 * A verb's answer as the body of a response: one document, or rows as `{"items":[...]}`. A body longer than the buffer is
 * sent while the verb runs, at the reader's pace.
 */
class JsonAnswer {
  /** Resolves when there is more than the buffer holds: from then on `body` must be read. */
  readonly overflows: Promise<void>;
  readonly body = new PassThrough({ highWaterMark: HELD });
  readonly #list: boolean;
  readonly #overflow: () => void;
  #added = 0;

  constructor(list: boolean) {
    this.#list = list;
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

  /** Adds the answer, or a row of it; resolves when there is room for more. Throws when the reader has left. */
  async add(value: unknown): Promise<void> {
    if (this.body.destroyed) throw new Error(LEFT);
    const comma = this.#list && this.#added > 0 ? ',' : '';
    this.#added += 1;
    if (this.body.write(`${comma}${JSON.stringify(value)}`)) return;
    this.#overflow();
    await this.#drained();
  }

  /** Ends the body: the answer is complete. */
  end(): void {
    if (this.#list) this.body.write(']}');
    else if (this.isEmpty) this.body.write('null');
    this.body.end();
  }

  async #drained(): Promise<void> {
    const gone = new AbortController();
    try {
      await Promise.race([
        once(this.body, 'drain', { signal: gone.signal }),
        once(this.body, 'close', { signal: gone.signal }).then(() => {
          throw new Error(LEFT);
        }),
      ]);
    } finally {
      gone.abort();
    }
  }
}

const LEFT = 'the client stopped reading the answer';

/** JSON for a header: ASCII only. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
