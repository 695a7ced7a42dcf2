import { isKind } from '../../errors.ts';
import { API, VERSION_HEADER } from '../../model/api.ts';
import type { ManagerHealth } from '../../model/manager-health.ts';
import type { Manager } from '../../ports/manager.ts';
import { type ConnectionOptions, ManagerConnection } from './connection.ts';
import { framesOf } from './frames.ts';
import { RemoteStore } from './remote-store.ts';

/** A manager through its HTTP API. Connects at the first call. */
export function openManagerClient(options: ConnectionOptions): Manager {
  const connection = new ManagerConnection(options);
  return {
    url: options.url,
    call: (asked, signal) => framesOf(connection, asked, signal),
    store: new RemoteStore(connection),
    hello: async (signal) => {
      const begun = Date.now();
      const answer = await connection.ask({ method: 'GET', path: '/healthz', again: true, signal });
      answer.resume();
      const said = Date.parse(answer.headers.date ?? '');
      const version = answer.headers[VERSION_HEADER];
      // The Date header has whole seconds: take the middle of that second.
      const ahead = Number.isNaN(said) ? null : said + 500 - (begun + Date.now()) / 2;
      return { version: version === undefined ? null : String(version), ahead };
    },
    health: async (signal) => {
      try {
        return (await connection.json({ method: 'GET', path: `${API}/health`, again: true, signal })) as ManagerHealth;
      } catch (error) {
        if (isKind(error, 'notFound')) return null;
        throw error;
      }
    },
    close: async () => connection.close(),
  };
}
