import { Readable, Writable } from 'node:stream';
import type { Config } from '../../config/load-config.ts';
import { BatchctlError } from '../../errors.ts';
import type { Platform } from '../../ports/platform.ts';
import type { Attachments, ValueCall, ValueEnd, VerbEnd, VerbRunner } from '../../ports/verbs.ts';
import { type AnyVerb, weighed } from '../../verbs/verb.ts';
import type { CommandTable } from '../command.ts';
import { type Context, openContext } from '../context.ts';
import { type GlobalFlags, knownZone } from '../global-flags.ts';
import type { Io } from '../io.ts';
import { asKnown, exitOf } from '../report-error.ts';
import { runHere } from '../verb-command.ts';
import { checkAttachments } from './check-attachments.ts';
import { describeVerbs } from './describe-verbs.ts';

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
const NO_WORLD: Io = {
  ...{ stdout: NOWHERE, stderr: NOWHERE, stdin: Readable.from([]), env: {}, cwd: '/nonexistent' },
  onInterrupt: () => () => {},
  exit: () => {},
};

async function callVerb(verb: AnyVerb, call: ValueCall, config: Config, platform: Platform): Promise<ValueEnd> {
  let ctx: Context | null = null;
  try {
    const { notice, warn } = call;
    const opened = contextOf(call, config, platform);
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

/** The frame that reports a verb's error. */
function endOf(error: unknown): VerbEnd {
  const { kind, message, hint = null, question } = asKnown(error);
  const cause = kind === 'unexpected' ? { cause: error } : {};
  return {
    exitCode: exitOf(error),
    error: { kind, message, hint, ...(question !== undefined && { question }) },
    ...cause,
  };
}

function contextOf(call: ValueCall, config: Config, platform: Platform): Context {
  const { signal, dryRun, yes, tz } = call;
  const flags: GlobalFlags = {
    ...{ config: undefined, profile: config.profile.name, tz: tz === null ? undefined : knownZone(tz) },
    ...{ json: true, quiet: true, verbose: false, color: false, help: false, version: false, dryRun, yes },
  };
  return openContext({
    ...{ io: NO_WORLD, flags, signal, stopNow: signal, closed: new AbortController().signal, config },
    platform: actingAs(platform, call.who),
    attachments: attachmentsOf(call),
  });
}

/** For a call without attachments. */
const NOTHING: Attachments = { jobFile: null, inputs: [] };

function attachmentsOf({ name, dryRun, attachments }: ValueCall): Attachments {
  if (attachments === null) return NOTHING;
  const checked = checkAttachments(attachments);
  // A plan's attachments are not stored and not checked, so nothing may be created from them.
  if (checked.planned == null || name === 'plan' || dryRun) return checked;
  throw new BatchctlError('usage', 'attachments.planned: expected only of a plan');
}

/** The same ports, acting in the caller's name. */
function actingAs(platform: Platform, who: string): Platform {
  return Object.create(platform, { who: { value: who, enumerable: true } }) as Platform;
}
