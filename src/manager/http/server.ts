import { existsSync, readdirSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { Socket } from 'node:net';
import { join, relative } from 'node:path';
import fastifyStatic from '@fastify/static';
import { Ajv, type ValidateFunction } from 'ajv';
import type { FastifyInstance, FastifySchema, FastifySchemaCompiler, FastifySchemaValidationError } from 'fastify';
import Fastify from 'fastify';
import { BatchctlError } from '../../errors.ts';
import { TokenReader, TokenUses } from '../../jobs/tokens.ts';
import { randomId } from '../../lib/id.ts';
import { within } from '../../lib/wait.ts';
import type { Platform } from '../../ports/platform.ts';
import type { VerbRunner } from '../../verbs/verb-runner.ts';
import type { Identity } from '../tls/open-tls.ts';
import { type AuditLine, addAudit } from './audit.ts';
import { addAuth } from './auth.ts';
import { addErrors, addWrongMethods, answerBroken, collectMethods, type OnHidden, sendError } from './error-answers.ts';
import { addEvents } from './events.ts';
import { addFrames } from './frames.ts';
import { addJsonBodies } from './json-body.ts';
import { addBodyTime, addLimits, LIMITS, networkOf, tokenlessRate } from './limits.ts';
import { addObjects } from './objects/object-routes.ts';
import { addPeriods } from './periods.ts';
import { addHealth, addMetrics, addService, addVersions, healthOf, type OwnHealth } from './service-routes.ts';
import { addSignIn, type SignInCode } from './sign-in.ts';
import { addVerbs } from './verb-routes.ts';

/** Interval of Node's check for late headers, milliseconds. */
const CHECK_MS = 1_000;

/** Node's options for the limits on connections and headers in `LIMITS`. */
const OPTIONS = {
  maxHeaderSize: LIMITS.head.value,
  // The check may come one interval later.
  headersTimeout: LIMITS.headTime.value - CHECK_MS,
  keepAliveTimeout: LIMITS.idle.value,
  // A verb may take long to answer, and an upload to arrive: `limits.ts` limits bodies.
  requestTimeout: 0,
  connectionsCheckingInterval: CHECK_MS,
} as const;

/** Creates the server of an app: with TLS if there is a certificate, otherwise plain. */
function makeServer(handler: RequestListener, identity: Identity | null): Server {
  const server = identity === null ? createServer(OPTIONS, handler) : createTlsServer(handler, identity);
  // Further connections are not read: an answer would cost the handshake that the limit saves.
  server.maxConnections = LIMITS.connections.value;
  limitPerAddress(server);
  return server;
}

function createTlsServer(handler: RequestListener, { cert, key }: Identity): Server {
  const tls = { cert, key, minVersion: 'TLSv1.2', handshakeTimeout: LIMITS.handshake.value } as const;
  const server = createSecureServer({ ...OPTIONS, ...tls }, handler);
  // After a failed or missing handshake no answer is possible; trying would keep the connection open.
  server.on('tlsClientError', (_, socket) => socket.destroy());
  return server;
}

function limitPerAddress(server: Server): void {
  const held = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const network = networkOf(socket.remoteAddress ?? '');
    const count = (held.get(network) ?? 0) + 1;
    held.set(network, count);
    socket.once('close', () => {
      const left = (held.get(network) ?? 1) - 1;
      if (left === 0) held.delete(network);
      else held.set(network, left);
    });
    if (count > LIMITS.connectionsPerAddress.value) socket.destroy();
  });
}

interface GuardOptions {
  /** The store with the tokens, and the clock for their expiry. */
  readonly platform: Pick<Platform, 'store' | 'clock'>;
  /** Called for each call that changes something, and for each refused one. */
  readonly onAudit: (line: AuditLine) => void;
  /** Milliseconds for a JSON body to arrive; 30 s by default. */
  readonly bodyMs?: number;
}

/** The hooks before every route, in the order in which a call meets them. Call it before any route is added. */
function addGuards(app: FastifyInstance, { platform, onAudit, bodyMs }: GuardOptions): void {
  addAudit(app, onAudit);
  addBodyTime(app, bodyMs);
  addVersions(app);
  addAuth(app, {
    tokens: new TokenReader(platform),
    clock: platform.clock,
    onUsed: recordTokenUses(app, platform),
    onMissingToken: tokenlessRate(app),
  });
  addLimits(app);
}

/** Interval of writing the tokens' use marks, milliseconds: never while a caller waits. */
const WRITE_MS = 60_000;
const LAST_MS = 2_000;

function recordTokenUses(app: FastifyInstance, platform: Pick<Platform, 'store' | 'clock'>): (id: string) => void {
  const uses = new TokenUses(platform);
  const timer = setInterval(() => void uses.write(), WRITE_MS).unref();
  app.addHook('onClose', async () => {
    clearInterval(timer);
    // A leaving manager doesn't wait for an unavailable store.
    await within(uses.write(), LAST_MS);
  });
  return (id) => uses.recordUse(id);
}

