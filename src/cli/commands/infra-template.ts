import type { Part } from '../../infra/resource.ts';
import type { StackReleases } from '../../infra/stack.ts';
import { type CommandDefinition, choice, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { withStack } from '../infra-stack.ts';
import { ONLY } from '../infra-steps.ts';
import { answer } from '../render.ts';

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
        AWSTemplateFormatVersion: { const: '2010-09-09' },
        Description: { type: 'string' },
        Resources: { type: 'object', description: 'by logical id' },
        Outputs: { type: 'object', description: "the manager's address" },
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
      exitCodes: [
        0,
        [3, 'the configuration or the account is unsuitable, or CloudFormation would reject the template'],
        8,
      ],
      related: ['infra plan', 'infra up', 'infra release', 'infra policies'],
    },
    run: (input) => infraTemplate({ ctx, ...input }),
  });
}

export interface InfraTemplateOptions {
  readonly ctx: Context;
  readonly only: Part | undefined;
  readonly format: (typeof FORMATS)[number] | undefined;
}

/** Prints the template. Throws `config` for settings that would not work once deployed. */
export function infraTemplate({ ctx, only = undefined, format = 'yaml' }: InfraTemplateOptions): Promise<void> {
  return withStack(ctx, async (stack) => {
    const [
      { stackTemplate, templateFacts },
      { afterDeployment, howToDeploy, requireTemplateSize },
      { requireValid, warningsOf },
      { gridFacts },
      { validateStack },
      { stringify },
    ] = await Promise.all([
      import('../../infra/cloud-formation.ts'),
      import('../../infra/cloud-formation.ts'),
      import('../../infra/finding.ts'),
      import('../../infra/grid.ts'),
      import('../../infra/validate.ts'),
      import('yaml'),
    ]);
    const { profile, releases } = stack;
    const part = only ?? null;
    const facts = gridFacts(stack);
    const found = await validateStack(stack, facts, part);
    requireValid(found);
    for (const line of warningsOf(found)) ctx.warn(line);
    const release = await releaseOf(releases, part);
    const template = stackTemplate(profile, await templateFacts(profile, facts, part), release?.boots ?? null, part);
    if (release?.isThere === false) {
      ctx.warn(
        'the bucket lacks the release that instances boot with; run batchctl infra release before you deploy this',
      );
    }
    // CloudFormation reads YAML 1.1, in which an unquoted `on` or `2012-10-17` is not a string.
    const yaml = (): string => stringify(template, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false });
    const text = format === 'yaml' ? yaml() : JSON.stringify(template, null, 1);
    const bytes = Buffer.byteLength(ctx.flags.json ? JSON.stringify(template) : text);
    requireTemplateSize(bytes);
    await answer(ctx, { json: template, text });
    for (const line of howToDeploy(profile, part, bytes)) ctx.notice(line);
    const after = afterDeployment(profile, part);
    if (after.length > 0) ctx.notice(`after deploying:\n${after.map((line) => `  ${line}`).join('\n')}`);
  });
}

/**
 * The release that the template's instances boot with, as in `infra up`, and whether the bucket has it. Null without
 * instances.
 */
async function releaseOf(releases: StackReleases, part: Part | null) {
  if (part === 'data' || part === 'iam') return null;
  const boots = await (part === 'manager' ? releases.inForce() : releases.wanted());
  const { current, differences } = await releases.look();
  return { boots, isThere: current !== null && (part === 'manager' || differences.length === 0) };
}
