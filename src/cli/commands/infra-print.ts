import { BatchctlError } from '../../errors.ts';
import { POLICY_ROLES } from '../../infra/policies.ts';
import { STACK_PARTS, type StackPart } from '../../infra/resource.ts';
import type { StackReleases } from '../../infra/stack.ts';
import { ownValue } from '../../lib/json.ts';
import { MANAGER_GROUP } from '../../lib/stack-names.ts';
import { wholeNumberParser } from '../../lib/units.ts';
import { type CommandDefinition, choice, defineCommand, groupOption, objectOf, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { awsProfile, ONLY, openReleases, withStack } from '../infra-stack.ts';
import { printAnswer } from '../render.ts';

const FORMATS = ['yaml', 'json'] as const;

export function infraTemplateCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: { ...ONLY, '--format <format>': choice('output format (default: yaml)', FORMATS) },
    writes: false,
    output: {
      type: 'object',
      description: 'a CloudFormation template',
      required: ['AWSTemplateFormatVersion', 'Description', 'Resources'],
      properties: {
        AWSTemplateFormatVersion: { const: '2010-09-09', description: "the format's version" },
        Description: { type: 'string', description: 'the stack, its account and region' },
        Resources: { type: 'object', description: 'logical id to type and properties' },
        Outputs: { type: 'object', description: "the manager's address; absent without one" },
      },
    },
    help: {
      about:
        'Prints the resources of infra up as a CloudFormation template, for accounts that accept only reviewed templates. Names, tags and settings are the same, so all other commands recognize the resources. It looks up subnets, images and instance types, validates like infra plan, and creates nothing. On stderr it prints the command that deploys the template, and commands for anything a template cannot do. Instances fetch their program from the bucket. If some start at once (a manager, or a group with a min), deploy --only data and --only iam first, then run infra release, then deploy the rest.',
      examples: [
        'batchctl infra template > stack.yaml',
        'batchctl infra template --only data > data.yaml',
        'batchctl infra template --format json --only grid > grid.json',
      ],
      exitCodes: {
        0: true,
        3: 'the configuration or the account is unsuitable, or CloudFormation would reject the template',
        8: true,
      },
      related: ['infra plan', 'infra up', 'infra release', 'infra policies'],
    },
    run: ({ only, format }) => infraTemplate(ctx, only, format),
  });
}

/** Prints the template. Throws `config` for settings that would not work once deployed. */
function infraTemplate(
  ctx: Context,
  only: StackPart | undefined,
  format: (typeof FORMATS)[number] | undefined = 'yaml',
): Promise<void> {
  return withStack(ctx, async (stack) => {
    const { postDeployCommands, deployHints, requireTemplateSize, stackTemplate, templateFacts } = await import(
      '../../infra/cloud-formation.ts'
    );
    const { requireValid, warningsOf } = await import('../../infra/findings.ts');
    const { gridFacts } = await import('../../infra/grid.ts');
    const { validateStack } = await import('../../infra/validate.ts');
    const { default: yaml } = await import('yaml');
    const { profile, releases } = stack;
    const part = only ?? null;
    const facts = gridFacts(stack);
    const found = await validateStack(stack, facts, part);
    requireValid(found);
    for (const line of warningsOf(found)) ctx.warn(line);
    const release = await findBootRelease(releases, part);
    const template = stackTemplate(profile, await templateFacts(profile, facts, part), release?.boots ?? null, part);
    if (release?.isThere === false) {
      ctx.warn(
        'the release that instances boot with is not in the bucket; run batchctl infra release before you deploy this',
      );
    }
    // CloudFormation reads YAML 1.1, in which an unquoted `on` or `2012-10-17` is not a string.
    const asYaml = { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false } as const;
    const text = format === 'yaml' ? yaml.stringify(template, asYaml) : JSON.stringify(template, null, 1);
    const bytes = Buffer.byteLength(ctx.flags.json ? JSON.stringify(template) : text);
    requireTemplateSize(bytes);
    await printAnswer(ctx, { json: template, text });
    for (const line of deployHints(profile, part, bytes)) ctx.notice(line);
    const after = postDeployCommands(profile, part);
    if (after.length > 0) ctx.notice(`after deploying:\n${after.map((line) => `  ${line}`).join('\n')}`);
  });
}

