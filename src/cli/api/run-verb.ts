import { Readable, Writable } from 'node:stream';
import * as z from 'zod';
import type { Config } from '../../config/load-config.ts';
import { BatchctlError } from '../../errors.ts';
import type { Platform } from '../../ports/platform.ts';
import type { Attachments, Verb, VerbCall, VerbOutcome, VerbResponse, VerbRunner } from '../../ports/verbs.ts';
import { INNER_VERBS, VERBS } from '../../verbs/index.ts';
import { type AnyVerb, type FileKind, fileFields, withExitCode } from '../../verbs/verb.ts';
import type { CommandEntry, CommandTable, JsonSchema } from '../command.ts';
import { type Context, openContext } from '../context.ts';
import { type GlobalFlags, parseZone } from '../global-flags.ts';
import type { Io } from '../io.ts';
import { exitOf, toBatchctlError } from '../report-error.ts';
import { runInProcess } from '../verb-command.ts';
import { answerSchema, inputSchema } from '../verb-schema.ts';
import { pageOf } from './list-page.ts';

/** Runs verbs for callers, with the manager's configuration and ports and each caller's name. */
export async function openVerbRunner(
  ctx: Context,
  table: Pick<CommandTable, 'commands'>,
  config: Config,
  platform: Platform,
): Promise<VerbRunner> {
  const known = await describeVerbs(ctx, table);
  return {
    profile: config.profile.name,
    verbs: [...known.values()].map(({ verb }) => verb),
    call: (call) => {
      const found = known.get(call.name);
      if (found === undefined) throw new BatchctlError('usage', `a manager has no verb "${call.name}"`);
      return callVerb(found.declared, call, config, platform);
    },
  };
}

/** A verb prints nothing, and the caller's files, environment and stdin are on another machine. */
const NOWHERE = new Writable({ write: (_, __, done) => done() });
const NO_IO: Io = {
  stdout: NOWHERE,
  stderr: NOWHERE,
  stdin: Readable.from([]),
  env: {},
  cwd: '/nonexistent',
  onInterrupt: () => () => {},
  exit: () => {},
};

async function callVerb(verb: AnyVerb, call: VerbCall, config: Config, platform: Platform): Promise<VerbResponse> {
  let ctx: Context | null = null;
  try {
    const { notice, warn } = call;
    const opened = contextOf(call, config, platform);
    const own = Object.create(await opened.platform(), { warn: { value: warn, enumerable: true } }) as Platform;
    ctx = { ...opened, platform: () => Promise.resolve(own), notice, warn };
    let verdict: BatchctlError | null = null;
    const page = await pageOf(verb, call, own);
    const made = await runInProcess(ctx, verb, page.input, {
      report: (event) => call.report(event),
      shown: async () => {},
      conclude: (error) => {
        verdict = error;
      },
    });
    const { result, exitCode } = withExitCode(verb, made, call.input);
    const next = verb.list ? await page.send(result) : null;
    const answer = verb.list ? undefined : result;
    if (verdict !== null) return { answer, next, ...endOf(verdict) };
    return { answer, next, exitCode: exitCode(), error: null };
  } catch (error) {
    return { answer: undefined, ...endOf(error) };
  } finally {
    await ctx?.close();
  }
}

function endOf(error: unknown): VerbOutcome {
  const { kind, message, hint = null, question } = toBatchctlError(error);
  const cause = kind === 'unexpected' ? { cause: error } : {};
  return {
    exitCode: exitOf(error),
    error: { kind, message, hint, ...(question !== undefined && { question }) },
    ...cause,
  };
}

function contextOf(call: VerbCall, config: Config, platform: Platform): Context {
  const { signal, dryRun, yes, tz } = call;
  const flags: GlobalFlags = {
    config: undefined,
    profile: config.profile.name,
    tz: tz === null ? undefined : parseZone(tz),
    json: true,
    quiet: true,
    verbose: false,
    color: false,
    help: false,
    version: false,
    dryRun,
    yes,
  };
  return openContext({
    io: NO_IO,
    flags,
    signal,
    stopNow: signal,
    closed: new AbortController().signal,
    config,
    platform: actingAs(platform, call.who),
    attachments: attachmentsOf(call),
    scope: call.scope,
  });
}

const NO_ATTACHMENTS: Attachments = { jobFile: null, inputs: [] };

function attachmentsOf({ name, dryRun, attachments }: VerbCall): Attachments {
  if (attachments === null) return NO_ATTACHMENTS;
  const checked = checkAttachments(attachments);
  // A plan's attachments are not stored and not checked, so nothing may be created from them.
  if (checked.planned == null || name === 'plan' || dryRun) return checked;
  throw new BatchctlError('usage', 'attachments.planned: expected only of a plan');
}

function actingAs(platform: Platform, who: string): Platform {
  return Object.create(platform, { who: { value: who, enumerable: true } }) as Platform;
}

interface KnownVerb {
  readonly verb: Verb;
  readonly declared: AnyVerb;
}

/** Every verb of the manager, described by the command definitions. `ctx` is never opened. */
export async function describeVerbs(
  ctx: Context,
  { commands }: Pick<CommandTable, 'commands'>,
): Promise<ReadonlyMap<string, KnownVerb>> {
  const known = await Promise.all(
    commands.flatMap((entry) => {
      const load = VERBS[entry.name];
      return load === undefined ? [] : [describe(ctx, entry, load)];
    }),
  );
  const inner = await Promise.all(INNER_VERBS.map(async (load) => describeInner(await load())));
  return new Map([...known, ...inner].map((each) => [each.verb.name, each]));
}

