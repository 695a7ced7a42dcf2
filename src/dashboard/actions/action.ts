import type { Scope } from '../../model/api.ts';
import type { ApiAnswer, ApiInput, ApiName } from '../api-routes.ts';
import { call } from '../call.ts';
import { shellLine } from '../words/text.ts';

/** What a person may say about an action; '' is nothing said, and a flag that is set is `yes`. */
export interface Field {
  readonly name: string;
  readonly label: string;
  readonly kind: 'text' | 'count' | 'flag' | 'choice';
  readonly initial?: string;
  readonly hint?: string;
  readonly required?: boolean;
  /** Of a choice: value and words. */
  readonly choices?: readonly (readonly [value: string, words: string])[];
}

export type Values = Readonly<Record<string, string>>;

/** Something that changes something: what it is, how the command line says it, and how it is asked for. */
export interface Action {
  /** On the button that opens it. */
  readonly label: string;
  /** The same for who hears the button alone: `Retry cause k3x9aa of price`. */
  readonly name: string;
  readonly scope: Scope;
  readonly danger: boolean;
  /** What will happen, in sentences. */
  readonly what: readonly string[];
  readonly fields: readonly Field[];
  readonly command: (values: Values) => string;
  /** Does it, or with `dryRun` only tells what it would do. Throws `CallError`. */
  readonly run: (values: Values, dryRun: boolean) => Promise<Outcome>;
  /** Whether what it would do is worth asking for before. */
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
  readonly input: (values: Values) => ApiInput<Name>;
  readonly outcome: (document: ApiAnswer<Name>, dryRun: boolean) => string;
  readonly preview?: boolean;
}

export function action<Name extends ApiName>(definition: Definition<Name>): Action {
  const { label, name, what, fields = [], words, operation, input, outcome } = definition;
  const { scope = 'operate', danger = false, preview = false } = definition;
  return {
    ...{ label, name, scope, danger, what, fields, preview },
    command: (values) => shellLine(['batchctl', ...words(values)]),
    run: async (values, dryRun) => {
      const given = input(values) as object;
      const { document, warnings } = await call(operation, { ...given, ...(dryRun && { dryRun }) } as ApiInput<Name>);
      return { text: outcome(document, dryRun), warnings };
    },
  };
}

/** `--canary 3`, or nothing. */
export const option = (flag: string, value: string | undefined): readonly string[] =>
  value === undefined || value === '' ? [] : [flag, value];

/** A field of the input, unless nothing was said. */
export const said = (name: string, value: string | undefined): Readonly<Record<string, string>> =>
  value === undefined || value === '' ? {} : { [name]: value };
