import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { managerHost } from '../../../src/cli/commands/manager.ts';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { openContext } from '../../../src/cli/context.ts';
import { splitGlobalFlags } from '../../../src/cli/global-flags.ts';
import { processIo } from '../../../src/cli/io.ts';
import { verbHelp } from '../../../src/cli/verb-help.ts';
import { loadConfig } from '../../../src/config/load-config.ts';
import { createToken } from '../../../src/jobs/tokens.ts';
import { openApiDocument } from '../../../src/manager/http/openapi/document.ts';
import { buildServer } from '../../../src/manager/http/server.ts';
import type { OwnHealth } from '../../../src/manager/http/service-routes.ts';
import { type ApiError, EXIT_HEADER, type Scope } from '../../../src/model/api.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { VerbCall } from '../../../src/verbs/remote-caller.ts';
import {
  type OfferedVerb,
  openVerbRunner,
  type VerbResponse,
  type VerbRunner,
} from '../../../src/verbs/verb-runner.ts';
import { AwsWorkspace } from '../aws-workspace.ts';
import { Workspace } from '../workspace.ts';

interface ApiServerOptions {
  readonly workspace?: Workspace;
  readonly aliveMs?: number;
  /** The directory of the page; null unless given: no page. */
  readonly dashboard?: string | null;
  /** Replaces parts of the platform: for a store or ledger that fails when a test wants it. */
  readonly replace?: (real: Platform) => Partial<Platform>;
  readonly health?: () => OwnHealth;
  /** Runs a verb instead of the real runner. */
  readonly runVerb?: (call: VerbCall, real: VerbRunner) => Promise<VerbResponse>;
}

type CallInit = RequestInit & { readonly scope?: Scope };

/** An answer, read completely. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests check what it contains.
  readonly json: any;
  readonly error: ApiError;
  readonly exit: string | null;
}

/** It describes the verbs, whatever the platform, so all servers share it. */
let sharedDocument: ApiDocument | null = null;

/** The manager's API on a port, over a real platform and the real verbs. Each answer is checked against its document. */
export class ApiServer {
  readonly workspace: Workspace;
  readonly platform: Platform;
  readonly document: ApiDocument;
  readonly url: string;
  /** Errors of which callers see only an id. */
  readonly hidden: unknown[];
  /** The calls of verbs that the server made. */
  readonly calls: VerbCall[];
  readonly app: ReturnType<typeof buildServer>;
  readonly verbs: readonly OfferedVerb[];
  readonly #tokens = new Map<Scope, Promise<string>>();

  private constructor(
    parts: Pick<ApiServer, 'workspace' | 'platform' | 'document' | 'url' | 'hidden' | 'calls' | 'app' | 'verbs'>,
  ) {
    this.workspace = parts.workspace;
    this.platform = parts.platform;
    this.document = parts.document;
    this.url = parts.url;
    this.hidden = parts.hidden;
    this.calls = parts.calls;
    this.app = parts.app;
    this.verbs = parts.verbs;
  }

  static async open(options: ApiServerOptions = {}): Promise<ApiServer> {
    const { workspace = Workspace.withLongLeases(), aliveMs, dashboard = null, health } = options;
    const own = await workspace.platform('manager@here');
    const platform = { ...own, ...options.replace?.(own) };
    // A directory without a configuration needs the profile's name.
    const flags = workspace instanceof AwsWorkspace ? {} : { profile: 'local' };
    const config = await loadConfig({ env: {}, cwd: workspace.dir, home: '', etc: '', flags });
    const { signal } = new AbortController();
    const { flags: global } = splitGlobalFlags([]);
    const opened = openContext({ flags: global, io: processIo(), signal, stopNow: signal, closed: signal, config });
    const ctx = { ...opened, platform: async () => platform };
    const real = await openVerbRunner(managerHost(ctx, config, platform), await verbHelp(ctx, { commands: COMMANDS }));
    const hidden: unknown[] = [];
    const calls: VerbCall[] = [];
    const verbs: VerbRunner = {
      ...real,
      call: (call) => {
        calls.push(call);
        return options.runVerb?.(call, real) ?? real.call(call);
      },
    };
    const app = buildServer({
      verbs,
      platform,
      guards: { platform, onAudit: () => {} },
      onHidden: (error) => hidden.push(error),
      ...(health !== undefined && { health }),
      ...(aliveMs !== undefined && { aliveMs }),
      dashboard,
    });
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    sharedDocument ??= new ApiDocument(openApiDocument(real));
    return new ApiServer({ workspace, platform, document: sharedDocument, url, hidden, calls, app, verbs: real.verbs });
  }

