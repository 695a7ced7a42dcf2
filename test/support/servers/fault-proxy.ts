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
import { text } from 'node:stream/consumers';
import { type Listening, listen } from './listen.ts';

export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export type Fault =
  /** The proxy responds in place of the server; `code` is in an XML body, in S3's format. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly code?: string;
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** The connection is reset, and the server doesn't get the request. */
  | { readonly kind: 'reset' }
  /** The server handles the request, and its response is lost. */
  | { readonly kind: 'lost' }
  /** The connection is reset after this many bytes of the response's body. */
  | { readonly kind: 'cut'; readonly after: number }
  /** Both connections are reset after this many bytes of the request's body. */
  | { readonly kind: 'broken'; readonly after: number }
  /** A byte of the response's body is altered; `headers` are added to the response's. */
  | { readonly kind: 'alter'; readonly at: number; readonly headers?: Readonly<Record<string, string>> }
  /** The server gets another path and query. */
  | { readonly kind: 'address'; readonly url: (url: string) => string }
  /** The response has another body. */
  | { readonly kind: 'edit'; readonly body: (text: string) => string }
  /** There is never a response. */
  | { readonly kind: 'hang' }
  /** The request is forwarded after this many milliseconds. */
  | { readonly kind: 'late'; readonly ms: number }
  /** The request is forwarded once this is done. */
  | { readonly kind: 'after'; readonly first: () => Promise<unknown> };

interface Rule {
  left: number;
  readonly fault: Fault;
  readonly matches: (seen: SeenRequest) => boolean;
}

interface FaultShare {
  readonly every: number;
  readonly random: () => number;
  readonly faults: readonly Fault[];
  passed: number;
  /** The index of the request that fails, among the current `every` requests. */
  next: number;
}

/** Requests per second that a partition accepts. */
interface Rates {
  readonly writes: number;
  readonly reads: number;
}

/** Limits the requests per second of each partition of a bucket, as S3 does. */
class Partitions {
  readonly #rates: Rates;
  readonly #partitionOf: (seen: SeenRequest) => string;
  readonly #accepted = new Map<string, number>();

  constructor(rates: Rates, partitionOf: (seen: SeenRequest) => string) {
    this.#rates = rates;
    this.#partitionOf = partitionOf;
  }

  accepts(seen: SeenRequest): boolean {
    const kind = ['GET', 'HEAD'].includes(seen.method) ? 'reads' : 'writes';
    const now = `${Math.floor(performance.now() / 1_000)} ${this.#partitionOf(seen)} ${kind}`;
    const accepted = this.#accepted.get(now) ?? 0;
    if (accepted >= this.#rates[kind]) return false;
    this.#accepted.set(now, accepted + 1);
    return true;
  }
}

const SLOW_DOWN: Fault = { kind: 'answer', status: 503, code: 'SlowDown' };

/** A proxy between a client and a server, which loses, delays or alters requests and responses as a test demands. */
export class FaultProxy {
  readonly url: string;
  readonly seen: SeenRequest[] = [];
  /** The faults that happened, in order. */
  readonly met: Fault[] = [];
  readonly #listening: Listening;
  readonly #target: URL;
  readonly #agent = new HttpAgent({ keepAlive: true });
  #rules: Rule[] = [];
  #share: FaultShare | null = null;
  #partitions: Partitions | null = null;

  private constructor(server: Server, listening: Listening, target: string) {
    this.#listening = listening;
    this.#target = new URL(target);
    this.url = listening.url;
    server.on('request', (incoming: IncomingMessage, answer: ServerResponse) => {
      // Clients that disconnect are part of the tests.
      incoming.on('error', () => undefined);
      answer.on('error', () => undefined);
      this.#pass(incoming, answer);
    });
  }

  /** Starts a proxy of `target`, a URL such as moto's. */
  static async start(target: string): Promise<FaultProxy> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    return new FaultProxy(server, await listen(server), target);
  }

  /** Makes the next `times` requests that match fail. Earlier rules come first. */
  fail(times: number, fault: Fault, matches: (seen: SeenRequest) => boolean = () => true): void {
    this.#rules.push({ left: times, fault, matches });
  }

