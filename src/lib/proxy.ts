import type { Agent, AgentOptions } from 'node:http';
import { HttpProxyAgent, HttpsProxyAgent } from 'hpagent';
import type { Environment } from './environment.ts';

/**
 * Addresses that give instances and containers their credentials; no proxy ever sees those requests, whatever the
 * environment says. (EC2: userguide/instancedata-data-retrieval; ECS: task-iam-roles; EKS: pod-id-how-it-works.)
 */
const CREDENTIAL_HOSTS: ReadonlySet<string> = new Set([
  '169.254.169.254',
  'fd00:ec2::254',
  '169.254.170.2',
  '169.254.170.23',
  'fd00:ec2::23',
]);

/** Whether a URL's host name, without brackets, is this machine. */
export const isLoopbackHost = (host: string): boolean => LOOPBACK.test(host);

/** This machine; a proxy would reach its own instead. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/;

/**
 * The proxy for a request, or null for none: HTTPS_PROXY for https, HTTP_PROXY for http, unless NO_PROXY names the host
 * (`*`, a host, a domain with all below it, each with or without a port). Lower-case names take precedence, as in curl.
 */
export function proxyFor(
  target: { readonly protocol: string; readonly hostname: string; readonly port?: number | undefined },
  env: Environment,
): string | null {
  const secure = target.protocol === 'https:';
  const proxy = secure ? firstSet(env.https_proxy, env.HTTPS_PROXY) : firstSet(env.http_proxy, env.HTTP_PROXY);
  if (proxy === null) return null;
  const host = target.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (CREDENTIAL_HOSTS.has(host) || LOOPBACK.test(host)) return null;
  const port = target.port ?? (secure ? 443 : 80);
  if (isExcluded(host, port, firstSet(env.no_proxy, env.NO_PROXY) ?? '')) return null;
  return /^[a-z]+:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

/** The proxy that the environment names for an address; null: none. */
export function proxyOf(url: URL): string | null {
  const port = url.port === '' ? undefined : Number(url.port);
  return proxyFor({ protocol: url.protocol, hostname: url.hostname, port }, process.env);
}

/** An agent that uses the proxy for an address; null: no proxy. */
export function proxyAgent(url: URL, options: AgentOptions = {}): Agent | null {
  const proxy = proxyOf(url);
  if (proxy === null) return null;
  return url.protocol === 'http:'
    ? new HttpProxyAgent({ ...options, proxy })
    : new HttpsProxyAgent({ ...options, proxy });
}

function isExcluded(host: string, port: number, list: string): boolean {
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [, name = '', only] = /^(.*?)(?::(\d+))?$/.exec(withoutBrackets(entry)) ?? [];
      if (only !== undefined && Number(only) !== port) return false;
      const domain = name.replace(/^\*?\./, '').toLowerCase();
      return host === domain || (domain !== '' && host.endsWith(`.${domain}`));
    });
}

/** `[::1]:80` and `::1` both name the address; only the first may have a port. */
function withoutBrackets(entry: string): string {
  const bracketed = /^\[(.*)\](:\d+)?$/.exec(entry);
  return bracketed === null ? entry : `${bracketed[1]}`;
}

const firstSet = (...values: readonly (string | undefined)[]): string | null =>
  values.find((value) => value !== undefined && value !== '') ?? null;
