import type { FastifyInstance } from 'fastify';
import { VERSION } from '../../lib/version.ts';
import { API } from '../../model/api.ts';
import type { Platform } from '../../ports/platform.ts';
import type { VerbRunner } from '../../ports/verbs.ts';
import { openApiDocument } from './openapi/document.ts';

export interface ServiceOptions {
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
    if (caller === null) throw new Error('nobody calls');
    const { name, scope } = caller;
    return { name, scope, version: VERSION, profile: verbs.profile, location: platform.store.location };
  });
}
