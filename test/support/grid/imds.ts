import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Listening, listen } from '../servers/listen.ts';
import type { Member } from './scaling/groups.ts';

interface Reply {
  readonly status: number;
  readonly text: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The version at the beginning of a path. */
const VERSION = /^\/(latest|\d{4}-\d\d-\d\d)\//;
const TTL = 'x-aws-ec2-metadata-token-ttl-seconds';

/** The metadata service of one instance, only version 2 (EC2 User Guide: Use the Instance Metadata Service). */
export class Imds {
  readonly url: string;

  /** If true, no request is answered. */
  silent = false;
  readonly close: () => Promise<void>;
  readonly #member: Member;
  readonly #account: string;
  readonly #tokens = new Map<string, number>();

  private constructor({ url, close }: Listening, member: Member, account: string) {
    this.url = url;
    this.close = close;
    this.#member = member;
    this.#account = account;
  }

  static async start(member: Member, account: string): Promise<Imds> {
    const server = createServer();
    const imds = new Imds(await listen(server), member, account);
    server.on('request', (request, answer) => imds.#answer(request, answer));
    return imds;
  }

  /** Invalidates all tokens. */
  expireTokens(): void {
    this.#tokens.clear();
  }

  #answer(request: IncomingMessage, answer: ServerResponse): void {
    request.resume();
    if (this.silent) return;
    const { status, text, headers = {} } = this.#reply(request);
    answer.writeHead(status, { 'content-type': 'text/plain', ...headers });
    answer.end(text);
  }

  #reply({ method, url = '', headers }: IncomingMessage): Reply {
    const path = url.replace(/\?.*$/, '');
    if (path === '/latest/api/token') {
      // No token is issued through a proxy. A token lives 1 s to 6 h.
      if (method !== 'PUT') return { status: 405, text: '' };
      if (headers['x-forwarded-for'] !== undefined) return { status: 403, text: '' };
      return this.#token(Number(headers[TTL]));
    }
    const token = headers['x-aws-ec2-metadata-token'];
    const end = typeof token === 'string' ? this.#tokens.get(token) : undefined;
    if (end === undefined || end < performance.now()) return { status: 401, text: 'Unauthorized' };
    if (method !== 'GET') return { status: 405, text: '' };
    const text = this.#look(path.replace(VERSION, ''));
    return text === null ? { status: 404, text: 'Not Found' } : { status: 200, text };
  }

  #token(ttl: number): Reply {
    if (!(ttl >= 1 && ttl <= 21_600)) return { status: 400, text: 'Bad Request' };
    const token = randomBytes(40).toString('base64');
    this.#tokens.set(token, performance.now() + ttl * 1_000);
    return { status: 200, text: token, headers: { [TTL]: String(ttl) } };
  }

  #look(path: string): string | Buffer | null {
    const tags = /^meta-data\/tags\/instance(?:\/(.*))?$/.exec(path);
    if (tags !== null) return this.#tag(decodeURIComponent(tags[1] ?? ''));
    const role = /^meta-data\/iam\/security-credentials\/(.+)$/.exec(path)?.[1];
    if (role !== undefined) return role === this.#member.role ? credentials(this.#member) : null;
    return FACTS[path]?.(this.#member, this.#account) ?? this.#list(path);
  }

  /** The names below a path, one per line; null if there are none. */
  #list(path: string): string | null {
    const above = path.replace(/\/?$/, '/');
    const present = Object.entries(FACTS).filter(
      ([name, look]) => name.startsWith(above) && look(this.#member, this.#account) !== null,
    );
    const names = present.map(([name]) => name.slice(above.length).replace(/\/.+$/, '/')).filter(Boolean);
    return names.length === 0 ? null : [...new Set(names)].join('\n');
  }

  /** Only if the launch template enables them (InstanceMetadataTags, disabled by default). */
  #tag(key: string): string | null {
    const { tags, tagsInMetadata } = this.#member;
    if (!tagsInMetadata) return null;
    return key === '' ? Object.keys(tags).join('\n') : (tags[key] ?? null);
  }
}

/** The data by path; null is a 404, as for a notice that has not come yet. */
const FACTS: Readonly<Record<string, (member: Member, account: string) => string | Buffer | null>> = {
  'meta-data/instance-id': ({ id }) => id,
  'meta-data/instance-type': ({ type }) => type,
  'meta-data/ami-id': ({ image }) => image,
  'meta-data/local-ipv4': ({ address }) => address,
  'meta-data/instance-life-cycle': ({ lifeCycle }) => lifeCycle,
  'meta-data/placement/region': ({ group }) => group.region,
  'meta-data/placement/availability-zone': ({ zone }) => zone,
  'meta-data/services/domain': () => 'amazonaws.com',
  'meta-data/services/partition': () => 'aws',
  // 404 before the group has set it (Retrieve the target lifecycle state).
  'meta-data/autoscaling/target-lifecycle-state': ({ target }) => target,
  // 404 until the notice comes (Spot interruption notices).
  'meta-data/spot/instance-action': ({ interruptedAt }) =>
    interruptedAt && JSON.stringify({ action: 'terminate', time: timeText(interruptedAt) }),
  'meta-data/spot/termination-time': ({ interruptedAt }) => interruptedAt && timeText(interruptedAt),
  // 404 until it comes (EC2 instance rebalance recommendations).
  'meta-data/events/recommendations/rebalance': ({ rebalancedAt }) =>
    rebalancedAt && JSON.stringify({ noticeTime: timeText(rebalancedAt) }),
  'meta-data/iam/security-credentials/': ({ role }) => role,
  'meta-data/iam/security-credentials': ({ role }) => role,
  'meta-data/iam/info': ({ role }, account) =>
    role && JSON.stringify({ Code: 'Success', InstanceProfileArn: `arn:aws:iam::${account}:instance-profile/${role}` }),
  'user-data': ({ userData }) => (userData === '' ? null : Buffer.from(userData, 'base64')),
  'dynamic/instance-identity/document': (member, account) =>
    JSON.stringify({
      accountId: account,
      region: member.group.region,
      availabilityZone: member.zone,
      instanceId: member.id,
      instanceType: member.type,
      imageId: member.image,
      privateIp: member.address,
      architecture: 'x86_64',
      pendingTime: timeText(new Date(member.launchedAt)),
      version: '2017-09-30',
    }),
};

/** Credentials of an instance's role, for six hours. The access key identifies the instance. */
const credentials = ({ accessKeyId }: Member): string =>
  JSON.stringify({
    Code: 'Success',
    Type: 'AWS-HMAC',
    LastUpdated: timeText(new Date()),
    AccessKeyId: accessKeyId,
    SecretAccessKey: `secret-of-${accessKeyId}`,
    Token: `token-of-${accessKeyId}`,
    Expiration: timeText(new Date(Date.now() + 6 * 3_600_000)),
  });

/** A time in seconds, in the service's format. */
const timeText = (at: Date): string => at.toISOString().replace(/\.\d+Z$/, 'Z');
