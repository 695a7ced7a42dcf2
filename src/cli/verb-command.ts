import {
  type CallerFiles,
  type Fields,
  fieldText,
  parseInput,
  type VerbContext,
  type VerbDeclaration,
} from '../verbs/verb.ts';
import type { CommandDefinition, CommandHelp, OptionSpec, OptionSpecs, RawInput } from './command.ts';
import type { Context } from './context.ts';

/** How a verb reads on the command line: what its declaration leaves open. */
export interface VerbView<Result, Event> {
  readonly help: CommandHelp;
  /** Options that only change how the answer is shown. */
  readonly options?: OptionSpecs;
  /** Opens what shows it as it runs. */
  show(ctx: Context, options: RawInput): Showing<Result, Event>;
}

export interface Showing<Result, Event> {
  /** Shows progress. Events are shown one after another. */
  event?(event: Event): void | Promise<void>;
  /** Prints the answer: as JSON with `--json`, else as text. */
  answer(answer: Result): Promise<unknown>;
  /** Gives the terminal back, however it ended. */
  close?(): void;
}

/** Runs a verb where its work is done: in this process, or by a manager. `given` are its fields as they were typed. */
export type RunVerb = <Result, Event>(
  verb: VerbDeclaration<Fields, Result, Event>,
  given: RawInput,
  report: (event: Event) => void,
) => Promise<Result>;

/** The command that a verb is on the command line: its fields are the arguments and options, named as they are spelled. */
export function verbCommand<F extends Fields, Result, Event>(
  ctx: Context,
  verb: VerbDeclaration<F, Result, Event>,
  view: VerbView<Result, Event>,
): CommandDefinition {
  const asked = verb as unknown as VerbDeclaration<Fields, Result, Event>;
  const runBy = async (runVerb: RunVerb, input: RawInput): Promise<number> => {
    const showing = view.show(ctx, input);
    let shown = Promise.resolve();
    const report = (event: Event): void => {
      shown = shown.then(() => showing.event?.(event));
    };
    try {
      const given = Object.fromEntries(
        Object.entries(input).filter(([name]) => Object.hasOwn(verb.input.entries, name)),
      );
      const result = await runVerb(asked, given, report);
      await shown;
      await showing.answer(result);
      return verb.exit?.(result) ?? 0;
    } finally {
      showing.close?.();
    }
  };
  const { operands, options } = spelled(asked);
  return {
    ...{ arguments: operands, options: { ...options, ...view.options }, writes: verb.changes },
    ...{ passThrough: false, stopsItself: false, help: view.help, runBy },
    output: async () => (await import('./verb-schema.ts')).answerSchema(verb),
    run: (input) => runBy((each, given, report) => runHere(ctx, each, given, report), input),
  };
}

/** Runs a verb in this process. */
export async function runHere<Result, Event>(
  ctx: Context,
  verb: VerbDeclaration<Fields, Result, Event>,
  given: RawInput,
  report: (event: Event) => void,
): Promise<Result> {
  const input = parseInput(verb, given, (name) => flagOf(verb, name));
  return verb.run(verbContext(ctx, report), input);
}

function verbContext<Event>(ctx: Context, report: (event: Event) => void): VerbContext<Event> {
  const { platform, config, zone, clock, signal, notice, warn, passed } = ctx;
  const files: CallerFiles = {
    mend: async (path) => (await import('./open-job-file.ts')).openMend(ctx, path),
    text: async (option, path) => (await import('./open-job-file.ts')).openText(ctx, option, path),
  };
  const asks = async (question: string): Promise<void> => (await import('./confirm.ts')).confirm(ctx, question);
  const { dryRun } = ctx.flags;
  return { platform, config, zone, clock, signal, notice, warn, passed, files, report, dryRun, confirm: asks };
}

/** A field as the command line names it: `--canary`, `job`. */
function flagOf({ input }: Pick<VerbDeclaration<Fields, never, never>, 'input'>, name: string): string {
  const spec = fieldText(input.entries[name] as Fields[string])?.spec ?? name;
  return /--[a-z][a-z-]*/.exec(spec)?.[0] ?? name;
}

function spelled({ input }: Pick<VerbDeclaration<Fields, never, never>, 'input'>): {
  readonly operands: Record<string, string>;
  readonly options: Record<string, OptionSpec<unknown>>;
} {
  const operands: Record<string, string> = {};
  const options: Record<string, OptionSpec<unknown>> = {};
  for (const schema of Object.values(input.entries)) {
    const said = fieldText(schema);
    if (said === null) continue;
    const { spec, text, choices, repeated } = said;
    if (spec.startsWith('-')) options[spec] = { text, ...(choices && { choices }), ...(repeated && { repeat: true }) };
    else operands[spec] = text;
  }
  return { operands, options };
}
