import type { Insight } from '../ports/insight.ts';

/** What a local profile can report of its disk and of its groups' supervisors. */
export function localInsight(root: string): Insight {
  return {
    disks: async () => (await import('../adapters/local/disk-space.ts')).diskSpaces(root),
    supervisor: async (group) => (await import('../adapters/local/supervisor-facts.ts')).supervisorFacts(root, group),
  };
}
