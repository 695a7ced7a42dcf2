import type { PolicyDocument } from '../../../src/infra/policy.ts';
import { allows, callsOf } from '../iam.ts';
import type { Asking } from '../iam-query.ts';
import type { CloudCall } from './front.ts';

/** What of these requests no policy allows, each kind once: `s3:PutObject arn:...`. */
export function unallowed(
  calls: readonly CloudCall[],
  policies: readonly PolicyDocument[],
  asking: Asking,
): readonly string[] {
  const refused = calls
    .flatMap((call) => callsOf(call, asking))
    .filter((call) => !policies.some((policy) => allows(policy, call)))
    // One of many tasks, parts and instances is enough.
    .map(({ action, resource }) => `${action} ${resource.replace(/\d{4,}/g, 'N')}`);
  return [...new Set(refused)];
}
