import { clearLine, cursorTo, type Direction, moveCursor } from 'node:readline';
import { Readable, Writable } from 'node:stream';
import type { Config } from '../../config/load-config.ts';
import { BatchctlError } from '../../errors.ts';
import type { Platform } from '../../ports/platform.ts';
import type { Attachments, ValueCall, ValueEnd, VerbCall, VerbEnd, VerbRunner } from '../../ports/verbs.ts';
import { type AnyVerb, weighed } from '../../verbs/verb.ts';
import type { CommandTable } from '../command.ts';
import { type Context, openContext } from '../context.ts';
import { type GlobalFlags, knownZone } from '../global-flags.ts';
import type { Io, Output } from '../io.ts';
import { parseCommand } from '../parse.ts';
import { asKnown, exitOf } from '../report-error.ts';
import { runHere } from '../verb-command.ts';
import { checkAttachments } from './check-attachments.ts';
import { describeVerbs, type KnownVerb } from './describe-verbs.ts';
import { wordsOf } from './words.ts';

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
    run: (call) => {
      const found = known.get(call.name);
      if (found === undefined) throw new BatchctlError('usage', `a manager has no verb "${call.name}"`);
      return runVerb(found, call, config, platform);
    },
    call: (call) => {
      const found = known.get(call.name);
      if (found === undefined || found.declared === null)
        throw new BatchctlError('usage', `a manager has no verb "${call.name}"`);
      return callVerb(found.declared, call, config, platform);
    },
  };
}

/** Nothing that a declared verb does is printed. */
const NOWHERE = new Writable({ write: (_, __, done) => done() });

async function callVerb(verb: AnyVerb, call: ValueCall, config: Config, platform: Platform): Promise<ValueEnd> {
  let ctx: Context | null = null;
  try {
    const { dryRun, yes, tz, ...rest } = call;
    const flags = { json: true, quiet: true, verbose: false, yes, dryRun, tz };
    const { notice, warn } = call;
    const opened = contextOf({ ...rest, flags, terminal: null, out: NOWHERE, err: NOWHERE }, config, platform);
    const own = Object.create(await opened.platform(), { warn: { value: warn, enumerable: true } }) as Platform;
    ctx = { ...opened, platform: () => Promise.resolve(own), notice, warn };
    let verdict: BatchctlError | null = null;
    const made = await runHere(ctx, verb, call.input, {
      report: (event) => call.report(event),
      shown: async () => {},
      conclude: (error) => {
        verdict = error;
      },
    });
    const { result, exitCode } = weighed(verb, made, call.input);
    if (verb.list) for await (const row of result) await call.row(row);
    const answer = verb.list ? undefined : result;
    if (verdict !== null) return { answer, ...endOf(verdict) };
    return { answer, exitCode: exitCode(), error: null };
  } catch (error) {
    return { answer: undefined, ...endOf(error) };
  } finally {
    await ctx?.close();
  }
}

/** How a verb ended that threw. */
function endOf(error: unknown): VerbEnd {
  const { kind, message, hint = null, question } = asKnown(error);
  const cause = kind === 'unexpected' ? { cause: error } : {};
  return {
    exitCode: exitOf(error),
    error: { kind, message, hint, ...(question !== undefined && { question }) },
    ...cause,
  };
}

async function runVerb(known: KnownVerb, call: VerbCall, config: Config, platform: Platform): Promise<VerbEnd> {
  let ctx: Context | null = null;
  try {
    ctx = contextOf(call, config, platform);
    const definition = known.make(ctx);
    const refused = (known.route.without ?? []).find((name) => call.input[name] !== undefined);
    if (refused !== undefined) throw new BatchctlError('usage', `unknown field "${refused}"`);
    const words = wordsOf(definition, call.input);
    const input = { ...parseCommand(known.entry, definition, words), rest: null };
    if (definition.writes) await ctx.announce();
    return { exitCode: (await definition.run(input)) ?? 0, error: null };
  } catch (error) {
    return endOf(error);
  } finally {
    await ctx?.close();
  }
}

function contextOf(call: VerbCall, config: Config, platform: Platform): Context {
  const flags: GlobalFlags = {
    ...{
      config: undefined,
      profile: config.profile.name,
      tz: call.flags.tz === null ? undefined : knownZone(call.flags.tz),
    },
    ...{ json: call.flags.json, quiet: call.flags.quiet, verbose: call.flags.verbose, yes: call.flags.yes },
    ...{ color: call.terminal?.color ?? false, dryRun: call.flags.dryRun, help: false, version: false },
  };
  return openContext({
    io: ioOf(call),
    flags,
    signal: call.signal,
    stopNow: call.signal,
    closed: new AbortController().signal,
    config,
    platform: actingAs(platform, call.who),
    attachments: attachmentsOf(call),
  });
}

/** For a caller that sent nothing: it has no files here either. */
const NOTHING: Attachments = { jobFile: null, inputs: [] };

function attachmentsOf({ name, flags, attachments }: VerbCall): Attachments {
  if (attachments === null) return NOTHING;
  const checked = checkAttachments(attachments);
  // A plan's attachments are not stored and not checked, so nothing may be created from them.
  if (checked.planned == null || name === 'plan' || flags.dryRun) return checked;
  throw new BatchctlError('usage', 'attachments.planned: expected only of a plan');
}

/** The same ports, used by another caller. */
function actingAs(platform: Platform, who: string): Platform {
  return Object.create(platform, { who: { value: who, enumerable: true } }) as Platform;
}

/** A caller has no files, environment and stdin here. */
function ioOf({ out, err, terminal }: VerbCall): Io {
  return {
    stdout: asOutput('out', out, terminal),
    stderr: asOutput('err', err, terminal),
    stdin: Readable.from([]),
    env: {},
    cwd: '/nonexistent',
    onInterrupt: () => () => {},
    exit: () => {},
  };
}

function asOutput(name: 'out' | 'err', stream: VerbCall['out'], terminal: VerbCall['terminal']): Output {
  if (terminal === null || terminal.shows?.includes(name) === false) return stream;
  // Redrawing moves the cursor with these methods, as in Node's own terminals.
  return Object.assign(stream, {
    ...{ isTTY: true, columns: terminal.columns },
    clearLine: (direction: Direction) => clearLine(stream, direction),
    cursorTo: (x: number) => cursorTo(stream, x),
    moveCursor: (dx: number, dy: number) => moveCursor(stream, dx, dy),
  });
}
