import type { Scope } from '../../model/api.ts';
import type { ApiAnswer, ApiInput, ApiName } from '../api-routes.ts';
import { call } from '../call.ts';
import { shellLine } from '../words/text.ts';

/** A field of an action's dialog. '' means not filled in; a flag that is set has the value `yes`. */
export interface Field {
  readonly name: string;
  readonly label: string;
  readonly kind: 'text' | 'count' | 'flag' | 'choice';
  readonly initial?: string;
  readonly hint?: string;
  readonly required?: boolean;
  /** For a choice: each value with its label. */
  readonly choices?: readonly (readonly [value: string, words: string])[];
}

export type Values = Readonly<Record<string, string>>;

/** An action a person can take: how the dialog explains it, the equivalent command line, and the call to the manager. */
export interface Action {
  /** Text of the button that opens the dialog. */
  readonly label: string;
  /** Complete without context, for screen readers and as the dialog's title: `Retry cause k3x9aa: 3 of price`. */
  readonly name: string;
  readonly scope: Scope;
  readonly danger: boolean;
  /** The consequences, one or two sentences per item. */
  readonly what: readonly string[];
  readonly fields: readonly Field[];
  readonly command: (values: Values) => string;
  /** Runs the action; with `dryRun`, only reports what it would do. Throws `CallError`. */
  readonly run: (values: Values, dryRun: boolean) => Promise<Outcome>;
  /** Whether the dialog shows the result of a dry run before the action is confirmed. */
  readonly preview: boolean;
}

export interface Outcome {
  readonly text: string;
  readonly warnings: readonly string[];
}

interface Definition<Name extends ApiName> {
  readonly label: string;
  readonly name: string;
  readonly scope?: Scope;
  readonly danger?: boolean;
  readonly what: readonly string[];
  readonly fields?: readonly Field[];
  readonly words: (values: Values) => readonly (string | number)[];
  readonly operation: Name;
  readonly input: (values: Values, dryRun: boolean) => ApiInput<Name>;
  readonly outcome: (document: ApiAnswer<Name>, dryRun: boolean) => string;
  readonly preview?: boolean;
}

export function action<Name extends ApiName>(definition: Definition<Name>): Action {
  const { label, name, what, words, operation, input, outcome } = definition;
  const { scope = 'operate', danger = false, preview = false } = definition;
  return {
    label,
    name,
    scope,
    danger,
    what,
    fields: definition.fields ?? [],
    preview,
    command: (values) => shellLine(['batchctl', ...words(values)]),
    run: async (values, dryRun) => {
      const fields = input(values, dryRun) as object;
      const { document, warnings } = await call(operation, { ...fields, ...(dryRun && { dryRun }) } as ApiInput<Name>);
      return { text: outcome(document, dryRun), warnings };
    },
  };
}

/** Those of the fields that are filled in, for a call's input. */
export const filledFields = (values: Values, ...names: readonly string[]): Values =>
  Object.fromEntries(Object.entries(values).filter(([name, value]) => names.includes(name) && value !== ''));

/** The same for a command line: `finishBy` as `--finish-by 18:30`. */
export const filledFlags = (values: Values, ...names: readonly string[]): readonly string[] =>
  Object.entries(filledFields(values, ...names)).flatMap(([name, value]) => [
    `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    value,
  ]);
