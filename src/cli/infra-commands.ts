import type { CommandEntry } from './command-entry.ts';

/** The commands that are about what a profile needs in an AWS account. */
export const INFRA_COMMANDS: readonly CommandEntry[] = [
  {
    name: 'infra plan',
    group: 'Infrastructure',
    summary: 'what infra up would make or change',
    load: async () => (await import('./commands/infra-plan.ts')).infraPlanCommand,
  },
  {
    name: 'infra up',
    group: 'Infrastructure',
    summary: 'make what a profile needs in its account, or bring it into line',
    load: async () => (await import('./commands/infra-up.ts')).infraUpCommand,
  },
  {
    name: 'infra status',
    group: 'Infrastructure',
    summary: 'what exists of a stack, and what drifted',
    load: async () => (await import('./commands/infra-status.ts')).infraStatusCommand,
  },
  {
    name: 'infra check',
    group: 'Infrastructure',
    summary: 'try a small round in the account, in a stack of its own',
    load: async () => (await import('./commands/infra-check.ts')).infraCheckCommand,
  },
  {
    name: 'infra down',
    group: 'Infrastructure',
    summary: 'remove a stack, or one of its groups',
    load: async () => (await import('./commands/infra-down.ts')).infraDownCommand,
  },
  {
    name: 'infra release',
    group: 'Infrastructure',
    summary: 'what workers run: put it, roll it out, take it back',
    load: async () => (await import('./commands/infra-release.ts')).infraReleaseCommand,
  },
  {
    name: 'infra user-data',
    group: 'Infrastructure',
    summary: 'the script that instances of a group boot with',
    load: async () => (await import('./commands/infra-user-data.ts')).infraUserDataCommand,
  },
  {
    name: 'infra template',
    group: 'Infrastructure',
    summary: 'what infra up makes, as a CloudFormation template',
    load: async () => (await import('./commands/infra-template.ts')).infraTemplateCommand,
  },
  {
    name: 'infra policies',
    group: 'Infrastructure',
    summary: 'the IAM policy that whoever makes, uses or runs a stack needs',
    load: async () => (await import('./commands/infra-policies.ts')).infraPoliciesCommand,
  },
];
