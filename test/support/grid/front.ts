import { createServer, Agent as HttpAgent, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type Listening, listen } from '../servers/listen.ts';
import { errorFor, type Faults } from './faults.ts';
import { Form } from './query.ts';

/** A request that came, by what it asks of whom, and how it was answered. */
export interface CloudCall {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly status: number;
  /** As the signature's scope names it: `autoscaling`, `ec2`, `s3`. */
  readonly service: string;
  /** `CreateAutoScalingGroup`, `SendMessage`; of S3 the method. */
  readonly action: string;
  readonly region: string;
  /** Whose credentials signed it. */
  readonly accessKeyId: string;
  /** What the account knew of what it names, before the answer; absent where nobody looked. */
  readonly known?: Known;
}

export interface Known {
  /** Of each thing that the request names, by its id or name. */
  readonly tags?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Of the role: its permissions boundary. */
  readonly boundary?: string | null;
  /** The Auto Scaling group that is named, or that holds the instance. */
  readonly group?: string;
  /** The tags that what the group launches is made with, by its kind: `volume`. */
  readonly launches?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export type Asked = Omit<CloudCall, 'status' | 'known'>;

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

interface FrontOptions {
  /** Who answers a request: a server that it is passed to, or a function. */
  backendOf(call: Asked): string | ((call: Asked) => Promise<Reply>);
  readonly faults?: Faults;
  /** What is known of what a request names, before it is answered. */
  knownOf?(call: Asked): Promise<Known | undefined>;
  /** An answer in place of the backend's; null: it is asked. */
  readonly refuse?: (call: Asked) => Reply | null;
  /** What the caller is told of what the backend answered. */
  readonly amend?: (call: Asked, reply: Reply) => Reply;
  /** After each answer. */
  onAnswer(call: CloudCall): void;
}

/** One endpoint for every service: it tells them apart by the signature's scope. Bodies are held whole. */
export async function startFront(options: FrontOptions): Promise<Listening> {
  const agent = new HttpAgent({ keepAlive: true, maxSockets: 64 });
  const server = createServer({ keepAliveTimeout: 60_000 });
  const listening = await listen(server);
  const way = { ...options, agent, url: listening.url };
  server.on('request', (incoming: IncomingMessage, answer: ServerResponse) => {
    pass(incoming, answer, way).catch(() => answer.destroy());
  });
  return {
    ...listening,
    close: () => {
      agent.destroy();
      return listening.close();
    },
  };
}

/** Stands between clients and a server, changes nothing, and keeps what was asked. */
export interface Recorder extends Listening {
  /** What was asked since the last time. */
  take(): readonly CloudCall[];
  /** Whether anything was asked, since what was taken, that matches. */
  saw(matches: (call: CloudCall) => boolean): boolean;
}

export async function startRecorder(target: string): Promise<Recorder> {
  const calls: CloudCall[] = [];
  return {
    ...(await startFront({ backendOf: () => target, onAnswer: (call) => calls.push(call) })),
    take: () => calls.splice(0),
    saw: (matches) => calls.some(matches),
  };
}

interface Way extends FrontOptions {
  readonly agent: HttpAgent;
  readonly url: string;
}

async function pass(incoming: IncomingMessage, answer: ServerResponse, way: Way): Promise<void> {
  const body = await bodyOf(incoming);
  const call = understand(incoming, body, way.url);
  const fault = way.faults?.meet(call) ?? { kind: 'none' };
  if (fault.kind === 'hang') {
    way.faults?.hold(call, answer);
    return;
  }
  const known = await way.knownOf?.(call);
  const give = (reply: Reply): void => {
    way.onAnswer({ ...call, status: reply.status, ...(known !== undefined && { known }) });
    if (fault.kind === 'lost') {
      way.faults?.hold(call, answer);
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
  const reply = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on('response', resolve).on('error', reject).end(body);
  });
  const { connection: _connection, 'transfer-encoding': _encoding, ...own } = reply.headers;
  return { status: reply.statusCode ?? 0, headers: own, body: await bodyOf(reply) };
}

/** By events: an iterator of a stream costs as much CPU as the rest of a small request. */
function bodyOf(message: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('end', () => resolve(Buffer.concat(chunks)));
    message.on('error', reject);
  });
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
