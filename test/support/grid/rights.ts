import type { PolicyDocument } from '../../../src/infra/policy.ts';
import { type AnyDocument, actionsOf, allows, allowsWithin, callsOf, without } from '../iam.ts';
import type { Asking } from '../iam-query.ts';
import type { CloudCall } from './front.ts';

/** What of these requests no policy allows within a boundary, each kind once: `s3:PutObject arn:...`. */
export function unallowed(
  calls: readonly CloudCall[],
  policies: readonly PolicyDocument[],
  asking: Asking,
  boundary: AnyDocument | null = null,
): readonly string[] {
  const refused = calls
    .flatMap((call) => callsOf(call, asking))
    .filter((call) => !policies.some((policy) => allowsWithin(boundary, policy, call)))
    // One of many tasks, parts and instances is enough.
    .map(({ action, resource }) => `${action} ${resource.replace(/\d{4,}/g, 'N')}`);
  return [...new Set(refused)];
}

/** Actions of a policy that none of these requests needs. */
export function idleActions(calls: readonly CloudCall[], policy: PolicyDocument, asking: Asking): readonly string[] {
  const needed = calls.flatMap((call) => callsOf(call, asking)).filter((call) => allows(policy, call));
  return actionsOf(policy).filter((action) => needed.every((call) => allows(without(policy, action), call)));
}