async function describe(ctx: Context, entry: CommandEntry, load: () => Promise<AnyVerb>): Promise<KnownVerb> {
  const [declared, make] = await Promise.all([load(), entry.load()]);
  const { name, summary } = entry;
  const { scope, scopeWith = {}, http, shownAt = null, list } = declared;
  const { help } = make(ctx);
  const files = fileFields(declared);
  const fieldsOf = (kind: FileKind): string[] => [...files.keys()].filter((name) => files.get(name) === kind);
  const lines = fieldsOf('text');
  const described = inputSchema(declared) as InputSchema;
  const taken = Object.entries(described.properties).filter(([name]) => declared.framesOnly?.includes(name) !== true);
  const input = { ...described, properties: withLines(Object.fromEntries(taken), lines) };
  const verb: Verb = {
    name,
    summary,
    about: help.about ?? null,
    example: help.examples[0],
    scope,
    scopeWith,
    method: http?.method ?? 'POST',
    path: http?.path ?? null,
    shownAt,
    list,
    lines,
    input,
    output: await answerSchema(declared),
    writes: declared.changes,
    jobFile: fieldsOf('job')[0] ?? fieldsOf('submission')[0] ?? null,
  };
  return { verb, declared };
}

/** A verb without a command of its own. Only frames call it. */
async function describeInner(declared: AnyVerb): Promise<KnownVerb> {
  const { name, scope, scopeWith = {}, list, changes: writes } = declared;
  const verb: Verb = {
    name,
    summary: '',
    about: null,
    example: 'batchctl report',
    scope,
    scopeWith,
    method: 'POST',
    path: null,
    shownAt: null,
    list,
    lines: [],
    jobFile: null,
    input: inputSchema(declared),
    output: null,
    writes,
  };
  return { verb, declared };
}

/** Maximum number of lines of a small file in a body. */
const MOST_LINES = 10_000;
interface InputSchema extends JsonSchema {
  readonly properties: Readonly<Record<string, JsonSchema>>;
}

const withLines = (
  properties: InputSchema['properties'],
  lines: readonly string[],
): Readonly<Record<string, JsonSchema>> => ({
  ...properties,
  ...Object.fromEntries(lines.map((name) => [name, linesSchema(String(properties[name]?.description ?? ''))])),
});

/** An array of lines, accepted in place of the small file's name. */
const linesSchema = (text: string): JsonSchema => ({
  type: 'array',
  maxItems: MOST_LINES,
  items: { type: 'string' },
  description: `${text}: an array of its lines`,
});

const text = z.string().max(4_096);
const count = z.number().int().nonnegative();
const checksum = z.string().regex(/^sha256:[0-9a-f]{64}$/);

/** A list whose check stops at the first wrong item: reporting each of thousands would block a manager. */
function listOf<T extends z.ZodType>(item: T, most: number) {
  return z
    .array(z.unknown())
    .max(most)
    .transform((items, ctx) => {
      const checked: z.output<T>[] = [];
      for (const [at, each] of items.entries()) {
        const result = item.safeParse(each);
        const issue = result.error?.issues[0];
        if (result.success) checked.push(result.data);
        else {
          ctx.addIssue({ code: 'custom', message: issue?.message, path: [at, ...(issue?.path ?? [])] });
          return z.NEVER;
        }
      }
      return checked;
    });
}

/** Far more than fit into a call. */
const MOST_INPUTS = 100_000;
/** Lines about what inputs leave out: a few for each name of an input. */
const MOST_LEFT_OUT = 10_000;
/** Maximum number of files that options may name. */
const MOST_TEXTS = 100;

const input = z.object({ asked: text, name: text, key: z.string().max(1_024), checksum, size: count });

/** An input of a plan. It is only counted; nothing is stored. */
const plannedInput = z.object({
  name: text,
  size: count,
  checksum: checksum.nullable(),
  records: count.nullable(),
  compression: z.enum(['gzip', 'zstd']).nullable(),
  parts: z.literal(0).optional(),
  source: z.object({ kind: z.enum(['store', 's3', 'pipe', 'file']) }).loose(),
});

const planned = z.object({
  files: listOf(text, MOST_INPUTS),
  hashes: z.record(text, text).optional(),
  cut: z
    .object({
      parts: count,
      records: count.nullable(),
      pieces: count,
      inputs: listOf(plannedInput, MOST_INPUTS),
      sizes: z.object({
        bins: listOf(z.tuple([z.number(), count, z.number().nonnegative()]), 10_000),
        largest: z.object({ n: count, size: z.number() }),
      }),
    })
    .nullable(),
});

const attachments = z.object({
  jobFile: z.object({ path: text, spec: z.unknown(), code: text.nullable() }).nullable(),
  inputs: listOf(input, MOST_INPUTS),
  leftOut: listOf(text, MOST_LEFT_OUT).optional(),
  texts: z
    .unknown()
    .refine((texts) => Object.keys(texts ?? {}).length <= MOST_TEXTS, `expected at most ${MOST_TEXTS} texts`)
    .pipe(z.record(text, z.string().max(2 ** 20)))
    .optional(),
  planned: planned.nullish(),
});

/** Checks untrusted data from a caller. Throws `usage`. */
function checkAttachments(sent: unknown): Attachments {
  const result = attachments.safeParse(sent);
  if (result.success) return result.data as unknown as Attachments;
  const [issue] = result.error.issues;
  throw new BatchctlError('usage', `attachments.${issue?.path.join('.')}: ${issue?.message}`);
}
