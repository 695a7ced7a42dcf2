import { BatchctlError } from '../../errors.ts';
import { POLICY_ROLES } from '../../infra/policies.ts';
import { PARTS, type Part } from '../../infra/resource.ts';
import { wholeNumber } from '../../lib/units.ts';
import { type CommandDefinition, choice, defineCommand, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { awsProfile } from '../infra-stack.ts';
import { answer } from '../render.ts';

export function infraPoliciesCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--for <role>': choice('whose policy', POLICY_ROLES),
      '--only <part>': choice('for admin: what infra plan, up and status need with the same --only', PARTS),
      '--document <n>': parsed('document n of a policy that exceeds one managed policy', wholeNumber(1)),
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
        'Prints the minimal permissions that a role needs for this profile: its bucket and prefix, queues, ledger and keys. Does not call AWS. Without "account" in the profile, the ARNs match any account. An IAM managed policy may have at most 6,144 characters. --document prints part n of a longer policy (the administrator\'s, and others with many groups); attach all parts. --only splits the administrator\'s policy between several people; infra down needs all of it.',
      examples: [
        'batchctl infra policies --for worker > worker-policy.json',
        'batchctl infra policies --for operator --profile prod',
        'batchctl infra policies --for admin --document 1',
        'batchctl infra policies --for admin --only iam',
      ],
      exitCodes: [0, 2, 3],
      related: ['doctor', 'config show'],
    },
    run: ({ for: role = 'operator', only, document }) => infraPolicies({ ctx, role, only, number: document }),
  });
}

export interface InfraPoliciesOptions {
  readonly ctx: Context;
  readonly role: (typeof POLICY_ROLES)[number];
  readonly only: Part | undefined;
  /** One of the documents into which the policy is split; undefined: the whole policy. */
  readonly number: number | undefined;
}

/**
 * Prints a policy in IAM's format. Throws `usage` if --only is used with a role other than admin, or if the document
 * number is out of range.
 */
export async function infraPolicies({ ctx, role, only, number }: InfraPoliciesOptions): Promise<void> {
  if (only !== undefined && role !== 'admin') {
    throw new BatchctlError('usage', `--only requires --for admin, found --for ${role}`, {
      hint: `batchctl infra policies --for admin --only ${only}`,
    });
  }
  const [profile, { policyFor, adminPolicyFor }, { documentsOf, MANAGED_LIMIT }] = await Promise.all([
    awsProfile(ctx),
    import('../../infra/policies.ts'),
    import('../../infra/policy.ts'),
  ]);
  const whole = only === undefined ? policyFor(role, profile) : adminPolicyFor(only, profile);
  const documents = documentsOf(whole);
  const document = number === undefined ? whole : documents[number - 1];
  if (document === undefined) {
    throw new BatchctlError('usage', `expected a --document from 1 to ${documents.length}, found ${number}`, {
      hint: 'attach each of them, or omit --document to see the whole policy',
    });
  }
  if (number === undefined && documents.length > 1) {
    const length = JSON.stringify(whole).length;
    ctx.io.stderr.write(
      `This policy has ${length} characters; an IAM managed policy may have at most ${MANAGED_LIMIT}. Attach it as ${documents.length} policies: --document 1 to ${documents.length}.\n`,
    );
  }
  await answer(ctx, { json: document, text: JSON.stringify(document, null, 2) });
}
