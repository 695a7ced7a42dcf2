import { connect } from 'node:net';
import { isKind } from '../../errors.ts';
import { proxyFor } from '../../lib/proxy.ts';
import { DRAIN_HOOK, deadQueueName } from '../../lib/stack-names.ts';
import { type Finding, fail, pass, warn } from '../../model/finding.ts';
import type { Check } from '../../ports/check.ts';
import { countsOf, ScalingRequests, sizeOf, troublesOf } from './auto-scaling.ts';
import type { AwsClients } from './clients.ts';
import { findQueue, type QueueAttributes, queueWarnings, readAttributes, requireOwnQueue } from './sqs-open.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface ServiceEndpoint {
  readonly service: string;
  readonly url: URL;
}

const CONNECT_MS = 2_000;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/;

/** AWS's own endpoint of a service. The bucket's name in front of the host doesn't change the route. */
export function serviceEndpointOf(service: string, region: string, endpoint: string | undefined): ServiceEndpoint {
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  const host = service === 'simpledb' ? 'sdb' : service;
  return { service, url: new URL(endpoint ?? `https://${host}.${region}.${domain}`) };
}

export function routeChecks(places: readonly ServiceEndpoint[], env: Environment): readonly Check[] {
  return [
    { code: 'proxy', run: (signal) => proxyFinding(places, env, signal) },
    { code: 'tls', run: () => tlsFinding(places) },
  ];
}

async function proxyFinding(
  places: readonly ServiceEndpoint[],
  env: Environment,
  signal: AbortSignal,
): Promise<Finding> {
  const ways = new Map<string, string[]>();
  const straight: string[] = [];
  for (const { service, url } of places) {
    const port = url.port === '' ? undefined : Number(url.port);
    const proxy = proxyFor({ protocol: url.protocol, hostname: url.hostname, port }, env);
    if (proxy === null) straight.push(service);
    else ways.set(proxy, [...(ways.get(proxy) ?? []), service]);
  }
  if (ways.size === 0) return pass('no proxy is used');
  for (const [proxy, services] of ways) {
    const why = await findConnectError(proxy, signal);
    if (why === null) continue;
    return fail(
      `the proxy ${redactProxy(proxy)} of ${services.join(', ')} does not respond: ${why}`,
      'correct or unset HTTPS_PROXY and HTTP_PROXY, or list hosts that need no proxy in NO_PROXY',
    );
  }
  const routes = [...ways].map(([proxy, services]) => `${services.join(', ')} through ${redactProxy(proxy)}`);
  return pass([...routes, ...(straight.length === 0 ? [] : [`${straight.join(', ')} without a proxy`])].join('; '));
}

/** The proxy's URL without a password. */
function redactProxy(proxy: string): string {
  const url = URL.canParse(proxy) ? new URL(proxy) : null;
  return url === null ? 'of the environment' : `${url.protocol}//${url.host}`;
}

