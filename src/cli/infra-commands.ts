import type { CommandEntry } from './command-entry.ts';

/** The commands that are about what a profile needs in an AWS account. */
export const INFRA_COMMANDS: readonly CommandEntry[] = [
  {
    name: 'infra policies',
    group: 'Infrastructure',
    summary: 'the IAM policy that an operator or a worker needs',
    load: async () => (await import('./commands/infra-policies.ts')).infraPoliciesCommand,
  },
];
