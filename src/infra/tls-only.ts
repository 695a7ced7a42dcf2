/** A statement of a bucket's policy, as anybody may have written it (IAM: JSON policy elements). */
export interface BucketStatement {
  readonly Sid?: string;
  readonly Effect?: string;
  readonly Principal?: unknown;
  readonly Action?: unknown;
  readonly Resource?: unknown;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Refuses to everybody whatever comes without TLS (S3: bucket policy examples, HTTPS only). */
export const tlsOnly = (arn: string) =>
  ({
    Sid: 'BatchctlTlsOnly',
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:*',
    Resource: [arn, `${arn}/*`],
    Condition: { Bool: { 'aws:SecureTransport': 'false' } },
  }) satisfies BucketStatement;

/** The statements of a policy: one alone needs no list. */
export function statementsOf(policy: string | undefined): readonly BucketStatement[] {
  const { Statement = [] }: { Statement?: BucketStatement | readonly BucketStatement[] } = JSON.parse(policy ?? '{}');
  return listOf(Statement);
}

/** Whether a statement refuses all requests without TLS, however it is written; one that says less doesn't. */
export function refusesWithoutTls(statement: BucketStatement, arn: string): boolean {
  const { Effect, Principal, Action, Resource, Condition = {} } = statement;
  const everybody = Principal === '*' || (isRecord(Principal) && listOf(Principal.AWS).includes('*'));
  const everything = listOf(Action).some((action) => action === 's3:*' || action === '*');
  const covered = [arn, `${arn}/*`].every((whole) =>
    listOf(Resource).some((pattern) => pattern === whole || pattern === `${arn}*` || pattern === '*'),
  );
  return Effect === 'Deny' && everybody && everything && covered && isOnlyWithoutTls(Condition);
}

/** Any further condition would narrow it. */
function isOnlyWithoutTls(condition: NonNullable<BucketStatement['Condition']>): boolean {
  const keys = Object.entries(condition).flatMap(([operator, tests]) =>
    Object.entries(tests).map(([key, value]) => ({ operator, key, value })),
  );
  return (
    keys.every(
      ({ operator, key, value }) =>
        /^Bool(IfExists)?$/.test(operator) &&
        key.toLowerCase() === 'aws:securetransport' &&
        listOf(value).every((each) => String(each) === 'false'),
    ) && keys.length === 1
  );
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? value : [value as T];
}
