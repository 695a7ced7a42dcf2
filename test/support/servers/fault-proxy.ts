import {
  type ClientRequest,
  createServer,
  Agent as HttpAgent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type Listening, listen } from './listen.ts';

/** A request as it passed. */
export interface Seen {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** What may happen to a request between client and server. */
export type Fault =
  /** The proxy answers itself; `code` stands in an XML body as S3 writes it. */
  | { readonly kind: 'answer'; readonly status: number; readonly code?: string; readonly body?: string }
  /** The connection is reset; the server never sees the request. */
  | { readonly kind: 'reset' }
  /** The server does the work, and its answer is lost. */
  | { readonly kind: 'lost' }
  /** The answer's body is cut after so many bytes, and the connection reset. */
  | { readonly kind: 'cut'; readonly after: number }
  /** So many bytes of the request's body reach the server; then both connections are reset. */
  | { readonly kind: 'broken'; readonly after: number }
  /** One byte of the answer's body is another one; with headers that the server did not send. */
  | { readonly kind: 'alter'; readonly at: number; readonly headers?: Readonly<Record<string, string>> }
  /** Nothing is ever answered. */
  | { readonly kind: 'hang' }
  /** Milliseconds before it goes on. */
  | { readonly kind: 'late'; readonly ms: number };

interface Rule {
  left: number;
  readonly fault: Fault;
  readonly matches: (seen: Seen) => boolean;
}

interface Share {
  readonly every: number;
  readonly random: () => number;
  readonly faults: readonly Fault[];
  passed: number;
  /** The place in these `every` requests of the one that fails. */
  next: number;
}

/** Requests a second that a partition accepts. */
interface Rates {
  readonly writes: number;
  readonly reads: number;
}

/** Limits the requests of each partition of a bucket in each second, as S3 does. */
class Partitions {
  readonly #rates: Rates;
  readonly #of: (seen: Seen) => string;
  readonly #taken = new Map<string, number>();

  constructor(rates: Rates, of: (seen: Seen) => string) {
    this.#rates = rates;
    this.#of = of;
  }

  takes(seen: Seen): boolean {
    const kind = ['GET', 'HEAD'].includes(seen.method) ? 'reads' : 'writes';
    const now = `${Math.floor(performance.now() / 1_000)} ${this.#of(seen)} ${kind}`;
    const taken = this.#taken.get(now) ?? 0;
    if (taken >= this.#rates[kind]) return false;
    this.#taken.set(now, taken + 1);
    return true;
  }
}

const SLOW_DOWN: Fault = { kind: 'answer', status: 503, code: 'SlowDown' };

/** Stands between a client and a server, and loses, delays or alters what a test says. */
export class FaultProxy {
  readonly url: string;
  readonly seen: Seen[] = [];
  /** Faults as requests met them. */
  readonly met: Fault[] = [];
  readonly #listening: Listening;
  readonly #target: URL;
  readonly #agent = new HttpAgent({ keepAlive: true });
  #rules: Rule[] = [];
  #share: Share | null = null;
  #partitions: Partitions | null = null;

  private constructor(server: Server, listening: Listening, target: string) {
    this.#listening = listening;
    this.#target = new URL(target);
    this.url = listening.url;
    server.on('request', (incoming: IncomingMessage, answer: ServerResponse) => {
      // A client that goes away in the middle is what is tested here.
      incoming.on('error', () => undefined);
      answer.on('error', () => undefined);
      this.#pass(incoming, answer);
    });
  }

  /** In front of `target`, a URL such as moto's. */
  static async start(target: string): Promise<FaultProxy> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    return new FaultProxy(server, await listen(server), target);
  }

  /** The next `times` requests that match meet this fault. Rules are tried in the order they were given. */
  fail(times: number, fault: Fault, matches: (seen: Seen) => boolean = () => true): void {
    this.#rules.push({ left: times, fault, matches });
  }

  /** From now on this share of the requests, one at random of each so many, meets one of the faults at random. */
  failShare(of: number, random: () => number, faults: readonly Fault[]): void {
    this.#share = { every: Math.round(1 / of), random, faults, passed: 0, next: 0 };
  }

  /** From now on what exceeds the rates of its partition, by default one for all, is answered SlowDown. */
  limit(rates: Rates, partition: (seen: Seen) => string = () => ''): void {
    this.#partitions = new Partitions(rates, partition);
  }

  /** All is well again; forgets what it saw. */
  heal(): void {
    this.#rules = [];
    this.#share = null;
    this.#partitions = null;
    this.seen.length = 0;
  }

