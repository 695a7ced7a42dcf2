import type { FastifyInstance } from 'fastify';
import { VERSION } from '../../lib/version.ts';
import { API, isServed, lineOf, VERSION_HEADER } from '../../model/api.ts';
import type { Platform } from '../../ports/platform.ts';
import type { VerbRunner } from '../../ports/verbs.ts';
import { openApiDocument } from './openapi/document.ts';
import { Refusal } from './refusal.ts';

interface ServiceOptions {
  readonly verbs: VerbRunner;
  readonly platform: Platform;
}

/** What the manager tells of itself. */
export function addService(app: FastifyInstance, { verbs, platform }: ServiceOptions): void {
  let document: string | null = null;
  app.get(`${API}/openapi.json`, { config: { scope: 'read' } }, (_, reply) => {
    document ??= JSON.stringify(openApiDocument(verbs));
    return reply.type('application/json; charset=utf-8').send(document);
  });
  app.get(`${API}/me`, { config: { scope: 'read' } }, ({ caller }) => {
    if (caller === null) throw new Error('no caller');
    const { name, scope } = caller;
    return { name, scope, version: VERSION, profile: verbs.profile, location: platform.store.location };
  });
}

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
      `this manager runs batchctl ${own} and supports ${needed}, not ${String(said).slice(0, 60)}`,
      {
        hint: `use batchctl ${needed}, or run the manager with the version of its callers`,
        // RFC 9110, 15.5.22: what to go up to is named.
        headers: { upgrade: `batchctl/${own}` },
      },
    );
  });
}