  /** From now on, makes a share of the requests fail: a random one of every `1 / share`, with a random fault. */
  failShare(share: number, random: () => number, faults: readonly Fault[]): void {
    this.#share = { every: Math.round(1 / share), random, faults, passed: 0, next: 0 };
  }

  /** From now on, answers SlowDown to requests that exceed the rates of their partition; by default there is one. */
  limit(rates: Rates, partition: (seen: SeenRequest) => string = () => ''): void {
    this.#partitions = new Partitions(rates, partition);
  }

  /** Ends all faults, and forgets the requests so far. */
  heal(): void {
    this.#rules = [];
    this.#share = null;
    this.#partitions = null;
    this.seen.length = 0;
  }

  count(matches: (seen: SeenRequest) => boolean): number {
    return this.seen.filter(matches).length;
  }

  close(): Promise<void> {
    this.#agent.destroy();
    return this.#listening.close();
  }

  #faultFor(seen: SeenRequest): Fault | null {
    const rule = this.#rules.find(({ left, matches }) => left > 0 && matches(seen));
    if (rule !== undefined) {
      rule.left -= 1;
      return rule.fault;
    }
    if (this.#partitions?.accepts(seen) === false) return SLOW_DOWN;
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
        respond(incoming, answer, fault);
        break;
      case 'address':
        this.#forward(incoming, answer, { ...seen, url: fault.url(seen.url) }, null);
        break;
      case 'late':
        setTimeout(() => this.#forward(incoming, answer, seen, null), fault.ms);
        break;
      case 'after':
        fault.first().then(
          () => this.#forward(incoming, answer, seen, null),
          () => answer.destroy(),
        );
        break;
      default:
        this.#forward(incoming, answer, seen, fault);
    }
  }

  #forward(incoming: IncomingMessage, answer: ServerResponse, seen: SeenRequest, fault: Fault | null): void {
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
      breakRequest(incoming, outgoing, fault.after);
      return;
    }
    outgoing.on('response', (back) => {
      back.on('error', () => answer.destroy());
      if (fault?.kind === 'lost') {
        back.resume();
        back.on('end', () => incoming.socket.resetAndDestroy());
        return;
      }
      if (fault?.kind === 'edit') {
        void text(back).then((body) => {
          const { 'content-length': _, ...headers } = back.headers;
          answer.writeHead(back.statusCode ?? 500, headers).end(fault.body(body));
        });
        return;
      }
      const added = fault?.kind === 'alter' ? fault.headers : {};
      answer.writeHead(back.statusCode ?? 500, { ...back.headers, ...added });
      if (fault?.kind === 'cut' || fault?.kind === 'alter') spoilResponse(back, incoming, answer, fault);
      else back.pipe(answer);
    });
    incoming.pipe(outgoing);
  }
}

function breakRequest(incoming: IncomingMessage, outgoing: ClientRequest, after: number): void {
  let passed = 0;
  const resetBoth = (): void => {
    outgoing.destroy();
    incoming.socket.resetAndDestroy();
  };
  incoming.on('data', (chunk: Buffer) => {
    if (passed < after) outgoing.write(chunk.subarray(0, after - passed), () => passed >= after && resetBoth());
    passed += chunk.length;
  });
  // A shorter request is reset at its end.
  incoming.on('end', resetBoth);
}

function respond(
  incoming: IncomingMessage,
  answer: ServerResponse,
  { status, code, body, headers }: Extract<Fault, { kind: 'answer' }>,
): void {
  incoming.resume();
  incoming.on('end', () => {
    const sent = body ?? (code === undefined ? '' : `<Error><Code>${code}</Code><Message>${code}</Message></Error>`);
    const length = Buffer.byteLength(sent);
    answer.writeHead(status, { 'content-type': 'application/xml', 'content-length': length, ...headers });
    answer.end(incoming.method === 'HEAD' ? undefined : sent);
  });
}

function spoilResponse(
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
      // Written bytes must be sent before the reset, or the client may not get them.
      answer.write(chunk.subarray(0, fault.after - begin), () => {
        if (passed >= fault.after) incoming.socket.destroy();
      });
    }
  });
  back.on('end', () => {
    if (fault.kind === 'alter' || passed < fault.after) answer.end();
  });
}
