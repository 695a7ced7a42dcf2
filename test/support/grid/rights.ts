import type { PolicyDocument } from '../../../src/infra/policy.ts';
import { allows, callsOf } from '../iam.ts';
import type { Asking } from '../iam-query.ts';
import type { CloudCall } from './front.ts';

/** What of these requests a policy doesn't allow, each kind once: `s3:PutObject arn:...`. */
export function unallowed(calls: readonly CloudCall[], policy: PolicyDocument, asking: Asking): readonly string[] {
  const refused = calls
    .flatMap((call) => callsOf(call, asking))
    .filter((call) => !allows(policy, call))
    // One of many tasks, parts and instances is enough.
    .map(({ action, resource }) => `${action} ${resource.replace(/\d{4,}/g, 'N')}`);
  return [...new Set(refused)];
}