/** The release that instances boot with, and whether the bucket has it. Null without instances. */
async function findBootRelease(releases: StackReleases, part: StackPart | null) {
  if (part === 'data' || part === 'iam') return null;
  const boots = await (part === 'manager' ? releases.inForce() : releases.wanted());
  const { current, differences } = await releases.look();
  return { boots, isThere: current !== null && (part === 'manager' || differences.length === 0) };
}

export function infraPoliciesCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--for <role>': choice('whose policy', POLICY_ROLES),
      '--only <part>': choice('for admin: what infra plan, up and status need with the same --only', STACK_PARTS),
      '--document <n>': parsed('document n of a policy that exceeds one managed policy', wholeNumberParser(1)),
    },
    writes: false,
    output: {
      type: 'object',
      description: 'an IAM policy document',
      required: ['Version', 'Statement'],
      properties: {
        Version: { const: '2012-10-17', description: "the policy language's version" },
        Statement: {
          type: 'array',
          items: objectOf(
            {
              Sid: { type: 'string', description: 'a name' },
              Effect: { const: 'Allow' },
              Action: { type: 'array', items: { type: 'string' }, description: 'the allowed actions' },
              Resource: { type: 'array', items: { type: 'string' }, description: 'ARNs, with `*` and `?`' },
              Condition: { type: 'object', description: 'operator to key to values; absent: no limit' },
            },
            ['Condition'],
          ),
          description: 'the statements',
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
      exitCodes: { 0: true, 2: true, 3: true },
      related: ['doctor', 'config show'],
    },
    run: ({ for: role = 'operator', only, document }) => infraPolicies(ctx, role, only, document),
  });
}

/** Throws `usage` for --only with a role other than admin, and for a document number out of range. */
async function infraPolicies(
  ctx: Context,
  role: (typeof POLICY_ROLES)[number],
  only: StackPart | undefined,
  number: number | undefined,
): Promise<void> {
  if (only !== undefined && role !== 'admin') {
    throw new BatchctlError('usage', `--only requires --for admin, found --for ${role}`, {
      hint: `batchctl infra policies --for admin --only ${only}`,
    });
  }
  const { policyFor, adminPolicyFor } = await import('../../infra/policies.ts');
  const { documentsOf, MANAGED_LIMIT } = await import('../../infra/policy.ts');
  const profile = await awsProfile(ctx);
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
  await printAnswer(ctx, { json: document, text: JSON.stringify(document, null, 2) });
}

export function infraUserDataCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--group <group>': groupOption('the group of the instances (default: default)'),
      '--address <allocation>': `for --group ${MANAGER_GROUP}: allocation id of the Elastic IP that it takes`,
    },
    writes: false,
    output: objectOf({
      group: { type: 'string', description: 'the group whose instances run it' },
      release: { type: 'string', description: 'SHA-256 of the bundle that it fetches' },
      userData: { type: 'string', description: 'the script' },
    }),
    help: {
      about:
        "Prints the script that instances of a group run at their first boot. It installs Node, fetches and verifies the current release, runs the group's setup and starts the worker. It contains no secrets and may be run twice. Use it for review, or for instances started by other means; these need the role of infra policies --for worker.",
      examples: [
        'batchctl infra user-data --group default',
        'batchctl infra user-data > boot.sh && shellcheck boot.sh',
      ],
      exitCodes: { 0: true, 3: true, 4: 'no such group, or no release so far', 8: true },
      related: ['infra release', 'infra up', 'workers logs', 'infra policies'],
    },
    run: ({ group, address }) => infraUserData(ctx, group, address),
  });
}

async function infraUserData(
  ctx: Context,
  group: string | undefined = 'default',
  address: string | undefined,
): Promise<void> {
  const profile = await awsProfile(ctx);
  const isManager = group === MANAGER_GROUP && ownValue(profile.groups, group) === undefined;
  if (isManager && address === undefined) {
    throw new BatchctlError('usage', "expected --address for the manager's user-data, found none", {
      hint: 'aws ec2 describe-addresses lists the allocation ids of Elastic IPs',
    });
  }
  const { workerUserData, managerUserData } = await import('../../infra/user-data.ts');
  const releases = await openReleases(ctx, profile);
  if ((await releases.current()) === null) {
    throw new BatchctlError('notFound', `stack ${profile.stack} has no release yet`, {
      hint: 'run batchctl infra release to make one',
    });
  }
  const release = await releases.inForce();
  const userData =
    isManager && address !== undefined
      ? managerUserData(profile, release, address)
      : workerUserData(profile, group, release);
  await printAnswer(ctx, { json: { group, release: release.sha256, userData }, text: userData });
}
