/** The new rate after a refusal, as a share of the refused rate. */
const KEPT_SHARE = 0.7;
/** How steeply a rate grows back, requests a second per s³. */
const STEEPNESS = 0.4;
/** Requests a second: the lowest rate. */
const LEAST_RATE = 1;
/**
 * Milliseconds over which requests are counted. A rate is lowered at most once per window: refusals in the same window
 * belong to the earlier rate.
 */
const WINDOW_MS = 500;
/** Milliseconds without a refusal after which a limit ends. */
const QUIET_MS = 30_000;
/** The longest that a request is held, milliseconds, so that a store that refuses everything never looks hung. */
const LONGEST_HELD_MS = 5_000;
/** Milliseconds by which a timer may be late without loss of rate. */
const LATE_MS = 20;

/**
 * Requests a second that may be sent `ms` after S3 refused requests at the rate `refused`: 70 % of that rate at first, the
 * same rate again after (0.75 × refused)^⅓ seconds, then more, slowly at first. This is CUBIC (RFC 9438, section 4.2) with the
 * constants of the SDK's adaptive mode. It suits one process that sends 1,000 a second and 1,000 processes that send one each.
 */
export function rateAfter(refused: number, ms: number): number {
  const until = Math.cbrt((refused * (1 - KEPT_SHARE)) / STEEPNESS);
  return Math.max(LEAST_RATE, refused + STEEPNESS * (ms / 1_000 - until) ** 3);
}

/** The parts of a request that decide which limit applies. */
export interface Sendable {
  readonly method: string;
  readonly hostname: string;
}

/**
 * Limits how fast all stores and buckets of a process together ask S3. There is no limit until S3 refuses a request
 * (503, 429). From then on, requests to the same bucket wait for their turn, and the rate grows again. Reads and writes
 * have separate limits, as in S3. While nothing is refused, a request costs two comparisons.
 *
 * A limit applies to a bucket (a host), not to a prefix: clients can't see how S3 has partitioned a bucket, and a new
 * bucket isn't partitioned. An endpoint that replaces AWS has one host for all buckets; such servers refuse as a whole.
 *
 * SQS, and so the leases, have no limit. A worker's heartbeats have no limit of their own either: they are few, and a
 * request is held for five seconds at most.
 *
 * Why not the SDK's adaptive mode: its retry quota runs dry, it has one limit for reads and writes of all buckets, it
 * doesn't take a 503 without a body (HEAD) for a refusal, it holds a request without end, and it measures every request
 * even if none was ever refused.
 */
export class RateLimits {
  readonly #monotonic: () => number;
  readonly #lanes = new Map<string, Lane>();

  constructor(monotonic: () => number = () => performance.now()) {
    this.#monotonic = monotonic;
  }

  /** Whether requests must wait for their turn. */
  get isOn(): boolean {
    return this.#lanes.size > 0;
  }

  /** Resolves when a request may be sent, or its signal aborts: within five seconds. */
  async waitForTurn(request: Sendable, signal?: AbortSignal): Promise<void> {
    const now = this.#monotonic();
    for (const [name, lane] of this.#lanes) if (lane.isOver(now)) this.#lanes.delete(name);
    await this.#lanes.get(laneOf(request))?.waitForTurn(signal);
  }

  /** Records an answer's status. Only a refusal matters. */
  recordStatus(request: Sendable, status: number): void {
    if (status !== 503 && status !== 429) return;
    const name = laneOf(request);
    const lane = this.#lanes.get(name) ?? new Lane(this.#monotonic);
    this.#lanes.set(name, lane);
    lane.recordRefusal();
  }

  /** Releases all waiting requests when their clients are closed. */
  close(): void {
    for (const lane of this.#lanes.values()) lane.close();
    this.#lanes.clear();
  }
}

const laneOf = ({ method, hostname }: Sendable): string =>
  `${method === 'GET' || method === 'HEAD' ? 'read' : 'write'} ${hostname}`;

interface Waiting {
  /** The latest time at which it is sent, monotonic. */
  readonly until: number;
  readonly go: () => void;
}

/** The requests that share a limit. It begins with a refusal; in the first window requests are only counted. */
class Lane {
  readonly #monotonic: () => number;
  readonly #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Requests sent in the current window, and when it began. */
  #sent = 0;
  #since: number;
  /** Requests a second in the last window; null before the end of the first. */
  #measured: number | null = null;
  /** The rate that was refused when the limit was last lowered, and when; null: no limit yet. */
  #lowered: { readonly from: number; readonly at: number } | null = null;
  #refusedAt: number;
  /** When the next request may go, monotonic. */
  #next = 0;

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
    this.#since = monotonic();
    this.#refusedAt = this.#since;
  }

  isOver(now: number): boolean {
    return this.#waiting.length === 0 && now - this.#refusedAt >= QUIET_MS;
  }

  waitForTurn(signal?: AbortSignal): Promise<void> | undefined {
    const now = this.#monotonic();
    if (this.#waiting.length === 0 && this.#next <= now) {
      this.#send(now);
      return undefined;
    }
    return new Promise((resolve) => {
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        resolve();
      };
      const go = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const waiting: Waiting = { until: now + LONGEST_HELD_MS, go };
      this.#waiting.push(waiting);
      if (signal?.aborted) leave();
      else signal?.addEventListener('abort', leave, { once: true });
      this.#wake(now);
    });
  }

  recordRefusal(): void {
    const now = this.#monotonic();
    this.#refusedAt = now;
    this.#count(now);
    if (this.#measured === null || now - (this.#lowered?.at ?? Number.NEGATIVE_INFINITY) < WINDOW_MS) return;
    this.#lowered = { from: Math.min(this.#measured, this.#rate(now)), at: now };
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const { go } of this.#waiting.splice(0)) go();
  }

  #rate(now: number): number {
    if (this.#lowered === null) return Number.POSITIVE_INFINITY;
    return rateAfter(this.#lowered.from, now - this.#lowered.at);
  }

  #send(now: number): void {
    this.#count(now);
    this.#sent += 1;
    // A request that was sent before its turn doesn't delay the others.
    this.#next = Math.min(now, Math.max(this.#next, now - LATE_MS)) + 1_000 / this.#rate(now);
  }

  /** Begins a new window if the last one is over. Its requests were sent within its half second, however long ago. */
  #count(now: number): void {
    if (now - this.#since < WINDOW_MS) return;
    this.#measured = (this.#sent * 1_000) / WINDOW_MS;
    this.#sent = 0;
    this.#since = now;
  }

  /** Sets the timer for the first request that waits. */
  #wake(now: number): void {
    clearTimeout(this.#timer);
    const [first] = this.#waiting;
    if (first === undefined) return;
    this.#timer = setTimeout(() => this.#sendDue(), Math.max(1, Math.min(this.#next, first.until) - now));
  }

  #sendDue(): void {
    const now = this.#monotonic();
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (this.#next > now && first.until > now) break;
      this.#waiting.shift();
      this.#send(now);
      first.go();
    }
    this.#wake(now);
  }
}
