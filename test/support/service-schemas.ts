/**
 * The services' own models, as the SDK's clients carry them (Smithy): a schema is a list whose first element is its kind.
 * A member's schema may be wrapped in a function, and in a list with traits.
 */

/** What a client's module exports for an operation, a structure or an error. */
type Schema = readonly unknown[];

const [LIST, MAP, STRUCTURE, OPERATION, ERROR] = [1, 2, 3, 9, -3];

const CLIENTS = {
  autoscaling: () => import('@aws-sdk/client-auto-scaling'),
  ec2: () => import('@aws-sdk/client-ec2'),
  iam: () => import('@aws-sdk/client-iam'),
  kms: () => import('@aws-sdk/client-kms'),
  s3: () => import('@aws-sdk/client-s3'),
  secretsmanager: () => import('@aws-sdk/client-secrets-manager'),
  servicequotas: () => import('@aws-sdk/client-service-quotas'),
  sqs: () => import('@aws-sdk/client-sqs'),
  ssm: () => import('@aws-sdk/client-ssm'),
  sts: () => import('@aws-sdk/client-sts'),
};

export type Service = keyof typeof CLIENTS;

export const isService = (name: string): name is Service => name in CLIENTS;

/** The schemas of a service by the names of its model. */
async function schemasOf(service: Service): Promise<readonly Schema[]> {
  const exported: Readonly<Record<string, unknown>> = { ...(await CLIENTS[service]()) };
  return Object.values(exported).filter(
    (value): value is Schema => Array.isArray(value) && typeof value[0] === 'number',
  );
}

/** The statuses of a service's errors, by the names on the wire: those of the model, and the older ones of the query protocol. */
export async function errorStatuses(service: Service): Promise<ReadonlyMap<string, number>> {
  const statuses = new Map<string, number>();
  for (const [kind, , name, traits] of await schemasOf(service)) {
    if (kind !== ERROR || !isObject(traits)) continue;
    const { httpError, awsQueryError } = traits;
    if (typeof httpError === 'number') statuses.set(String(name), httpError);
    if (Array.isArray(awsQueryError)) statuses.set(String(awsQueryError[0]), Number(awsQueryError[1]));
  }
  return statuses;
}

/** The names of all members that requests of a service may have, at any depth. */
export async function requestMembers(service: Service): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  const seen = new Set<unknown>();
  const look = (member: unknown): void => {
    const schema = schemaOf(member);
    if (schema === null || seen.has(schema)) return;
    seen.add(schema);
    if (schema[0] === LIST || schema[0] === MAP) look(schema.at(-1));
    for (const [name, of] of membersOf(schema)) {
      names.add(name);
      look(of);
    }
  };
  for (const [kind, , , , input] of await schemasOf(service)) if (kind === OPERATION) look(input);
  return names;
}

/** The parts of an operation's answer that its model doesn't have: `AutoScalingGroups[0].Size`. */
export async function unknownParts(service: Service, operation: string, answer: unknown): Promise<readonly string[]> {
  const found = (await schemasOf(service)).find(([kind, , name]) => kind === OPERATION && name === operation);
  if (found === undefined) return [`there is no ${operation}`];
  const unknown: string[] = [];
  const look = (member: unknown, value: unknown, at: string): void => {
    const schema = schemaOf(member);
    if (schema === null) return;
    if (Array.isArray(value)) {
      if (schema[0] === LIST) for (const [number, each] of value.entries()) look(schema[4], each, `${at}[${number}]`);
      else unknown.push(`${at} is a list`);
    } else if (isObject(value) && schema[0] === STRUCTURE) {
      const members = new Map(membersOf(schema));
      for (const [name, each] of Object.entries(value)) {
        if (each === undefined || each === null) continue;
        const place = at === '' ? name : `${at}.${name}`;
        if (members.has(name)) look(members.get(name), each, place);
        else unknown.push(place);
      }
    }
  };
  look(found[5], answer, '');
  return unknown;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/** A member's schema without what wraps it; null for a scalar. */
function schemaOf(member: unknown): Schema | null {
  if (typeof member === 'function') return schemaOf(member());
  if (!Array.isArray(member)) return null;
  return typeof member[0] === 'number' && typeof member[1] === 'string' ? member : schemaOf(member[0]);
}

function membersOf([kind, , , , names, schemas]: Schema): readonly (readonly [string, unknown])[] {
  if (kind !== STRUCTURE || !Array.isArray(names) || !Array.isArray(schemas)) return [];
  return names.map((name, at) => [String(name), schemas[at]] as const);
}