/** Only the page's own content, from this origin. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "form-action 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;

/** The browsers' permissions for an answer. There is no CORS header: pages of other origins can't call. */
function addSecurityHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ ...HEADERS, 'x-request-id': request.id });
  });
  app.addHook('onSend', async (_, reply) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });
}

interface HttpOptions {
  readonly verbs: VerbRunner;
  readonly platform: Platform;
  readonly guards: GuardOptions;
  /** Its certificate; null: plain HTTP, for callers on this machine. */
  readonly identity?: Identity | null;
  /** Lets the holder of its code sign in; null: there is no such link. */
  readonly signIn?: SignInCode | null;
  /** The state of its duties; left out by default. */
  readonly health?: () => OwnHealth;
  /** The directory of the dashboard's files; null: no dashboard. By default the one that was built. */
  readonly dashboard?: string | null;
  readonly onHidden?: OnHidden;
  /** Milliseconds between signs of life in streams; 15 s by default. */
  readonly aliveMs?: number;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The served methods by path, in the route's form (`/api/v1/jobs/:job`). */
    methodsByPath: ReadonlyMap<string, readonly string[]>;
  }
}

export function buildServer({
  verbs,
  platform,
  guards,
  identity = null,
  signIn = null,
  health = () => ({ duties: [], certificateExpires: identity?.expires ?? null }),
  dashboard = builtPage(),
  onHidden = () => {},
  aliveMs,
}: HttpOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    serverFactory: (handler) => makeServer(handler, identity),
    bodyLimit: LIMITS.body.value,
    routerOptions: { maxParamLength: LIMITS.parameter.value },
    genReqId: () => randomId(12),
    clientErrorHandler: answerBroken,
    frameworkErrors: (error, request, reply) => void sendError(error, request, reply, onHidden),
  });
  app.setValidatorCompiler(compileWhenCalled());
  app.removeContentTypeParser('text/plain');
  addJsonBodies(app);
  const methods = collectMethods(app);
  addSecurityHeaders(app);
  addErrors(app, onHidden);
  addGuards(app, guards);
  const healthNow = healthOf(platform, health);
  addHealth(app, healthNow);
  addService(app, { verbs, platform });
  addPeriods(app, platform);
  if (signIn !== null) addSignIn(app, signIn);
  addEvents(app, { verbs, platform, ...(aliveMs !== undefined && { aliveMs }) });
  addFrames(app, { verbs, onHidden, ...(aliveMs !== undefined && { aliveMs }) });
  addVerbs(app, { verbs, onHidden });
  addObjects(app, platform);
  addMetrics(app, { platform, health: healthNow, onHidden });
  addPage(app, dashboard);
  app.decorate('methodsByPath', new Map([...methods].map(([url, known]) => [url, [...known].sort()])));
  addWrongMethods(app, methods);
  return app;
}

/** Compiles each schema at the first call that needs it: compiling all of them took a fifth of a manager's start. */
function compileWhenCalled(): FastifySchemaCompiler<FastifySchema> {
  // Types are strict: "5" isn't a number in a body. The schemas are our own, so they aren't validated themselves.
  const ajv = new Ajv({ allowUnionTypes: true, validateSchema: false });
  return ({ schema }) => {
    let validate: ValidateFunction | null = null;
    return (data) => {
      validate ??= ajv.compile(schema);
      return validate(data) ? true : { error: validate.errors as FastifySchemaValidationError[] };
    };
  };
}

/** These names change with their content: `assets/main-3K5M7P2Q.js`. */
const HASHED = /^assets\//;
const YEAR = 365 * 24 * 3_600;

/** Next to the bundled program, or where the build puts it for the source. */
const PLACES = ['dashboard', '../../../dist/dashboard'].map((name) => join(import.meta.dirname, name));

/** The directory of the dashboard's files; null in a program built without them. */
export const builtPage = (): string | null => PLACES.find((place) => existsSync(join(place, 'index.html'))) ?? null;

/**
 * Serves the dashboard's files, which contain no data: the page asks for a token. Serves exactly the files that exist
 * at the start, each by its own path: a caller's path never becomes a file name.
 */
function addPage(app: FastifyInstance, directory: string | null): void {
  const config = { scope: 'anyone' } as const;
  if (directory === null) {
    app.get('/', { config }, () => {
      throw new BatchctlError('notFound', 'this manager was built without the dashboard', {
        hint: 'the API is available: GET /api/v1/openapi.json',
      });
    });
    return;
  }
  void app.register(fastifyStatic, { root: directory, serve: false, cacheControl: false });
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const name = relative(directory, join(entry.parentPath, entry.name));
    const kept = HASHED.test(name) ? `public, max-age=${YEAR}, immutable` : 'no-store';
    app.get(name === 'index.html' ? '/' : `/${encodeURI(name)}`, { config }, (_, reply) =>
      reply.header('cache-control', kept).sendFile(name),
    );
  }
}
