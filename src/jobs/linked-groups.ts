import type { JobSpec } from '../model/job.ts';

/**
 * The groups in whose queues a group's tasks may lie, itself first: a step with a fallback links two, whichever has the
 * message by now. Over all specs, since a count of a queue doesn't tell whose messages it holds.
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