/** Why no connection could be made; null if something answers. */
function findConnectError(proxy: string, signal: AbortSignal): Promise<string | null> {
  if (!URL.canParse(proxy)) return Promise.resolve('it is not a URL');
  const { protocol, hostname, port } = new URL(proxy);
  return new Promise((resolve) => {
    const socket = connect({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
      signal,
      timeout: CONNECT_MS,
    });
    const end = (why: string | null): void => {
      socket.destroy();
      resolve(why);
    };
    socket.on('connect', () => end(null));
    socket.on('timeout', () => end(`no answer within ${CONNECT_MS / 1_000} s`));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}

function tlsFinding(places: readonly ServiceEndpoint[]): Finding {
  const plain = places.filter(({ url }) => url.protocol === 'http:' && !LOOPBACK.test(url.hostname));
  if (plain.length === 0) return pass('requests are encrypted, or stay on this machine');
  const names = plain.map(({ service, url }) => `${service} (${url.host})`);
  return fail(
    `requests to ${names.join(', ')} use http, so data and secrets can be read on the network`,
    'use https:// in `endpoints`',
  );
}

export interface CheckedQueue {
  readonly group: string;
  readonly name: string;
  /** Seconds: the group's `visibility`. */
  readonly visibility: number;
}

/** Drains and lost leases alone can use up a receive limit below this (law 8 counts attempts; SQS counts receives). */
const FEW_RECEIVES = 20;
const FIX_HINT = 'batchctl infra up fixes it';

/** The check of one group, whose findings begin with its name. */
function groupCheck(code: string, group: string, look: () => Promise<Finding>): Check {
  const run = async (): Promise<Finding> => {
    const finding = await look();
    return { ...finding, message: `group ${group}: ${finding.message}` };
  };
  return { code, run };
}

/** Whether each group's queue and dead-letter queue exist, with the right attributes, and are this home's. */
export function queueChecks(clients: AwsClients, home: string, queues: readonly CheckedQueue[]): readonly Check[] {
  return queues.map((queue) => groupCheck('queue', queue.group, () => checkQueue(clients, home, queue)));
}

async function checkQueue(clients: AwsClients, home: string, { name, visibility }: CheckedQueue): Promise<Finding> {
  const deadName = deadQueueName(name);
  const [main, dead] = await Promise.all([attributesOf(clients, name, home), attributesOf(clients, deadName)]);
  if (main === null || dead === null) {
    const missing = [...(main === null ? [name] : []), ...(dead === null ? [deadName] : [])];
    const [is, them] = missing.length === 1 ? ['does', 'it'] : ['do', 'them'];
    return fail(
      `${missing.join(' and ')} ${is} not exist`,
      `create ${them} with batchctl infra up; or correct \`stack\`, \`region\` or \`groups\` of the profile`,
    );
  }
  const grave = severeFaultsOf(name, main, dead);
  if (grave.length > 0) return fail(grave.join('; '), FIX_HINT);
  const doubtful = queueWarnings({ name, leaseSeconds: visibility }, main, dead);
  if (doubtful.length > 0) return warn(doubtful.join('; '), FIX_HINT);
  return pass(`${name} and ${deadName} are configured correctly; a lease lasts ${visibility} s`);
}

/** Settings that lose messages or dead letters, or make the queue unusable. */
function severeFaultsOf(name: string, main: QueueAttributes, dead: QueueAttributes): readonly string[] {
  const found: string[] = [];
  if (main.FifoQueue === 'true') found.push(`${name} is a FIFO queue, expected a standard one`);
  const [kept, keptDead] = [Number(main.MessageRetentionPeriod), Number(dead.MessageRetentionPeriod)];
  if (keptDead < kept) {
    found.push(
      `${deadQueueName(name)} keeps dead letters for ${days(keptDead)}, but ${name} keeps messages for ${days(kept)}: dead letters keep their age, so some are deleted unseen`,
    );
  }
  const redrive = main.RedrivePolicy;
  if (redrive === undefined || redrive === '') return found;
  const policy: { deadLetterTargetArn?: string; maxReceiveCount?: number | string } = JSON.parse(redrive);
  if (policy.deadLetterTargetArn !== dead.QueueArn) {
    found.push(`${name} sends its dead letters to ${policy.deadLetterTargetArn}, which batchctl does not read`);
  }
  if (Number(policy.maxReceiveCount) < FEW_RECEIVES) {
    found.push(
      `${name} moves a message to the dead letters after ${policy.maxReceiveCount} receives, but drains and lost leases count too (use 1,000)`,
    );
  }
  return found;
}

const days = (seconds: number): string =>
  seconds % 86_400 === 0 ? `${seconds / 86_400} d` : `${Math.round(seconds / 360) / 10} h`;

/** Null if the queue doesn't exist. */
async function attributesOf(clients: AwsClients, name: string, home?: string): Promise<QueueAttributes | null> {
  try {
    const queue = await findQueue(clients, name, 'probe', 0);
    if (home !== undefined) await requireOwnQueue(queue, name, home);
    return (await readAttributes(queue)).attributes;
  } catch (error) {
    if (isKind(error, 'notFound')) return null;
    throw error;
  }
}

export interface CheckedGroup {
  readonly group: string;
  readonly name: string;
}

/** Whether each Auto Scaling group exists, may have instances, lets them drain, and can launch them. */
export function groupChecks(clients: AwsClients, home: string, groups: readonly CheckedGroup[]): readonly Check[] {
  return groups.map(({ group, name }) =>
    groupCheck('group', group, async () => {
      try {
        return await checkGroup(new ScalingRequests(clients, name, { use: 'probe', home }), group);
      } catch (error) {
        // A user who only submits jobs needs no right to look at groups.
        if (!isKind(error, 'credentials') || error.denied === undefined) throw error;
        return warn(`${error.denied} is denied`, error.hint ?? 'batchctl infra policies');
      }
    }),
  );
}

/** Null without the right to see them, which policies of earlier versions lack. */
async function hooksOf(requests: ScalingRequests): Promise<readonly string[] | null> {
  try {
    return await requests.hooks();
  } catch (error) {
    if (isKind(error, 'credentials')) return null;
    throw error;
  }
}

async function checkGroup(requests: ScalingRequests, group: string): Promise<Finding> {
  const found = await requests.read();
  if (found === null) {
    return warn(
      `the Auto Scaling group ${requests.name} does not exist, so only workers started by hand serve it`,
      'batchctl infra up creates it',
    );
  }
  const size = sizeOf(found);
  const counts = countsOf(found);
  const flag = group === 'default' ? '' : ` --group ${group}`;
  if (size.max === 0) {
    return warn(`its maximum is 0, so it never has an instance`, `batchctl scale --max 20${flag}`);
  }
  if ((await hooksOf(requests))?.includes(DRAIN_HOOK) === false) {
    return warn(
      `the lifecycle hook ${DRAIN_HOOK} is missing: terminated instances can't drain, and their tasks wait until the leases expire`,
      FIX_HINT,
    );
  }
  const [trouble] = counts.inService < size.desired ? troublesOf(await requests.activities()) : [];
  if (trouble !== undefined) {
    return warn(`launches fail (${trouble.code}): ${trouble.message}`, `batchctl scale${flag}`);
  }
  const version = (found.MixedInstancesPolicy?.LaunchTemplate?.LaunchTemplateSpecification ?? found.LaunchTemplate)
    ?.Version;
  const older = (found.Instances ?? []).filter(
    ({ LaunchTemplate }) => /^\d+$/.test(version ?? '') && (LaunchTemplate?.Version ?? version) !== version,
  );
  if (older.length > 0) {
    return warn(
      `${older.length} of ${counts.inService} instances run another version of the launch template than ${version}`,
      'batchctl infra release --roll replaces them, a quarter at a time',
    );
  }
  const { desired, min, max, mode } = size;
  return pass(`${counts.inService} of ${desired} in service (${min} to ${max}, ${mode})`);
}
