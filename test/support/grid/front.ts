import { once } from 'node:events';
import { createServer, Agent as HttpAgent, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { Known, Recorded } from '../servers/call-recorder.ts';
import { errorFor, type Faults } from './faults.ts';
import { Form } from './query.ts';

/** A request that came, by what it asks of whom. */
export interface CloudCall extends Recorded {
  /** As the signature's scope names it: `autoscaling`, `ec2`, `s3`. */
  readonly service: string;
  /** `CreateAutoScalingGroup`, `SendMessage`; of S3 the method. */
  readonly action: string;
  readonly region: string;
  /** Whose credentials signed it. */
  readonly accessKeyId: string;
}

export type Asked = Omit<CloudCall, 'status' | 'known'>;

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** Who answers a request: a server that it is passed to, or a function. */
export type Backend = string | ((call: Asked) => Promise<Reply>);

export interface FrontOptions {
  backendOf(call: Asked): Backend;
  readonly faults: Faults;
  /** What is known of what a request names, before it is answered. */
  knownOf?(call: Asked): Promise<Known | undefined>;
  /** An answer in place of the backend's; null: it is asked. */
  readonly refuse?: (call: Asked) => Reply | null;
  /** What the caller is told of what the backend answered. */
  readonly amend?: (call: Asked, reply: Reply) => Reply;
  /** After each answer. */
  onAnswer(call: CloudCall): void;
}

/** One endpoint for every service: it tells them apart by the signature's scope. */
export class Front {
  readonly url: string;
  readonly #close: () => Promise<void>;

  private constructor(url: string, close: () => Promise<void>) {
    this.url = url;
    this.#close = close;
  }

  static async start(options: FrontOptions): Promise<Front> {
    const agent = new HttpAgent({ keepAlive: true, maxSockets: 64 });
    const server = createServer({ keepAliveTimeout: 60_000 });
    server.listen(0, '127.0.0.1', 1_024);
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the cloud has no port');
    const url = `http://127.0.0.1:${address.port}`;
    server.on('request', (incoming: IncomingMessage, answer: ServerResponse) => {
      pass(incoming, answer, { ...options, agent, url }).catch(() => answer.destroy());
    });
    return new Front(url, async () => {
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    });
  }

  close(): Promise<void> {
    return this.#close();
  }
}

interface Way extends FrontOptions {
  readonly agent: HttpAgent;
  readonly url: string;
}

async function pass(incoming: IncomingMessage, answer: ServerResponse, way: Way): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const call = understand(incoming, body, way.url);
  const fault = way.faults.meet(call);
  if (fault.kind === 'hang') {
    way.faults.hold(call, answer);
    return;
  }
  const known = await way.knownOf?.(call);
  const give = (reply: Reply): void => {
    way.onAnswer({ ...call, status: reply.status, ...(known !== undefined && { known }) });
    if (fault.kind === 'lost') {
      way.faults.hold(call, answer);
      return;
    }
    answer.writeHead(reply.status, reply.headers);
    answer.end(reply.body);
  };
  if (fault.kind === 'answer') return give(errorFor(call.service, fault.status, fault.code, fault.message));
  const refused = way.refuse?.(call) ?? null;
  if (refused !== null) return give(refused);
  const backend = way.backendOf(call);
  const reply =
    typeof backend === 'string' ? await ask(incoming, body, new URL(backend), way.agent) : await backend(call);
  give(way.amend?.(call, reply) ?? reply);
}

async function ask(incoming: IncomingMessage, body: Buffer, target: URL, agent: HttpAgent): Promise<Reply> {
  const { hostname, port } = target;
  // The body is here: nothing is to be waited for, and its length is known. `host` stays as it was signed.
  const { expect: _expect, 'transfer-encoding': _chunked, ...headers } = incoming.headers;
  const outgoing = request({
    ...{ hostname, port, agent, method: incoming.method, path: incoming.url },
    headers: { ...headers, 'content-length': String(body.length) },
  });
  outgoing.end(body);
  const [reply]: IncomingMessage[] = await once(outgoing, 'response');
  if (reply === undefined) throw new Error('no reply');
  const chunks: Buffer[] = [];
  for await (const chunk of reply) chunks.push(chunk);
  const { connection: _connection, 'transfer-encoding': _encoding, ...own } = reply.headers;
  return { status: reply.statusCode ?? 0, headers: own, body: Buffer.concat(chunks) };
}

/** The scope of a signature of version 4, in the header or in a presigned address. */
const SCOPE = /Credential=([^/]+)\/\d+\/([^/]+)\/([^/]+)\/aws4_request/;

function understand({ method = 'GET', url = '/', headers }: IncomingMessage, body: Buffer, base: string): Asked {
  const at = new URL(url, base);
  const signed = headers.authorization ?? `Credential=${at.searchParams.get('X-Amz-Credential') ?? ''}`;
  const [, accessKeyId = '', region = 'us-east-1', scope] = SCOPE.exec(signed) ?? [];
  // Bodies of objects that are large stay out of the record.
  const text = body.length > 1_000_000 ? '' : body.toString('latin1');
  const target = headers['x-amz-target'];
  const isForm = headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true;
  const form = isForm ? Form.parse(text) : null;
  // SimpleDB's requests are signed by version 2, which has no scope.
  const service = scope ?? (form?.text('Version') === '2009-04-15' ? 'sdb' : 's3');
  const named = typeof target === 'string' ? target.replace(/^.*\./, '') : form?.text('Action');
  return { method, url: at, headers, body: text, service, region, accessKeyId, action: named ?? method };
}
