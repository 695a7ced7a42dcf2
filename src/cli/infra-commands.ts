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
    summary: 'make the bucket, the queues and the ledger of a profile',
    load: async () => (await import('./commands/infra-up.ts')).infraUpCommand,
  },
  {
    name: 'infra policies',
    group: 'Infrastructure',
    summary: 'the IAM policy that an operator or a worker needs',
    load: async () => (await import('./commands/infra-policies.ts')).infraPoliciesCommand,
  },
];
