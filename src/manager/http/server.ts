import Fastify, { type FastifyInstance } from 'fastify';
import { randomId } from '../../lib/id.ts';
import type { Platform } from '../../ports/platform.ts';
import type { VerbRunner } from '../../ports/verbs.ts';
import type { Identity } from '../tls/identity.ts';
import { BOUNDS } from './bounds.ts';
import { addErrors, addWrongMethods, answerBroken, collectMethods, sendError } from './error-answers.ts';
import { addEvents } from './events/event-routes.ts';
import { addFrames } from './frames.ts';
import { addGuards, type GuardOptions } from './guards.ts';
import { addHealth, healthOf, type OwnHealth } from './health-routes.ts';
import { addJsonBodies } from './json-body.ts';
import { makeServer } from './make-server.ts';
import { addMetrics } from './metrics-route.ts';
import { addObjects } from './objects/object-routes.ts';
import { addPage, builtPage } from './page.ts';
import { addSecurityHeaders } from './security-headers.ts';
import { addService } from './service-routes.ts';
import { addVerbs } from './verb-routes.ts';

export interface HttpOptions {
  readonly verbs: VerbRunner;
  readonly platform: Platform;
  /** Who may call. */
  readonly guards: GuardOptions;
  /** Its certificate; null: plain HTTP, for callers on this machine. */
  readonly identity?: Identity | null;
  /** How its duties go; nothing of them unless given. */
  readonly health?: () => OwnHealth;
  /** The directory of the dashboard's files; null: it is served none. As it was built, unless given. */
  readonly dashboard?: string | null;
  /** Told of errors that nobody foresaw, with the id of the request that met them: callers are told only that. */
  readonly onHidden?: (error: unknown, requestId: string) => void;
  /** Milliseconds between signs of life in what lasts; 15 s unless given. */
  readonly aliveMs?: number;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** What is served: the methods of each path, as its route has it (`/api/v1/jobs/:job`). */
    methodsByPath: ReadonlyMap<string, readonly string[]>;
  }
}

/** The manager's API. */
export function buildServer({
  verbs,
  platform,
  guards,
  identity = null,
  health = () => ({ duties: [], certificateExpires: identity?.expires ?? null }),
  dashboard = builtPage(),
  onHidden = () => {},
  aliveMs,
}: HttpOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    serverFactory: (handler) => makeServer(handler, identity),
    bodyLimit: BOUNDS.body.value,
    routerOptions: { maxParamLength: BOUNDS.parameter.value },
    genReqId: () => randomId(12),
    // Types are what they are said to be: "5" is no number in a body.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allowUnionTypes: true } },
    clientErrorHandler: answerBroken,
    frameworkErrors: (error, request, reply) => void sendError(error, request, reply, onHidden),
  });
  app.removeContentTypeParser('text/plain');
  addJsonBodies(app);
  const methods = collectMethods(app);
  addSecurityHeaders(app);
  addErrors(app, onHidden);
  addGuards(app, guards);
  const healthNow = healthOf(platform, health);
  addHealth(app, healthNow);
  addService(app, { verbs, platform });
  addEvents(app, { verbs, platform, ...(aliveMs !== undefined && { aliveMs }) });
  addFrames(app, { verbs, onHidden, ...(aliveMs !== undefined && { aliveMs }) });
  addVerbs(app, verbs, onHidden);
  addObjects(app, platform);
  addMetrics(app, { platform, health: healthNow, onHidden });
  addPage(app, dashboard);
  app.decorate('methodsByPath', new Map([...methods].map(([url, known]) => [url, [...known].sort()])));
  addWrongMethods(app, methods);
  return app;
}
