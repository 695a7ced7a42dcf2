import type { Config } from '../config/load-config.ts';
import { BatchctlError, exitCodeOf } from '../errors.ts';
import type { JsonSchema } from '../lib/json.ts';
import { toBatchctlError } from '../lib/known-error.ts';
import type { ApiError } from '../model/api.ts';
import { actingFor, type Platform } from '../ports/platform.ts';
import type { CallEvents, VerbHost } from './context.ts';
import { INNER_VERBS, VERBS } from './index.ts';
import { pageOf } from './list-page.ts';
import { remoteCaller, type VerbCall } from './remote-caller.ts';
import { type AnyVerb, fileFields, runVerb, withExitCode } from './verb.ts';
import { answerSchema, inputSchema } from './verb-schema.ts';

/** Runs verbs for the callers of a manager, each with its own name, files and rights (ADR 96). */
export interface VerbRunner {
  /** The name of their profile. */
  readonly profile: string;
  readonly verbs: readonly OfferedVerb[];
  /** Never throws a verb's own error, which is part of the result. Throws `usage` for an unknown verb. */
  call(call: VerbCall): Promise<VerbResponse>;
}

/** A verb that a manager offers, and how its API describes it. */
export interface OfferedVerb {
  readonly declared: AnyVerb;
  readonly help: VerbHelp;
  /** The fields that its path accepts: a draft 2020-12 object schema. */
  readonly input: ObjectSchema;
  /** The schema of the answer, or of one row of a list; null: only this program's command line calls it. */
  readonly output: JsonSchema | null;
}

/** The help of a verb. */
export interface VerbHelp {
  readonly summary: string;
  readonly about: string | null;
  /** An example command line: `batchctl retry last`. */
  readonly example: string;
}

export interface ObjectSchema extends JsonSchema {
  readonly properties: Readonly<Record<string, JsonSchema>>;
}

export interface VerbResponse extends VerbOutcome {
  /** Undefined for a list, and after an error. */
  readonly answer: unknown;
  /** The `after` of the page that follows in a list; null or absent: the answer is complete. */
  readonly next?: string | null;
}

export interface VerbOutcome {
  readonly exitCode: number;
  readonly error: ApiError | null;
  /** An unexpected error, for the log only, never for the caller. */
  readonly cause?: unknown;
}

/** A manager: its profile, and its ports, which stay open. */
export interface ManagerHost extends Pick<VerbHost, 'examine'> {
  readonly config: Config;
  readonly platform: Platform;
  /** As `VerbHost.impatientPlatform`; warnings go to the caller. */
  impatientPlatform(patienceMs: number, onWarning: (text: string) => void): Promise<Platform>;
}

/** Every verb with a manager's configuration and ports. `help` is that of the commands. */
export async function openVerbRunner(host: ManagerHost, help: ReadonlyMap<string, VerbHelp>): Promise<VerbRunner> {
  const verbs = await offeredVerbs(help);
  const byName = new Map(verbs.map(({ declared }) => [declared.name, declared]));
  return {
    profile: host.config.profile.name,
    verbs,
    call: (call) => {
      const verb = byName.get(call.name);
      if (verb === undefined) throw new BatchctlError('usage', `a manager has no verb "${call.name}"`);
      return callVerb(verb, call, host);
    },
  };
}

async function callVerb(verb: AnyVerb, call: VerbCall, host: ManagerHost): Promise<VerbResponse> {
  try {
    const { config, impatientPlatform, examine } = host;
    const platform = actingFor(host.platform, call);
    let verdict: BatchctlError | null = null;
    const events: CallEvents<unknown> = {
      report: (event) => call.report(event),
      shown: async () => {},
      conclude: (error) => {
        verdict = error;
      },
    };
    const caller = remoteCaller(call, config, platform);
    const page = await pageOf(verb, call, platform);
    const made = await runVerb(verb, page.input, {
      config: async () => config,
      platform: async () => platform,
      impatientPlatform: (patienceMs) => impatientPlatform(patienceMs, call.warn),
      clock: platform.clock,
      examine,
      passed: () => {},
      ...caller,
      ...events,
    });
    const { result, exitCode } = withExitCode(verb, made, call.input);
    const next = verb.list ? await page.send(result) : null;
    const answer = verb.list ? undefined : result;
    if (verdict !== null) return { answer, next, ...endOf(verdict) };
    return { answer, next, exitCode: exitCode(), error: null };
  } catch (error) {
    return { answer: undefined, ...endOf(error) };
  }
}

function endOf(error: unknown): VerbOutcome {
  const known = toBatchctlError(error);
  const { kind, message, hint = null, question } = known;
  const cause = kind === 'unexpected' ? { cause: error } : {};
  return {
    exitCode: exitCodeOf(known),
    error: { kind, message, hint, ...(question !== undefined && { question }) },
    ...cause,
  };
}

/** All verbs of a manager, in the order of their commands. */
export async function offeredVerbs(help: ReadonlyMap<string, VerbHelp>): Promise<readonly OfferedVerb[]> {
  const commands = [...help].flatMap(([name, text]) => {
    const load = VERBS[name];
    return load === undefined ? [] : [offer(load, text)];
  });
  return Promise.all([...commands, ...INNER_VERBS.map(async (load) => offerInner(await load()))]);
}

async function offer(load: () => Promise<AnyVerb>, help: VerbHelp): Promise<OfferedVerb> {
  const declared = await load();
  return { declared, help, input: pathFields(declared), output: await answerSchema(declared) };
}

/** A verb without a command of its own. Only frames call it. */
function offerInner(declared: AnyVerb): OfferedVerb {
  const help = { summary: '', about: null, example: 'batchctl report' };
  return { declared, help, input: inputSchema(declared), output: null };
}

/** The fields of a verb's path. A small text file is sent as its lines. */
function pathFields(declared: AnyVerb): ObjectSchema {
  const { properties, ...schema } = inputSchema(declared);
  const files = fileFields(declared);
  const fields = Object.entries(properties)
    .filter(([name]) => declared.framesOnly?.includes(name) !== true)
    .map(([name, property]) => [name, files.get(name) === 'text' ? linesOf(property) : property]);
  return { ...schema, properties: Object.fromEntries(fields) };
}

/** Maximum number of lines of a small file in a body. */
const MOST_LINES = 10_000;

const linesOf = ({ description }: JsonSchema): JsonSchema => ({
  type: 'array',
  maxItems: MOST_LINES,
  items: { type: 'string' },
  description: `${String(description ?? '')}: an array of its lines`,
});
