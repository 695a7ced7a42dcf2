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

/** Characters of a managed policy, white space apart (IAM: quotas). */
export const MANAGED_LIMIT = 6_144;
/** Of what surrounds the statements, and of a comma between two. */
const [AROUND, BETWEEN] = [JSON.stringify(policyOf([])).length, 1];

/** The same policy as documents of which each can be a managed policy: one, unless it is too long. */
export function documentsOf({ Statement: statements }: PolicyDocument): readonly PolicyDocument[] {
  const documents: Statement[][] = [];
  let room = 0;
  for (const statement of statements.flatMap(fitting)) {
    const length = lengthOf(statement) + BETWEEN;
    if (length > room) {
      documents.push([]);
      room = MANAGED_LIMIT - AROUND;
    }
    documents.at(-1)?.push(statement);
    room -= length;
  }
  return documents.map(policyOf);
}

const lengthOf = (value: unknown): number => JSON.stringify(value).length;

/** One whose resources alone fill a document becomes several; no two have the same name. */
function fitting(statement: Statement): readonly Statement[] {
  const room = MANAGED_LIMIT - AROUND - lengthOf({ ...statement, Sid: `${statement.Sid}000`, Resource: [] });
  const lists: string[][] = [[]];
  let left = room;
  for (const resource of statement.Resource) {
    const length = lengthOf(resource) + BETWEEN;
    if (length > left) {
      lists.push([]);
      left = room;
    }
    lists.at(-1)?.push(resource);
    left -= length;
  }
  if (lists.length === 1) return [statement];
  return lists.map((Resource, at) => ({ ...statement, Sid: `${statement.Sid}${at + 1}`, Resource }));
}
