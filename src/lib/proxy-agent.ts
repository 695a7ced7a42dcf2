import type { Agent, AgentOptions } from 'node:http';
import { HttpProxyAgent, HttpsProxyAgent } from 'hpagent';
import { proxyFor } from './proxy.ts';

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