  /** How many requests matched so far. */
  count(matches: (seen: Seen) => boolean): number {
    return this.seen.filter(matches).length;
  }

  close(): Promise<void> {
    this.#agent.destroy();
    return this.#listening.close();
  }

  #faultFor(seen: Seen): Fault | null {
    const rule = this.#rules.find(({ left, matches }) => left > 0 && matches(seen));
    if (rule !== undefined) {
      rule.left -= 1;
      return rule.fault;
    }
    if (this.#partitions?.takes(seen) === false) return SLOW_DOWN;
    const share = this.#share;
    if (share === null) return null;
    const { every, random, faults } = share;
    const place = share.passed % every;
    if (place === 0) share.next = Math.floor(random() * every);
    share.passed += 1;
    return place === share.next ? (faults[Math.floor(random() * faults.length)] ?? null) : null;
  }

  #pass(incoming: IncomingMessage, answer: ServerResponse): void {
    const seen = { method: incoming.method ?? '', url: incoming.url ?? '', headers: incoming.headers };
    this.seen.push(seen);
    const fault = this.#faultFor(seen);
    if (fault !== null) this.met.push(fault);
    switch (fault?.kind) {
      case 'hang':
        break;
      case 'reset':
        incoming.socket.resetAndDestroy();
        break;
      case 'answer':
        answerItself(incoming, answer, fault);
        break;
      case 'late':
        setTimeout(() => this.#forward(incoming, answer, seen, null), fault.ms);
        break;
      default:
        this.#forward(incoming, answer, seen, fault);
    }
  }

  #forward(incoming: IncomingMessage, answer: ServerResponse, seen: Seen, fault: Fault | null): void {
    const outgoing = request({
      agent: this.#agent,
      host: this.#target.hostname,
      port: this.#target.port,
      method: seen.method,
      path: seen.url,
      headers: seen.headers,
    });
    outgoing.on('error', () => answer.destroy());
    if (fault?.kind === 'broken') {
      breakOff(incoming, outgoing, fault.after);
      return;
    }
    outgoing.on('response', (back) => {
      back.on('error', () => answer.destroy());
      if (fault?.kind === 'lost') {
        back.resume();
        back.on('end', () => incoming.socket.resetAndDestroy());
        return;
      }
      const added = fault?.kind === 'alter' ? fault.headers : {};
      answer.writeHead(back.statusCode ?? 500, { ...back.headers, ...added });
      if (fault?.kind === 'cut' || fault?.kind === 'alter') spoil(back, incoming, answer, fault);
      else back.pipe(answer);
    });
    incoming.pipe(outgoing);
  }
}

function breakOff(incoming: IncomingMessage, outgoing: ClientRequest, after: number): void {
  let passed = 0;
  const both = (): void => {
    outgoing.destroy();
    incoming.socket.resetAndDestroy();
  };
  incoming.on('data', (chunk: Buffer) => {
    if (passed < after) outgoing.write(chunk.subarray(0, after - passed), () => passed >= after && both());
    passed += chunk.length;
  });
  // A shorter one is broken off all the same.
  incoming.on('end', both);
}

function answerItself(
  incoming: IncomingMessage,
  answer: ServerResponse,
  { status, code, body }: Extract<Fault, { kind: 'answer' }>,
): void {
  incoming.resume();
  incoming.on('end', () => {
    const text = body ?? (code === undefined ? '' : `<Error><Code>${code}</Code><Message>${code}</Message></Error>`);
    answer.writeHead(status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(text) });
    answer.end(incoming.method === 'HEAD' ? undefined : text);
  });
}

function spoil(
  back: IncomingMessage,
  incoming: IncomingMessage,
  answer: ServerResponse,
  fault: Extract<Fault, { kind: 'cut' | 'alter' }>,
): void {
  let passed = 0;
  back.on('data', (chunk: Buffer) => {
    const begin = passed;
    passed += chunk.length;
    if (fault.kind === 'alter') {
      const at = fault.at - begin;
      if (at >= 0 && at < chunk.length) chunk.writeUInt8(chunk.readUInt8(at) ^ 1, at);
      answer.write(chunk);
    } else if (begin < fault.after) {
      // What was written must leave before the reset, or the client may see none of it.
      answer.write(chunk.subarray(0, fault.after - begin), () => {
        if (passed >= fault.after) incoming.socket.destroy();
      });
    }
  });
  back.on('end', () => {
    if (fault.kind === 'alter' || passed < fault.after) answer.end();
  });
}
