/** An IAM policy document, of the few forms of statement that this project makes. */
export interface PolicyDocument {
  readonly Version: '2012-10-17';
  readonly Statement: readonly Statement[];
}

export interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow';
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
  /** Operator to key to patterns, any of which may match. */
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}

export function allow(
  Sid: string,
  Action: readonly string[],
  Resource: readonly string[],
  Condition?: Statement['Condition'],
): Statement {
  return { Sid, Effect: 'Allow', Action, Resource, ...(Condition !== undefined && { Condition }) };
}

/** Only where a key of the request's context has this very value. */
export const equals = (key: string, ...values: readonly string[]): NonNullable<Statement['Condition']> => ({
  StringEquals: { [key]: values },
});

/** A document of those statements that are about something. */
export function policyOf(statements: readonly Statement[]): PolicyDocument {
  return {
    Version: '2012-10-17',
    Statement: statements.filter(({ Action, Resource }) => Action.length * Resource.length > 0),
  };
}
