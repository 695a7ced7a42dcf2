import { createServer, Agent as HttpAgent, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type Listening, listen } from '../servers/listen.ts';
import { errorFor, type Faults } from './faults.ts';
import { Form } from './query.ts';

/** A request to a service, and the status of its answer. */
export interface CloudCall {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly status: number;
  /** As in the scope of the signature: `autoscaling`, `ec2`, `s3`. */
  readonly service: string;
  /** `CreateAutoScalingGroup`, `SendMessage`; for S3 the method. */
  readonly action: string;
  readonly region: string;

  readonly accessKeyId: string;
  /** What the account knew about the named resources before the answer; absent unless `knownOf` looked. */
  readonly known?: Known;
}

/** Whether a request creates, changes or removes something. */
export const isChange = ({ service, action }: Pick<CloudCall, 'service' | 'action'>): boolean =>
  service === 's3' ? !['GET', 'HEAD'].includes(action) : !/^(Describe|Get|List|Select)/.test(action);

export interface Known {
  /** The tags of each resource that the request names, by its id or name: of IAM's by `role/NAME`. */
  readonly tags?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The permissions boundary of the role. */
  readonly boundary?: string | null;
  /** The Auto Scaling group that is named, or that holds the instance. */
  readonly group?: string;
  /** The role of what the group launches. */
  readonly role?: string;
  /** The tags of what the group launches, by kind, `volume`; and of the template itself. */
  readonly launches?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** A request before its answer. */
export type CloudRequest = Omit<CloudCall, 'status' | 'known'>;

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

type Backend = string | ((call: CloudRequest) => Promise<Reply>);

interface FrontOptions {
  /** What answers a request: the URL of a server, or a function. */
  backendOf(call: CloudRequest): Backend | Promise<Backend>;
  readonly faults?: Faults;
  /** Called before a request is answered, for `CloudCall.known`. */
  knownOf?(call: CloudRequest): Promise<Known | undefined>;
  /** An answer in place of the backend's; null: the backend answers. */
  readonly refuse?: (call: CloudRequest, known: Known | undefined) => Reply | null | Promise<Reply | null>;
  /** Changes the backend's answer. */
  readonly amend?: (call: CloudRequest, reply: Reply) => Reply | Promise<Reply>;
  /** After each answer. */
  onAnswer(call: CloudCall, reply: Reply): void;
}

/** One endpoint for every service: the scope of the signature tells them apart. Bodies are held in memory. */
export async function startFront(options: FrontOptions): Promise<Listening> {
  const agent = new HttpAgent({ keepAlive: true, maxSockets: 64 });
  const server = createServer({ keepAliveTimeout: 60_000 });
  const listening = await listen(server);
  const route = { ...options, agent, url: listening.url };
  server.on('request', (incoming: IncomingMessage, answer: ServerResponse) => {
    pass(incoming, answer, route).catch(() => answer.destroy());
  });
  return {
    ...listening,
    close: () => {
      agent.destroy();
      return listening.close();
    },
  };
}

/** A proxy that changes nothing and records the requests. */
export interface Recorder extends Listening {
  /** The requests since the last call. */
  take(): readonly CloudCall[];
  /** Whether a request matches, of those since the last `take`. */
  saw(matches: (call: CloudCall) => boolean): boolean;
}

/** `onAnswer` is called with each answer. */
export async function startRecorder(target: string, onAnswer?: FrontOptions['onAnswer']): Promise<Recorder> {
  const calls: CloudCall[] = [];
  const record = (call: CloudCall, reply: Reply): void => {
    calls.push(call);
    onAnswer?.(call, reply);
  };
  return {
    ...(await startFront({ backendOf: () => target, onAnswer: record })),
    take: () => calls.splice(0),
    saw: (matches) => calls.some(matches),
  };
}

interface Route extends FrontOptions {
  readonly agent: HttpAgent;
  readonly url: string;
}

async function pass(incoming: IncomingMessage, answer: ServerResponse, route: Route): Promise<void> {
  const body = await bodyOf(incoming);
  const call = parseCall(incoming, body, route.url);
  const fault = route.faults?.meet(call) ?? { kind: 'none' };
  if (fault.kind === 'hang') {
    route.faults?.hold(call, answer);
    return;
  }
  const known = await route.knownOf?.(call);
  const send = (reply: Reply): void => {
    route.onAnswer({ ...call, status: reply.status, ...(known !== undefined && { known }) }, reply);
    if (fault.kind === 'lost') {
      route.faults?.hold(call, answer);
      return;
    }
    answer.writeHead(reply.status, reply.headers);
    answer.end(reply.body);
  };
  if (fault.kind === 'answer') return send(errorFor(call.service, fault.status, fault.code, fault.message));
  const refused = (await route.refuse?.(call, known)) ?? null;
  if (refused !== null) return send(refused);
  const backend = await route.backendOf(call);
  const reply =
    typeof backend === 'string' ? await forward(incoming, body, new URL(backend), route.agent) : await backend(call);
  send((await route.amend?.(call, reply)) ?? reply);
}

async function forward(incoming: IncomingMessage, body: Buffer, target: URL, agent: HttpAgent): Promise<Reply> {
  // The whole body is known, so it is sent with its length. `host` stays as it was signed.
  const { expect: _expect, 'transfer-encoding': _chunked, ...headers } = incoming.headers;
  const outgoing = request({
    hostname: target.hostname,
    port: target.port,
    agent,
    method: incoming.method,
    path: incoming.url,
    headers: { ...headers, 'content-length': String(body.length) },
  });
  const reply = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on('response', resolve).on('error', reject).end(body);
  });
  const { connection: _connection, 'transfer-encoding': _encoding, ...own } = reply.headers;
  return { status: reply.statusCode ?? 0, headers: own, body: await bodyOf(reply) };
}

/** Uses events, because an iterator over the stream costs as much CPU as the rest of a small request. */
function bodyOf(message: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('end', () => resolve(Buffer.concat(chunks)));
    message.on('error', reject);
  });
}

/** The scope of a version 4 signature, in the header or in a presigned URL. */
const SCOPE = /Credential=([^/]+)\/\d+\/([^/]+)\/([^/]+)\/aws4_request/;

function parseCall({ method = 'GET', url = '/', headers }: IncomingMessage, body: Buffer, base: string): CloudRequest {
  const address = new URL(url, base);
  const signed = headers.authorization ?? `Credential=${address.searchParams.get('X-Amz-Credential') ?? ''}`;
  const [, accessKeyId = '', region = 'us-east-1', scope] = SCOPE.exec(signed) ?? [];
  // Large objects are not recorded.
  const text = body.length > 1_000_000 ? '' : body.toString('latin1');
  const target = headers['x-amz-target'];
  const isForm = headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true;
  const form = isForm ? Form.parse(text) : null;
  // Requests to SimpleDB have a version 2 signature, which has no scope.
  const service = scope ?? (form?.text('Version') === '2009-04-15' ? 'sdb' : 's3');
  const action = typeof target === 'string' ? target.replace(/^.*\./, '') : form?.text('Action');
  return { method, url: address, headers, body: text, service, region, accessKeyId, action: action ?? method };
}
