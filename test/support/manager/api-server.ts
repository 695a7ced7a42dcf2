import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { openVerbRunner } from '../../../src/cli/api/run-verb.ts';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { openContext } from '../../../src/cli/context.ts';
import { splitGlobalFlags } from '../../../src/cli/global-flags.ts';
import { processIo } from '../../../src/cli/io.ts';
import { loadConfig } from '../../../src/config/load-config.ts';
import { createToken } from '../../../src/jobs/tokens.ts';
import { openApiDocument } from '../../../src/manager/http/openapi/document.ts';
import { buildServer } from '../../../src/manager/http/server.ts';
import type { OwnHealth } from '../../../src/manager/http/service-routes.ts';
import { type ApiError, EXIT_HEADER, type Scope } from '../../../src/model/api.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { VerbCall, VerbRunner } from '../../../src/ports/verbs.ts';
import { AwsWorkspace } from '../aws-workspace.ts';
import { Workspace } from '../workspace.ts';

interface ApiServerOptions {
  readonly workspace?: Workspace;
  readonly aliveMs?: number;
  readonly dashboard?: string | null;
  /** In place of the real store, queues and ledger: for what is away at will. */
  readonly over?: (real: Platform) => Partial<Platform>;
  readonly health?: () => OwnHealth;
  /** In place of the real verbs: for what no real verb does at will. */
  readonly verbs?: (real: VerbRunner) => VerbRunner;
}

/** An answer, as it came. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it.
  readonly json: any;
  readonly error: ApiError;
  readonly exit: string | null;
}

let known: ApiDocument | null = null;

/** The manager's API on a port, over a real platform and the real verbs. Each answer is checked against its document. */
export class ApiServer {
  readonly workspace: Workspace;
  readonly platform: Platform;
  readonly document: ApiDocument;
  readonly url: string;
  /** What callers were not told. */
  readonly hidden: unknown[];
  /** The verbs' runs, as the server asked for them. */
  readonly calls: VerbCall[];
  readonly app: ReturnType<typeof buildServer>;
  readonly #tokens = new Map<Scope, Promise<string>>();

  private constructor(
    parts: Pick<ApiServer, 'workspace' | 'platform' | 'document' | 'url' | 'hidden' | 'calls' | 'app'>,
  ) {
    this.workspace = parts.workspace;
    this.platform = parts.platform;
    this.document = parts.document;
    this.url = parts.url;
    this.hidden = parts.hidden;
    this.calls = parts.calls;
    this.app = parts.app;
  }

  static async open(options: ApiServerOptions = {}): Promise<ApiServer> {
    const { workspace = Workspace.withLongLeases(), aliveMs, dashboard, health } = options;
    const own = await workspace.platform('manager@here');
    const platform = { ...own, ...options.over?.(own) };
    // A directory without a configuration is meant only when it is said.
    const flags = workspace instanceof AwsWorkspace ? {} : { profile: 'local' };
    const config = await loadConfig({ env: {}, cwd: workspace.dir, home: '', etc: '', flags });
    const { signal } = new AbortController();
    const real = await openVerbRunner(
      openContext({ flags: splitGlobalFlags([]).flags, io: processIo(), signal, stopNow: signal, closed: signal }),
      { commands: COMMANDS },
      config,
      platform,
    );
    const [hidden, calls]: [unknown[], VerbCall[]] = [[], []];
    const runner = options.verbs?.(real) ?? real;
    const verbs: VerbRunner = {
      ...runner,
      call: (call) => {
        calls.push(call);
        return runner.call(call);
      },
    };
    const app = buildServer({
      verbs,
      platform,
      guards: { platform, onAudit: () => {} },
      onHidden: (error) => hidden.push(error),
      ...(health !== undefined && { health }),
      ...(aliveMs !== undefined && { aliveMs }),
      ...(dashboard !== undefined && { dashboard }),
    });
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    // The same for every server: it describes the verbs, whatever the platform.
    known ??= new ApiDocument(openApiDocument(real));
    const document = known;
    return new ApiServer({ workspace, platform, document, url, hidden, calls, app });
  }

  token(scope: Scope): Promise<string> {
    const made = () => createToken(this.platform, { name: scope, scope, expiresIn: null }).then(({ text }) => text);
    const known = this.#tokens.get(scope) ?? made();
    this.#tokens.set(scope, known);
    return known;
  }

