import type { ManagerProfile } from '../config/load-config.ts';
import { BatchctlError, hasCode, isKind } from '../errors.ts';
import { VERSION } from '../lib/version.ts';
import type { CommandDefinition, CommandEntry, InvokedCommand, RawInput } from './command.ts';
import { COMMANDS, findCommand } from './commands.ts';
import { type Context, openContext } from './context.ts';
import { type GlobalFlags, splitGlobalFlags } from './global-flags.ts';
import { allCommandsHelp, columnsOf, overview } from './help.ts';
import { type Io, listenForInterrupts } from './io.ts';
import { commandHelp, parseCommand } from './parse.ts';
import { ClosedPipe, reportError } from './report-error.ts';

/** Finds the command, runs it, and returns the exit code; every error ends here. */
export async function dispatch(argv: readonly string[], io: Io): Promise<number> {
  const closed = new AbortController();
  const onStdoutError = (error: Error): void => {
    closed.abort(hasCode(error, 'EPIPE') ? new ClosedPipe() : error);
  };
  io.stdout.on('error', onStdoutError);
  const end = argv.indexOf('--');
  const own = end < 0 ? argv : argv.slice(0, end);
  const early = { json: own.includes('--json'), verbose: own.includes('--verbose') || own.includes('-v') };
  try {
    const code = await route(argv, io, closed.signal);
    return closed.signal.aborted ? reportError(closed.signal.reason, io, early) : code;
  } catch (error) {
    return reportError(closed.signal.aborted ? closed.signal.reason : error, io, early);
  } finally {
    // Not removed at once: an EPIPE may be reported after the last write was accepted.
    setImmediate(() => io.stdout.off('error', onStdoutError));
  }
}

async function route(argv: readonly string[], io: Io, closed: AbortSignal): Promise<number> {
  const { flags, words, rest } = splitGlobalFlags(argv);
  const width = columnsOf(io.stdout);
  if (flags.version) return print(io, `${VERSION}\n`);
  const [first] = words;
  if (first === undefined) return print(io, overview(COMMANDS, width));
  if (flags.help && first === '--all' && words.length === 1) return print(io, allCommandsHelp(COMMANDS, width));
  if (first.startsWith('-')) {
    throw new BatchctlError('usage', `expected a command first, found ${first}`, { hint: 'see batchctl --help' });
  }
  const found = findCommand(words);
  if (found !== null) return runCommand(found.entry, found.words, rest, { flags, io, closed });
  const { subcommandHelp, unknownCommand } = await import('./unknown-command.ts');
  const below = flags.help && words.length === 1 ? subcommandHelp(COMMANDS, first, width) : null;
  if (below !== null) return print(io, below);
  throw unknownCommand(COMMANDS, words);
}

interface Invocation {
  readonly flags: GlobalFlags;
  readonly io: Io;
  readonly closed: AbortSignal;
}

async function runCommand(
  entry: CommandEntry,
  words: readonly string[],
  rest: readonly string[] | null,
  { flags, io, closed }: Invocation,
): Promise<number> {
  const stops = listenForInterrupts(io);
  const ctx = openContext({ flags, io, closed, signal: stops.signal, stopNow: stops.now });
  try {
    // The error is the command's to report.
    if (entry.name === 'run' && willNeedWorker(flags, words)) await ctx.heldWorker().catch(() => null);
    const definition = (await entry.load())(ctx);
    if (flags.help) return print(io, commandHelp(entry, definition, columnsOf(io.stdout)));
    stops.setHandlesSecond(definition.stopsItself);
    const apart = definition.passThrough ? rest : null;
    const all = apart === null && rest !== null ? [...words, '--', ...rest] : words;
    const { input, given } = await parseWords(entry, definition, all, { io, rest });
    return await perform({ ctx, entry, definition, input: { ...input, rest: apart }, given });
  } catch (error) {
    throw withHint(error, `see batchctl ${entry.name} --help`);
  } finally {
    stops.end();
    await ctx.close();
  }
}

/** Parses a command's words. A usage error may be an expanded pattern, or a command to run that lacks the `--` before it. */
async function parseWords(
  entry: CommandEntry,
  definition: CommandDefinition,
  words: readonly string[],
  { io, rest }: { readonly io: Io; readonly rest: readonly string[] | null },
): Promise<ReturnType<typeof parseCommand>> {
  try {
    return parseCommand(entry, definition, words, io.cwd);
  } catch (error) {
    if (!isKind(error, 'usage')) throw error;
    const { expandedPattern } = await import('./expanded-pattern.ts');
    const expanded = expandedPattern(words, io.cwd);
    if (expanded !== null) throw expanded;
    if (entry.name !== 'run' || rest !== null) throw error;
    const { missingSeparator } = await import('./missing-separator.ts');
    throw missingSeparator(entry, definition, words, io.cwd) ?? error;
  }
}

/** Arguments with which `run` may need no worker: the job may exist already, or its inputs may be missing. */
const MAY_NEED_NO_WORKER = /^--(run-key|await-input)\b|^last$|-\d{8}-\d{4}-[a-z2-7]{5}$/;

/** Whether `run` will surely need a worker, so that one can be started now. */
function willNeedWorker(flags: GlobalFlags, words: readonly string[]): boolean {
  return !flags.help && !flags.dryRun && !words.some((word) => MAY_NEED_NO_WORKER.test(word));
}

/** Gives a usage error without a hint a reference to the help page. */
function withHint(error: unknown, hint: string): unknown {
  if (!(error instanceof BatchctlError) || error.kind !== 'usage' || error.hint !== undefined) return error;
  return new BatchctlError('usage', error.message, { hint, cause: error });
}

async function perform(invoked: InvokedCommand): Promise<number> {
  const { ctx, entry, definition, input } = invoked;
  const profile = mayUseManager(entry, input) ? await managerProfile(ctx) : null;
  if (profile !== null) {
    return (await import('./through/through-manager.ts')).runThroughManager({ ...invoked, profile });
  }
  if (definition.writes) await ctx.announce();
  return (await definition.run(input)) ?? 0;
}

/** Commands that need no profile, or read it themselves. */
const NEEDS_NO_MANAGER = [
  ...[
    'init',
    'config show',
    'config trust',
    'schema',
    'completion',
    '__complete',
    'version',
    'help',
    'worker-supervisor',
  ],
];

function mayUseManager({ name }: CommandEntry, { check, job }: RawInput): boolean {
  if (NEEDS_NO_MANAGER.includes(name)) return false;
  // `verify --check` reads a file and needs no manager.
  return !(name === 'verify' && check !== undefined && job === undefined);
}

/** The profile, if it uses a manager. An unreadable configuration is reported by the code that needs it. */
async function managerProfile(ctx: Context): Promise<ManagerProfile | null> {
  const config = await ctx.config().catch(() => null);
  return config?.profile.backend === 'manager' ? config.profile : null;
}

function print(io: Io, text: string): number {
  io.stdout.write(text);
  return 0;
}
