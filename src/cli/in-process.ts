import { dirname, resolve } from 'node:path';
import type { Platform } from '../ports/platform.ts';
import type { CallEvents, Caller, CallerFiles, VerbContext, VerbHost } from '../verbs/context.ts';
import { type Fields, runVerb, type VerbDeclaration } from '../verbs/verb.ts';
import type { RawInput } from './command.ts';
import type { Context } from './context.ts';

/** Runs a verb in this process, for the person at this command line. */
export function runInProcess<Result, Event>(
  ctx: Context,
  verb: VerbDeclaration<Fields, Result, Event>,
  given: RawInput,
  events: CallEvents<Event>,
): Promise<Result> {
  return runVerb(verb, given, verbContext(ctx, events));
}

/** The context of a verb that runs in this process, for the person at this command line. */
export function verbContext<Event>(ctx: Context, events: CallEvents<Event>): VerbContext<Event> {
  return { ...hostOf(ctx), ...personAt(ctx), ...events };
}

function hostOf(ctx: Context): VerbHost {
  const { config, platform, clock, passed } = ctx;
  return {
    config,
    platform,
    impatientPlatform: (patienceMs) => openImpatientPlatform(ctx, patienceMs, ctx.warn),
    clock,
    examine: async () => (await import('./doctor-checks.ts')).runDoctorChecks(ctx),
    passed,
  };
}

/** Ports that give up on a service after this many milliseconds. The caller closes them. */
export async function openImpatientPlatform(
  { config }: Pick<Context, 'config'>,
  patienceMs: number,
  onWarning: (text: string) => void,
): Promise<Platform> {
  const { openPlatform } = await import('../platform/open-platform.ts');
  return openPlatform(await config(), { role: 'cli', onWarning, patienceMs });
}

/** At the machine itself a person may do everything. */
function personAt(ctx: Context): Caller {
  const { signal, flags, zone, notice, warn } = ctx;
  return {
    scope: 'operate',
    signal,
    dryRun: flags.dryRun,
    confirmed: flags.yes,
    files: filesOf(ctx),
    zone,
    confirm: async (question) => (await import('./confirm.ts')).confirm(ctx, question),
    notice,
    warn,
  };
}

function filesOf(ctx: Context): CallerFiles {
  const { cwd } = ctx.io;
  return {
    cwd,
    elsewhere: false,
    stdout: ctx.flags.json ? null : async (bytes) => (await import('./render.ts')).print(ctx, bytes),
    job: async (path) => (await import('./open-job-file.ts')).openJobFile(ctx, path),
    correctedJob: async (path) => (await import('./open-job-file.ts')).openCorrectedJob(ctx, path),
    text: async (option, path) => (await import('./open-job-file.ts')).openText(ctx, option, path),
    source: async (jobFile) => ({
      directory: jobFile === null ? cwd : dirname(resolve(cwd, jobFile)),
      inputDirectory: cwd,
      stdin: ctx.io.stdin,
    }),
  };
}
