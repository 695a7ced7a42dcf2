import type { Agent } from 'node:http';
import type { SimpleDbOptions } from '../../src/adapters/aws/simpledb-http.ts';
import { SDB_KEY, SDB_SECRET } from './servers/simpledb-server.ts';

/** What a client needs for a server of this machine. */
export function simpleDbOptions(endpoint: string, agent: Agent, more: Partial<SimpleDbOptions> = {}): SimpleDbOptions {
  return {
    ...{ region: 'eu-west-1', endpoint, profile: null },
    credentials: async () => ({ accessKeyId: SDB_KEY, secretAccessKey: SDB_SECRET }),
    agentFor: () => agent,
    ...more,
  };
}