  /** Calls with a token of that scope; the answer is left to be read. */
  async fetch(method: string, path: string, init: RequestInit & { readonly scope?: Scope } = {}): Promise<Response> {
    const { scope = 'operate', ...rest } = init;
    const headers = new Headers(rest.headers);
    headers.set('authorization', `Bearer ${await this.token(scope)}`);
    return fetch(`${this.url}${path}`, { method, redirect: 'manual', ...rest, headers });
  }

  /** Calls with a JSON body, if any, and checks the answer against the document. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    init: RequestInit & { readonly scope?: Scope } = {},
  ): Promise<Answer> {
    const said = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    const headers = new Headers(init.headers);
    if (body !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json');
    const response = await this.fetch(method, `/api/v1${path}`, { ...init, headers, ...said });
    return this.checked(method, `/api/v1${path}`, response);
  }

  async checked(method: string, path: string, response: Response): Promise<Answer> {
    const text = await response.text();
    const type = response.headers.get('content-type') ?? '';
    this.document.check(method, path, response.status, type, text);
    const json: unknown = type.startsWith('application/json') && text !== '' ? JSON.parse(text) : null;
    const { error } = (json ?? {}) as { error: ApiError };
    return {
      status: response.status,
      headers: response.headers,
      text,
      json,
      error,
      exit: response.headers.get(EXIT_HEADER),
    };
  }

  /** Runs a verb for a command line; the frames are left to be read. */
  command(name: string, input: object, init: RequestInit & { readonly scope?: Scope } = {}): Promise<Response> {
    return this.fetch('POST', '/api/v1/verbs', {
      ...init,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name, input }),
    });
  }

  async close(): Promise<void> {
    this.app.server.closeAllConnections();
    await this.app.close();
    await this.workspace.remove();
  }
}

type Json = Readonly<Record<string, unknown>>;
interface Operation {
  readonly responses: Readonly<Record<string, Answered>>;
}
interface Answered {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, { readonly schema?: Json }>>;
}
type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

/** Says whether answers are what the API's document says of them. */
class ApiDocument {
  readonly document: Json;
  readonly #ajv = new Ajv2020.default({ strict: false, allErrors: true, validateSchema: false });
  readonly #compiled = new Map<string, ValidateFunction>();

  constructor(document: Json) {
    this.document = document;
    addFormats.default(this.#ajv);
    this.#ajv.addSchema({ ...document, $id: 'api' });
  }

  get paths(): Paths {
    return this.document.paths as Paths;
  }

  /** Throws unless the document has the call, and the answer's status, type and body are as it says. */
  check(method: string, url: string, status: number, type: string, body: string): void {
    const path = new URL(url, 'http://api').pathname;
    const template = Object.keys(this.paths)
      .filter((each) => new RegExp(`^${each.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path))
      .sort((a, b) => a.split('{').length - b.split('{').length)[0];
    const known = template === undefined ? undefined : this.paths[template]?.[method.toLowerCase()];
    // What is no call of the API is told in the form of its errors.
    const at =
      known === undefined ? 'components/responses/Refused' : this.#responseAt(template ?? '', method, known, status);
    const [is = ''] = type.split(';');
    const response = this.#at(at) as Answered;
    if (method === 'HEAD' || response.content === undefined) return;
    const said = response.content[is];
    if (said === undefined)
      throw new Error(`${method} ${path} ${status}: expected ${Object.keys(response.content)}, found ${is}`);
    if (!is.endsWith('/json') || said.schema === undefined) return;
    this.validate(`${at}/content/${escaped(is)}/schema`, JSON.parse(body), `${method} ${path} ${status}`);
  }

  /** Throws unless the value is as the schema at that place of the document says. */
  validate(at: string, value: unknown, what = at): void {
    const validate = this.#compiled.get(at) ?? this.#ajv.compile({ $ref: `api#/${at}` });
    this.#compiled.set(at, validate);
    if (validate(value)) return;
    throw new Error(`${what}: ${this.#ajv.errorsText(validate.errors)}: ${JSON.stringify(value).slice(0, 400)}`);
  }

  #responseAt(path: string, method: string, { responses }: Operation, status: number): string {
    const name = [String(status), `${String(status)[0]}XX`].find((each) => responses[each] !== undefined);
    if (name === undefined) throw new Error(`${method} ${path}: the document knows no answer ${status}`);
    const ref = responses[name]?.$ref;
    return ref?.slice('#/'.length) ?? `paths/${escaped(path)}/${method.toLowerCase()}/responses/${name}`;
  }

  #at(pointer: string): unknown {
    return pointer.split('/').reduce<unknown>((of, name) => (of as Json)[unescaped(name)], this.document);
  }
}

const escaped = (name: string): string => encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'));
const unescaped = (name: string): string => decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~');
