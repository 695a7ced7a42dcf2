import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import type { BatchctlError } from '../errors.ts';
import type { Platform } from '../ports/platform.ts';
import { scopeOf } from '../ports/verbs.ts';
import { jobToChange } from '../verbs/job.ts';
import {
  asCallable,
  type CallEvents,
  type CallerFiles,
  type Fields,
  type FieldValues,
  fieldText,
  parseInput,
  type VerbContext,
  type VerbDeclaration,
  withExitCode,
} from '../verbs/verb.ts';
import type { CommandDefinition, CommandHelp, OptionSpec, OptionSpecs, RawInput } from './command.ts';
import type { Context } from './context.ts';

/** The command-line side of a verb: what its declaration leaves open. */
export interface VerbView<Result, Event> {
  readonly help: CommandHelp;
  /** Options that only change how the answer is shown. */
  readonly options?: OptionSpecs;
  /** The verb itself asks before it changes the job, and names it. */
  readonly confirmsItself?: true;
  /** Additional fields of the call, derived from `options`. */
  given?(options: RawInput): RawInput;
  show(ctx: Context, options: RawInput): Presenter<Result, Event>;
}

export interface Presenter<Result, Event> {
  /** Shows progress. Events are shown one at a time. */
  event?(event: Event): void | Promise<void>;
  /** Prints the answer: JSON with `--json`, otherwise text. */
  answer(answer: Result): Promise<unknown>;
  /** A command that continues where this one ended, and determines the exit code; null for none. */
  next?(answer: Result): Promise<{ readonly command: CommandDefinition; readonly input: RawInput } | null>;
  /** Restores the terminal, however the run ended. */
  close?(): void | Promise<void>;
}

/** Runs a verb in this process, or by a manager. `given` are its fields as typed. */
export type RunVerb = <Result, Event>(
  verb: VerbDeclaration<Fields, Result, Event>,
  given: RawInput,
  events: CallEvents<Event>,
) => Promise<Result>;

/** Makes the command of a verb. Its fields become arguments and options, named as their spelling says. */
export function verbCommand<F extends Fields, Result, Event>(
  ctx: Context,
  verb: VerbDeclaration<F, Result, Event>,
  view: VerbView<Result, Event>,
): CommandDefinition {
  const asked = asCallable(verb);
  const runBy = async (runVerb: RunVerb, input: RawInput): Promise<number> => {
    // A field that needs more permissions makes a verb write that usually only reads.
    const { scope, scopeWith = {} } = verb;
    if (!verb.changes && scopeOf({ scope, scopeWith }, input) !== scope) await ctx.announce();
    const showing = view.show(ctx, input);
    const events = sequentialEvents((event: Event) => showing.event?.(event));
    try {
      const typed = Object.entries(input).filter(([name]) => Object.hasOwn(verb.input.entries, name));
      const fields = { ...Object.fromEntries(typed), ...view.given?.(input) };
      const given = await withConfirmedJob(ctx, asked, fields, { runVerb, asks: view.confirmsItself === true });
      const made = await runVerb(asked, given, events);
      await events.shown();
      const inOrder = verb.list ? (afterEvents(made as AsyncIterable<unknown>, events.shown) as Result) : made;
      const { result, exitCode } = withExitCode(verb, inOrder, given);
      await showing.answer(result);
      if (events.verdict() !== null) throw events.verdict();
      const next = (await showing.next?.(result)) ?? null;
      if (next?.command.runBy !== undefined) return await next.command.runBy(runVerb, next.input);
      return exitCode();
    } finally {
      // Events reported before a failure are shown before the error.
      await events.shown().finally(() => showing.close?.());
    }
  };
  const { operands, options } = commandLineFields(asked.input.entries);
  return {
    arguments: operands,
    options: { ...options, ...view.options },
    writes: verb.changes,
    passThrough: false,
    stopsItself: false,
    help: view.help,
    runBy,
    output: async () => (await import('./verb-schema.ts')).answerSchema(verb),
    run: async (input) => {
      return runBy((each, given, events) => runInProcess(ctx, each, given, events), input);
    },
  };
}

/** Replaces "the latest job" with the id that the person confirmed, as a newer job may arrive meanwhile. */
async function withConfirmedJob(
  ctx: Context,
  { name, input }: VerbDeclaration<Fields, unknown, never>,
  given: RawInput,
  { runVerb, asks }: { readonly runVerb: RunVerb; readonly asks: boolean },
): Promise<RawInput> {
  if (input.entries.job !== jobToChange || given.job !== undefined) return given;
  // Mistakes in the input are reported before the question.
  parseInput({ input }, { ...given, job: 'last' }, (field) => flagOf(input.entries, field));
  const { confirmLatest } = await import('./confirm.ts');
  return { ...given, job: await confirmLatest(ctx, { name, task: given.task }, { runVerb, asks }) };
}

