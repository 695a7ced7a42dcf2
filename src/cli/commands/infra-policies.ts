import { BatchctlError } from '../../errors.ts';
import { POLICY_ROLES } from '../../infra/policies.ts';
import { PARTS, type Part } from '../../infra/resource.ts';
import { awsProfile } from '../aws-profile.ts';
import { type CommandDefinition, choice, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';

export function infraPoliciesCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--for <role>': choice('whose policy', POLICY_ROLES),
      '--only <part>': choice('of admin: what infra plan, up and status ask for with the same --only', PARTS),
    },
    writes: false,
    output: {
      type: 'object',
      description: 'an IAM policy document',
      required: ['Version', 'Statement'],
      properties: {
        Version: { const: '2012-10-17' },
        Statement: {
          type: 'array',
          items: {
            type: 'object',
            required: ['Sid', 'Effect', 'Action', 'Resource'],
            properties: {
              Sid: { type: 'string' },
              Effect: { const: 'Allow' },
              Action: { type: 'array', items: { type: 'string' } },
              Resource: { type: 'array', items: { type: 'string' } },
              Condition: { type: 'object' },
            },
          },
        },
      },
    },
    help: {
      about:
        'The least that a role needs for exactly this profile: its bucket and prefix, queues, ledger and keys. Asks nothing of AWS. Without "account" in the profile the ARNs name every account. An administrator\'s policy is longer than a managed policy of IAM may be (6,144 characters): put it into a role, or let each of several people have a part by --only; infra down takes the whole.',
      examples: [
        'batchctl infra policies --for worker > worker-policy.json',
        'batchctl infra policies --for operator --profile prod',
        'batchctl infra policies --for admin --only iam',
      ],
      exitCodes: [0, 2, 3],
      related: ['doctor', 'config show'],
    },
    run: ({ for: role = 'operator', only }) => infraPolicies({ ctx, role, only }),
  });
}

export interface InfraPoliciesOptions {
  readonly ctx: Context;
  readonly role: (typeof POLICY_ROLES)[number];
  readonly only: Part | undefined;
}

/** Prints a policy as IAM takes it. Throws `usage` for a part of another policy than the administrator's. */
export async function infraPolicies({ ctx, role, only }: InfraPoliciesOptions): Promise<void> {
  if (only !== undefined && role !== 'admin') {
    throw new BatchctlError('usage', `--only goes with --for admin, found --for ${role}`, {
      hint: `batchctl infra policies --for admin --only ${only}`,
    });
  }
  const [profile, { policyFor, adminPolicyFor }] = await Promise.all([
    awsProfile(ctx),
    import('../../infra/policies.ts'),
  ]);
  const document = only === undefined ? policyFor(role, profile) : adminPolicyFor(only, profile);
  await answer(ctx, { json: document, text: JSON.stringify(document, null, 2) });
}
