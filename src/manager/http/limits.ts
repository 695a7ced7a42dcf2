import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../../lib/clock.ts';
import { isRecord, isText } from '../../lib/json.ts';
import { PAGE } from '../../model/api.ts';
import { Refusal, VERBS } from './error-answers.ts';

/** A limit that a caller can meet: docs/security.md has the table, and a test compares them. */
interface Limit {
  readonly what: string;
  readonly value: number;
  readonly unit: 'bytes' | 'ms' | '';
  readonly why: string;
  /** The answer to a caller beyond it. */
  readonly answer: string;
}

const bound = (what: string, value: number, unit: Limit['unit'], answer: string, why: string): Limit => ({
  what,
  value,
  unit,
  why,
  answer,
});

export const LIMITS = {
  body: bound('a JSON body', 2 ** 20, 'bytes', '413', 'a job file of a thousand steps needs a tenth of it'),
  command: bound(
    "a command line's call",
    4 * 2 ** 20,
    'bytes',
    '413',
    'it contains the job, and ten thousand inputs of 400 bytes each',
  ),
  completion: bound(
    'the parts of an upload',
    4 * 2 ** 20,
    'bytes',
    '413',
    'ten thousand parts, the limit of S3, of 200 bytes each',
  ),
  head: bound(
    'request line and headers',
    16_384,
    'bytes',
    '431',
    "Node's own limit; batchctl's requests need at most 4 KiB",
  ),
  parameter: bound('a name in a path', 256, '', '414', 'a job id has at most 61 characters'),
  headTime: bound(
    'until the headers are received',
    10_000,
    'ms',
    '408',
    'a client that sends them byte by byte holds a connection',
  ),
  bodyTime: bound('until a JSON body is received', 30_000, 'ms', '408', '1 MiB at 35 KB/s'),
  handshake: bound('a TLS handshake', 10_000, 'ms', 'closed', 'as for the headers'),
  values: bound('values in a JSON body', 25_000, '', '413', 'the most that a job or a list has is 10,000'),
  valuesInLargeBody: bound(
    'values in either of the larger bodies',
    65_000,
    '',
    '413',
    'ten thousand inputs of a command line, with six each',
  ),
  fields: bound("fields of a verb's input", 100, '', '400', 'no verb has half as many'),
  list: bound('values of a field that takes a list', 10_000, '', '400', 'more tasks than a person would list'),
  depth: bound('nested maps and lists in a JSON body', 64, '', '413', 'a job file has six levels'),
  pageRows: bound('rows of a page of a list', PAGE.most, '', 'a next page', '1,000 unless the call has a `limit`'),
  pageBytes: bound(
    'bytes after which a page of a list ends',
    PAGE.bytes,
    'bytes',
    'a next page',
    'a row of a log may be large',
  ),
  idle: bound('an idle connection between two calls', 30_000, 'ms', 'closed', "longer than the command line's pauses"),
  connections: bound('connections', 1_000, '', 'closed', 'about 100 MB of memory with TLS'),
  connectionsPerAddress: bound('connections per address', 250, '', 'closed', 'an office behind one address has room'),
  calls: bound('calls in progress', 500, '', '503', 'each is a running verb'),
  callsPerToken: bound('calls in progress per token', 100, '', '429', 'one token leaves room for others'),
  streamsPerToken: bound('streams among them', 50, '', '429', 'watch, wait, logs --follow, events'),
  cutsPerToken: bound('plans and submissions among them', 8, '', '429', 'each finds the inputs of a job and cuts them'),
  rate: bound('calls per token in 10 s', 2_000, '', '429', 'a loop without a pause leaves room for others'),
  rateWithoutToken: bound(
    'calls without a token per address in 10 s',
    2_000,
    '',
    '429',
    'a token is counted separately',
  ),
  staged: bound(
    'concurrent uploads through the manager',
    2 ** 31,
    'bytes',
    '503',
    'the disk of a small instance has room for them',
  ),
  stagedPerToken: bound('per token', 2 ** 29, 'bytes', '429', 'two of the largest archives'),
  tries: bound(
    'failed logins per address',
    5,
    '',
    '429',
    'then 1 s, doubling up to 60 s, until none failed for 10 min; a valid token is still accepted',
  ),
  addresses: bound('addresses whose failed logins are remembered', 10_000, '', 'forgotten', 'about 2 MB of memory'),
} as const satisfies Readonly<Record<string, Limit>>;

