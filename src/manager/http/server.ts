import { Writable } from 'node:stream';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { API, EXIT_HEADER, FRAMES_TYPE, type Frame } from '../../model/api.ts';
import type { Verb, VerbCall, VerbRunner } from '../../ports/verbs.ts';

export interface HttpOptions {
  readonly verbs: VerbRunner;
}

/** The manager's API. */
export function buildServer({ verbs }: HttpOptions): FastifyInstance {
  const app = Fastify({ logger: false });
  app.get('/healthz', () => ({ status: 'ok' }));
  app.post(`${API}/commands`, (request, reply) => runFrames(verbs, request, reply));
  for (const verb of verbs.verbs) {
    if (verb.path === null) continue;
    app.route({
      method: verb.method,
      url: `${API}${verb.path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
      handler: (request, reply) => runJson(verbs, verb, request, reply),
    });
  }
  return app;
}

const PLAIN = { json: true, quiet: true, verbose: false, yes: true, dryRun: false, tz: null };

async function runJson(verbs: VerbRunner, verb: Verb, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const given = { ...(request.query as object), ...((request.body as object | null) ?? {}), ...(request.params as object) };
  let said = '';
  const out = new Writable({
    write: (chunk, _, done) => {
      said += String(chunk);
      done();
    },
  });
  const end = await verbs.run({
    ...{ name: verb.name, input: given, who: 'token:test', flags: PLAIN, terminal: null, attachments: null, out },
    err: new Writable({ write: (_c, _e, done) => done() }),
    signal: new AbortController().signal,
  });
  reply.header(EXIT_HEADER, String(end.exitCode));
  if (end.error !== null) return reply.code(400).send({ error: end.error });
  const lines = said.split('\n').filter(Boolean);
  return verb.list ? { items: lines.map((line) => JSON.parse(line) as unknown) } : JSON.parse(lines[0] ?? 'null');
}

async function runFrames(verbs: VerbRunner, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const asked = request.body as Pick<VerbCall, 'name' | 'input' | 'flags' | 'terminal' | 'attachments'>;
  const gone = new AbortController();
  reply.raw.on('close', () => gone.abort());
  reply.hijack();
  reply.raw.writeHead(200, { 'content-type': FRAMES_TYPE });
  const send = (frame: Frame): void => {
    reply.raw.write(`${JSON.stringify(frame)}\n`);
  };
  const to = (name: 'out' | 'err'): Writable =>
    new Writable({
      write: (chunk, _, done) => {
        send({ [name]: String(chunk) } as unknown as Frame);
        done();
      },
    });
  const end = await verbs.run({ ...asked, who: 'token:test', out: to('out'), err: to('err'), signal: gone.signal });
  send({ exit: end.exitCode, error: end.error });
  reply.raw.end();
}