  token(scope: Scope): Promise<string> {
    const create = () => createToken(this.platform, { name: scope, scope, expiresIn: null }).then(({ text }) => text);
    const token = this.#tokens.get(scope) ?? create();
    this.#tokens.set(scope, token);
    return token;
  }

  /** Calls with a token of that scope, and does not read the answer's body. */
  async fetch(method: string, path: string, init: CallInit = {}): Promise<Response> {
    const { scope = 'operate', ...rest } = init;
    const headers = new Headers(rest.headers);
    headers.set('authorization', `Bearer ${await this.token(scope)}`);
    return fetch(`${this.url}${path}`, { method, redirect: 'manual', ...rest, headers });
  }

  /** Calls with a JSON body, if any, and checks the answer against the document. */
  async call(method: string, path: string, body?: unknown, init: CallInit = {}): Promise<Answer> {
    const headers = new Headers(init.headers);
    if (body !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json');
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const response = await this.fetch(method, `/api/v1${path}`, {
      ...init,
      headers,
      ...(text !== undefined && { body: text }),
    });
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

  /** Runs a verb as a command line does, and does not read its frames. `fields`: others than its name and input. */
  command(name: string, input: object, init: CallInit = {}, fields: object = {}): Promise<Response> {
    return this.fetch('POST', '/api/v1/verbs', {
      ...init,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name, input, ...fields }),
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
  readonly operationId: string;
  readonly 'x-scope'?: string;
  readonly description?: string;
  readonly responses: Readonly<Record<string, DocumentedResponse>>;
}
interface DocumentedResponse {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, { readonly schema?: Json }>>;
}
type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

/** Compares answers with the API's document. */
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

  /** Throws unless the document has the call, and the answer's status, type and body match it. */
  check(method: string, url: string, status: number, type: string, body: string): void {
    const path = new URL(url, 'http://api').pathname;
    const template = Object.keys(this.paths)
      .filter((each) => new RegExp(`^${each.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path))
      .sort((a, b) => a.split('{').length - b.split('{').length)[0];
    const operation = template === undefined ? undefined : this.paths[template]?.[method.toLowerCase()];
    // A call that the API doesn't have is answered by an error of the API.
    const pointer =
      operation === undefined
        ? 'components/responses/Refused'
        : this.#responsePointer(template ?? '', method, operation, status);
    const [mediaType = ''] = type.split(';');
    const response = this.#at(pointer) as DocumentedResponse;
    if (method === 'HEAD' || response.content === undefined) return;
    const content = response.content[mediaType];
    if (content === undefined)
      throw new Error(`${method} ${path} ${status}: expected ${Object.keys(response.content)}, found ${mediaType}`);
    if (!mediaType.endsWith('/json') || content.schema === undefined) return;
    this.validate(`${pointer}/content/${escaped(mediaType)}/schema`, JSON.parse(body), `${method} ${path} ${status}`);
  }

  /** Throws unless the value matches the schema at that pointer into the document. */
  validate(pointer: string, value: unknown, what = pointer): void {
    const validate = this.#compiled.get(pointer) ?? this.#ajv.compile({ $ref: `api#/${pointer}` });
    this.#compiled.set(pointer, validate);
    if (validate(value)) return;
    throw new Error(`${what}: ${this.#ajv.errorsText(validate.errors)}: ${JSON.stringify(value).slice(0, 400)}`);
  }

  #responsePointer(path: string, method: string, { responses }: Operation, status: number): string {
    const name = [String(status), `${String(status)[0]}XX`].find((each) => responses[each] !== undefined);
    if (name === undefined) throw new Error(`${method} ${path}: the document has no answer ${status}`);
    const ref = responses[name]?.$ref;
    return ref?.slice('#/'.length) ?? `paths/${escaped(path)}/${method.toLowerCase()}/responses/${name}`;
  }

  #at(pointer: string): unknown {
    return pointer.split('/').reduce<unknown>((value, name) => (value as Json)[unescaped(name)], this.document);
  }
}

const escaped = (name: string): string => encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'));
const unescaped = (name: string): string => decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~');
