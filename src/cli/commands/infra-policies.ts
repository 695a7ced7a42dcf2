import { POLICY_ROLES } from '../../infra/policies.ts';
import { awsProfile } from '../aws-profile.ts';
import { type CommandDefinition, choice, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';

export function infraPoliciesCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: { '--for <role>': choice('whose policy', POLICY_ROLES) },
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
        'The least that a role needs for exactly this profile: its bucket and prefix, queues, ledger and keys. Asks nothing of AWS. Without "account" in the profile the ARNs name every account.',
      examples: [
        'batchctl infra policies --for worker > worker-policy.json',
        'batchctl infra policies --for operator --profile prod',
      ],
      exitCodes: [0, 3],
      related: ['doctor', 'config show'],
    },
    run: ({ for: role }) => infraPolicies({ ctx, role: role ?? 'operator' }),
  });
}

export interface InfraPoliciesOptions {
  readonly ctx: Context;
  readonly role: (typeof POLICY_ROLES)[number];
}

/** Prints a policy as IAM takes it. */
export async function infraPolicies({ ctx, role }: InfraPoliciesOptions): Promise<void> {
  const [profile, { policyFor }] = await Promise.all([awsProfile(ctx), import('../../infra/policies.ts')]);
  const document = policyFor(role, profile);
  await answer(ctx, { json: document, text: JSON.stringify(document, null, 2) });
}
