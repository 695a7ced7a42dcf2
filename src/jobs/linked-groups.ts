import type { JobSpec } from '../model/job.ts';

/**
 * The groups whose queues may contain a group's tasks, itself first: a fallback links two groups, either of which may
 * have the message. Covers all specs, as a queue's count doesn't say whose messages it has.
 */
export function linkedGroups(group: string, specs: readonly Pick<JobSpec, 'steps'>[]): readonly string[] {
  const links = specs.flatMap(({ steps }) =>
    steps.flatMap((step) => (step.fallback === null ? [] : [[step.group, step.fallback] as const])),
  );
  const linked = new Set([group]);
  for (const known of linked) {
    for (const [one, other] of links) {
      if (one === known) linked.add(other);
      if (other === known) linked.add(one);
    }
  }
  return [...linked];
}