/** Shows the events of a call one at a time. */
export function sequentialEvents<Event>(
  show: (event: Event) => void | Promise<void> | undefined,
): CallEvents<Event> & { verdict(): BatchctlError | null } {
  let shown = Promise.resolve();
  let verdict: BatchctlError | null = null;
  return {
    report(event) {
      shown = shown.then(() => show(event));
    },
    shown: () => shown,
    conclude(error) {
      verdict = error;
    },
    verdict: () => verdict,
  };
}

/** The rows, each after the events reported before it. */
async function* afterEvents<Row>(rows: AsyncIterable<Row>, shown: () => Promise<void>): AsyncIterable<Row> {
  for await (const row of rows) {
    await shown();
    yield row;
  }
  await shown();
}

export async function runInProcess<Result, Event>(
  ctx: Context,
  verb: VerbDeclaration<Fields, Result, Event>,
  given: RawInput,
  events: CallEvents<Event>,
): Promise<Result> {
  const input = parseInput(verb, given, (name) => flagOf(verb.input.entries, name));
  const opened: Platform[] = [];
  try {
    const result = await verb.run(verbContext(ctx, events, opened), input);
    const verdict = verb.verdict?.(result) ?? null;
    if (verdict !== null) events.conclude(verdict);
    return result;
  } finally {
    for (const platform of opened) await platform.close();
  }
}

/**
 * The context of a verb that runs in this process, for the person at this command line or for a manager's caller.
 * `opened` receives the ports that are opened only for this run.
 */
export function verbContext<Event>(
  ctx: Context,
  events: CallEvents<Event>,
  opened: Platform[] = [],
): VerbContext<Event> {
  const impatientPlatform = async (patienceMs: number): Promise<Platform> => {
    const { openPlatform } = await import('../platform/open-platform.ts');
    const platform = await openPlatform(await ctx.config(), { role: 'cli', onWarning: ctx.warn, patienceMs });
    opened.push(platform);
    return platform;
  };
  const { dryRun, yes: confirmed } = ctx.flags;
  return {
    ...ctx,
    impatientPlatform,
    dryRun,
    confirmed,
    ...events,
    confirm: async (question) => (await import('./confirm.ts')).confirm(ctx, question),
    files: filesOf(ctx),
  };
}

function filesOf(ctx: Context): CallerFiles {
  const { cwd } = ctx.io;
  const { attachments } = ctx;
  return {
    cwd,
    elsewhere: attachments !== null,
    stdout: ctx.flags.json ? null : async (bytes) => (await import('./render.ts')).print(ctx, bytes),
    job: async (path) => (await import('./open-job-file.ts')).openJobFile(ctx, path),
    correctedJob: async (path) => (await import('./open-job-file.ts')).openCorrectedJob(ctx, path),
    text: async (option, path) => (await import('./open-job-file.ts')).openText(ctx, option, path),
    async source(jobFile, spec) {
      const directory = jobFile === null ? cwd : dirname(resolve(cwd, jobFile));
      // Opened only here: it loads Node's streams of files and more, which takes 2 ms.
      const places = { directory, inputDirectory: cwd, stdin: ctx.io.stdin };
      if (attachments === null) return places;
      const { attachedCode } = await import('./open-job-file.ts');
      return { ...places, attachments, code: await attachedCode(ctx, attachments, spec) };
    },
  };
}

/** A field's name on the command line: `--canary`, `job`. */
function flagOf(fields: Fields, name: string): string {
  const spec = fieldText(fields[name] as Fields[string]).spec ?? name;
  return /--[a-z][a-z-]*/.exec(spec)?.[0] ?? name;
}

export function commandLineFields(fields: Fields): {
  readonly operands: Readonly<Record<string, string>>;
  readonly options: OptionSpecs;
} {
  const operands: Record<string, string> = {};
  const options: Record<string, OptionSpec<unknown>> = {};
  for (const schema of Object.values(fields)) {
    const { spec, text, choices, repeated } = fieldText(schema);
    if (spec === null) continue;
    if (spec.startsWith('-')) options[spec] = { text, ...(choices && { choices }), ...(repeated && { repeat: true }) };
    else operands[spec] = text;
  }
  return { operands, options };
}

/** The values of those fields in the input. Throws `usage` with the option's name. */
export function parseFields<F extends Fields>(fields: F, input: RawInput): FieldValues<F> {
  const verb = { input: v.strictObject(fields) };
  const given = Object.fromEntries(Object.entries(input).filter(([name]) => Object.hasOwn(fields, name)));
  return parseInput(verb, given, (name) => flagOf(fields, name));
}