/** The window for counting a token's calls, milliseconds. */
export const RATE_WINDOW = 10_000;

const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 60_000;
/** After this long without a failed try an address starts anew, milliseconds. */
const FORGOTTEN = 600_000;

interface Tries {
  readonly count: number;
  /** Monotonic milliseconds. */
  readonly last: number;
}

/** Failed tries by address, so that guessing rarely reaches the store. Memory is bounded: the oldest are dropped. */
export class FailedTries {
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** The latest is last. */
  readonly #tries = new Map<string, Tries>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** Milliseconds until the address may try again; 0: now. */
  waitOf(address: string): number {
    const tries = this.#triesOf(address);
    if (tries === null || tries.count < LIMITS.tries.value) return 0;
    const wait = Math.min(FIRST_WAIT * 2 ** (tries.count - LIMITS.tries.value), LONGEST_WAIT);
    return Math.max(0, tries.last + wait - this.#clock.monotonic());
  }

  noteFailure(address: string): void {
    const network = networkOf(address);
    const count = (this.#triesOf(address)?.count ?? 0) + 1;
    this.#tries.delete(network);
    this.#tries.set(network, { count, last: this.#clock.monotonic() });
    const [oldest] = this.#tries.keys();
    if (this.#tries.size > LIMITS.addresses.value && oldest !== undefined) this.#tries.delete(oldest);
  }

  #triesOf(address: string): Tries | null {
    const tries = this.#tries.get(networkOf(address));
    return tries === undefined || this.#clock.monotonic() - tries.last > FORGOTTEN ? null : tries;
  }
}

/** The address for counting tries: for IPv6 its /64 network, because the holder of one address has all of it. */
export function networkOf(address: string): string {
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (v4 !== undefined || !address.includes(':')) return v4 ?? address;
  const [head = '', tail = ''] = address.split('%')[0]?.split('::') ?? [];
  const [front, back] = [head, tail].map((half) => half.split(':').filter(Boolean)) as [string[], string[]];
  const zeros = Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => '0');
  const groups = [...front, ...(address.includes('::') ? zeros : []), ...back];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, '').toLowerCase())
    .join(':')}::/64`;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Its body may be large: it must progress every half a minute. */
    upload?: true;
  }
}

/** Counts a call. Throws a `Refusal` with 429 beyond the rate limit. */
type RateCheck = (request: FastifyRequest) => Promise<void>;

/** Limits a caller's rate and concurrent calls. Call it after `addAuth`, and before any route is added. */
export function addLimits(app: FastifyInstance): void {
  void app.register(rateLimit, { global: false });
  app.addHook('onRequest', rateCheckOf(app, LIMITS.rate, keyOf));
  limitCalls(app);
}

/** Counts calls without a token where one is needed, by address, separately from other calls from there. */
export const tokenlessRate = (app: FastifyInstance): RateCheck =>
  rateCheckOf(app, LIMITS.rateWithoutToken, ({ ip }) => networkOf(ip));

function rateCheckOf(
  app: FastifyInstance,
  { value: max }: Limit,
  keyGenerator: (request: FastifyRequest) => string,
): RateCheck {
  let check: ReturnType<FastifyInstance['createRateLimit']> | null = null;
  app.addHook('onReady', async () => {
    check = app.createRateLimit({ max, timeWindow: RATE_WINDOW, keyGenerator });
  });
  return async (request) => {
    const asked = await check?.(request);
    if (asked === undefined || asked.isAllowed || !asked.isExceeded) return;
    throw tooManyError(`${max} calls in ${RATE_WINDOW / 1_000} s`, asked.ttlInSeconds);
  };
}

/** A token used from many places is one caller; callers without one are identified by address. */
const keyOf = ({ caller, ip }: FastifyRequest): string =>
  caller === null ? `address ${networkOf(ip)}` : `token ${caller.id}`;

function tooManyError(what: string, seconds: number): Refusal {
  return new Refusal(429, 'unavailable', `too many requests: at most ${what}`, {
    hint: `try again in ${seconds} s`,
    headers: { 'retry-after': String(seconds) },
  });
}

interface OpenCalls {
  calls: number;
  streams: number;
  cuts: number;
}

/** The verbs that cut a job's inputs. */
const CUTTING: readonly string[] = ['plan', 'submit', 'schedule run'];

function limitCalls(app: FastifyInstance): void {
  const heldBy = new Map<string, OpenCalls>();
  const cutting = new WeakSet<FastifyRequest>();
  let all = 0;
  app.addHook('onRequest', async (request, reply) => {
    const key = keyOf(request);
    const streams = request.routeOptions.config?.streams === true ? 1 : 0;
    const held = heldBy.get(key) ?? { calls: 0, streams: 0, cuts: 0 };
    requireCapacity(all, held, streams);
    all += 1;
    held.calls += 1;
    held.streams += streams;
    heldBy.set(key, held);
    // Otherwise a caller that left during the token's lookup would be counted forever.
    onConnectionEnd(reply, () => {
      all -= 1;
      held.calls -= 1;
      held.streams -= streams;
      if (cutting.delete(request)) held.cuts -= 1;
      if (held.calls === 0) heldBy.delete(key);
    });
  });
  // The body names the verb of a command line's call.
  app.addHook('preHandler', async (request, reply) => {
    const held = heldBy.get(keyOf(request));
    if (held === undefined || !CUTTING.includes(verbOf(request) ?? '')) return;
    if (held.cuts >= LIMITS.cutsPerToken.value)
      throw tooManyError(`${LIMITS.cutsPerToken.value} plans and submissions in progress`, 5);
    // A caller that left is not counted any more.
    if (reply.raw.destroyed) return;
    held.cuts += 1;
    cutting.add(request);
  });
}

function verbOf({ routeOptions, body }: FastifyRequest): string | undefined {
  if (routeOptions.url !== VERBS) return routeOptions.config?.verb;
  return isRecord(body) && isText(body.name) ? body.name : undefined;
}

/** Throws a `Refusal`: 503 if the manager is full, 429 if the caller has used up its share. */
function requireCapacity(all: number, held: OpenCalls, streams: number): void {
  if (all >= LIMITS.calls.value) {
    throw new Refusal(503, 'unavailable', `the manager is busy: ${all} calls are in progress`, {
      hint: 'try again in 2 s',
      headers: { 'retry-after': '2' },
    });
  }
  if (held.calls >= LIMITS.callsPerToken.value)
    throw tooManyError(`${LIMITS.callsPerToken.value} calls in progress`, 2);
  if (streams > 0 && held.streams >= LIMITS.streamsPerToken.value)
    throw tooManyError(`${LIMITS.streamsPerToken.value} streams`, 10);
}

/**
 * Closes the connection of a body that doesn't arrive, even after its call was refused. Call it before `addAuth`. `ms`:
 * from `LIMITS` by default.
 */
export function addBodyTime(app: FastifyInstance, ms: number = LIMITS.bodyTime.value): void {
  app.addHook('onRequest', async (request, reply) => {
    const { raw } = request;
    if (raw.headers['transfer-encoding'] === undefined && Number(raw.headers['content-length'] ?? 0) === 0) return;
    const isUpload = request.routeOptions.config?.upload === true;
    const { socket } = raw;
    let seen = socket.bytesRead;
    const look = (): void => {
      if (raw.complete || socket.destroyed) return;
      const progressed = socket.bytesRead > seen;
      seen = socket.bytesRead;
      // Only authenticated callers may take longer.
      if (isUpload && request.caller !== null && progressed) timer = wait();
      else socket.destroy();
    };
    const wait = (): NodeJS.Timeout => setTimeout(look, ms).unref();
    let timer = wait();
    reply.raw.once('close', () => {
      if (raw.complete) clearTimeout(timer);
    });
  });
}

type Answer = Pick<FastifyReply, 'raw'>;

/** Calls `act` when the connection has ended; at once if the caller has left, as no event follows then. */
export function onConnectionEnd({ raw }: Answer, act: () => void): void {
  if (raw.destroyed) act();
  else raw.once('close', act);
}

/** Aborts when the answer's connection has ended. */
export function goneSignal(reply: Answer): AbortSignal {
  const gone = new AbortController();
  onConnectionEnd(reply, () => gone.abort());
  return gone.signal;
}
