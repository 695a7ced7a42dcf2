import type { AwsProfile } from '../config.ts';
import { Arns } from './arns.ts';
import { adminPolicy } from './policies-admin.ts';
import { managerPolicy, operatorPolicy } from './policies-operator.ts';
import { ofPart } from './policies-parts.ts';
import { workerPolicy } from './policies-worker.ts';
import { type PolicyDocument, policyOf } from './policy.ts';
import type { Part } from './resource.ts';

export const POLICY_ROLES = ['admin', 'operator', 'manager', 'worker'] as const;
/**
 * Who a policy is for: who makes the stack, who submits jobs and looks after them, the manager's instance, or a
 * worker's.
 */
export type PolicyRole = (typeof POLICY_ROLES)[number];

const POLICIES = { admin: adminPolicy, operator: operatorPolicy, manager: managerPolicy, worker: workerPolicy };

/** The least that a role needs, for exactly the profile's bucket and prefix, queues, ledger, groups and keys. */
export function policyFor(role: PolicyRole, profile: AwsProfile): PolicyDocument {
  return policyOf(POLICIES[role](profile, new Arns(profile)));
}

/** The least that who makes one part of a stack needs, by `infra plan`, `up`, `status`, each with `--only`. */
export function adminPolicyFor(part: Part, profile: AwsProfile): PolicyDocument {
  return policyOf(ofPart(adminPolicy(profile, new Arns(profile)), part));
}
