import * as v from 'valibot';
import type { BatchctlError } from '../errors.ts';
import type { CallEvents } from '../verbs/context.ts';
import { jobToChange } from '../verbs/job.ts';
import {
  asCallable,
  type Fields,
  type FieldValues,
  fieldText,
  flagOf,
  parseInput,
  scopeOf,
  type VerbDeclaration,
  withExitCode,
} from '../verbs/verb.ts';
import type { CommandDefinition, CommandHelp, OptionSpec, OptionSpecs, RawInput, RunVerb } from './command.ts';
import type { Context } from './context.ts';
import { runInProcess } from './in-process.ts';

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

/** Makes the command of a verb. Its fields become arguments and options, named as their spelling says. */
export function verbCommand<F extends Fields, Result, Event>(
  ctx: Context,
  verb: VerbDeclaration<F, Result, Event>,
  view: VerbView<Result, Event>,
): CommandDefinition {
  const asked = asCallable(verb);
  const runBy = async (runVerb: RunVerb, input: RawInput): Promise<number> => {
    // A field that needs more permissions makes a verb write that usually only reads.
    if (!verb.changes && scopeOf(asked, input) !== verb.scope) await ctx.announce();
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
    output: async () => (await import('../verbs/verb-schema.ts')).answerSchema(verb),
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
  parseInput({ input }, { ...given, job: 'last' }, flagOf(input.entries));
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
  return parseInput(verb, given, flagOf(fields));
}
