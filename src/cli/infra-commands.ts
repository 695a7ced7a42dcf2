import type { CommandEntry } from './command-entry.ts';

/** Commands for the resources that a profile needs in an AWS account. */
export const INFRA_COMMANDS: readonly CommandEntry[] = [
  {
    name: 'infra plan',
    group: 'Infrastructure',
    summary: 'Show what infra up would create or change',
    load: async () => (await import('./commands/infra-plan.ts')).infraPlanCommand,
  },
  {
    name: 'infra up',
    group: 'Infrastructure',
    summary: 'Create or update the AWS resources that a profile needs',
    load: async () => (await import('./commands/infra-up.ts')).infraUpCommand,
  },
  {
    name: 'infra status',
    group: 'Infrastructure',
    summary: 'Show which resources of a stack exist and which have drifted',
    load: async () => (await import('./commands/infra-status.ts')).infraStatusCommand,
  },
  {
    name: 'infra check',
    group: 'Infrastructure',
    summary: 'Run a small test job in the account, in a temporary stack',
    load: async () => (await import('./commands/infra-check.ts')).infraCheckCommand,
  },
  {
    name: 'infra down',
    group: 'Infrastructure',
    summary: 'Remove a stack, or one of its groups',
    load: async () => (await import('./commands/infra-down.ts')).infraDownCommand,
  },
  {
    name: 'infra release',
    group: 'Infrastructure',
    summary: 'Publish the program that workers run, roll it out or roll it back',
    load: async () => (await import('./commands/infra-release.ts')).infraReleaseCommand,
  },
  {
    name: 'infra user-data',
    group: 'Infrastructure',
    summary: 'Print the boot script for instances of a group',
    load: async () => (await import('./commands/infra-user-data.ts')).infraUserDataCommand,
  },
  {
    name: 'infra template',
    group: 'Infrastructure',
    summary: 'Print the resources of infra up as a CloudFormation template',
    load: async () => (await import('./commands/infra-template.ts')).infraTemplateCommand,
  },
  {
    name: 'infra policies',
    group: 'Infrastructure',
    summary: 'Print the IAM policy needed to create, use or run a stack',
    load: async () => (await import('./commands/infra-policies.ts')).infraPoliciesCommand,
  },
];
