import type { FastifyInstance } from 'fastify';
import { VERSION } from '../../lib/version.ts';
import { VERSION_HEADER } from '../../model/api.ts';
import { isServed, lineOf } from '../../model/served-version.ts';
import { Refusal } from './refusal.ts';

/**
 * Tells this version with every answer, and refuses with 426 callers that say they are of one that isn't served. Who says
 * nothing is no batchctl, and goes by the OpenAPI document. To be called before any route is made.
 */
export function addVersions(app: FastifyInstance, own = VERSION): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.raw.setHeader(VERSION_HEADER, own);
    const said = request.headers[VERSION_HEADER];
    if (said === undefined || isServed(own, String(said))) return;
    const needed = `${lineOf(own)}.x`;
    throw new Refusal(
      426,
      'config',
      `this manager is batchctl ${own} and serves ${needed}, not ${String(said).slice(0, 60)}`,
      {
        hint: `call it with batchctl ${needed}, or run the manager with the version of its callers`,
        // RFC 9110, 15.5.22: what to go up to is named.
        headers: { upgrade: `batchctl/${own}` },
      },
    );
  });
}
