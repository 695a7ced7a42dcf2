import { connect } from 'node:net';
import { proxyFor } from '../../lib/proxy.ts';
import { type Check, type Finding, fail, pass } from '../../ports/check.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** A service and the host that its requests go to. */
export interface Place {
  readonly service: string;
  readonly url: URL;
}

const CONNECT_MS = 2_000;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/;

/** AWS's own endpoint of a service. The bucket's name in front of the host doesn't change the route. */
export function placeOf(service: string, region: string, endpoint: string | undefined): Place {
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  const host = service === 'simpledb' ? 'sdb' : service;
  return { service, url: new URL(endpoint ?? `https://${host}.${region}.${domain}`) };
}

/** Which way requests go, and whether they are encrypted. */
export function routeChecks(places: readonly Place[], env: Environment): readonly Check[] {
  return [
    { check: 'proxy', run: (signal) => proxyFinding(places, env, signal) },
    { check: 'tls', run: () => tlsFinding(places) },
  ];
}

async function proxyFinding(places: readonly Place[], env: Environment, signal: AbortSignal): Promise<Finding> {
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
    const why = await unanswered(proxy, signal);
    if (why === null) continue;
    return fail(
      `the proxy ${shown(proxy)} of ${services.join(', ')} does not respond: ${why}`,
      'correct or unset HTTPS_PROXY and HTTP_PROXY, or list hosts that need no proxy in NO_PROXY',
    );
  }
  const told = [...ways].map(([proxy, services]) => `${services.join(', ')} through ${shown(proxy)}`);
  return pass([...told, ...(straight.length === 0 ? [] : [`${straight.join(', ')} without a proxy`])].join('; '));
}

/** The proxy's URL without a password. */
function shown(proxy: string): string {
  const url = URL.canParse(proxy) ? new URL(proxy) : null;
  return url === null ? 'of the environment' : `${url.protocol}//${url.host}`;
}

/** Why no connection could be made; null if something answers. */
function unanswered(proxy: string, signal: AbortSignal): Promise<string | null> {
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

function tlsFinding(places: readonly Place[]): Finding {
  const plain = places.filter(({ url }) => url.protocol === 'http:' && !LOOPBACK.test(url.hostname));
  if (plain.length === 0) return pass('requests are encrypted, or stay on this machine');
  const names = plain.map(({ service, url }) => `${service} (${url.host})`);
  return fail(
    `requests to ${names.join(', ')} use http, so data and secrets can be read on the network`,
    'use https:// in `endpoints`',
  );
}
