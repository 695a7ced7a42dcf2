import type { Found, Lack, Part, Resource } from './resource.ts';

/** What `up` would do with one resource. */
export interface Step {
  readonly part: Part;
  readonly kind: Resource['kind'];
  readonly name: string;
  readonly action: 'create' | 'change' | 'open' | 'keep';
  /** What it changes. */
  readonly changes: readonly string[];
  /** What somebody else's resource lacks: a person mends it. */
  readonly lacks: readonly Lack[];
}

export interface PlannedStep {
  readonly step: Step;
  readonly resource: Resource;
}

/** Looks at all resources at once. Throws the first error in their order, after all have been looked at. */
export async function planStack(resources: readonly Resource[]): Promise<readonly PlannedStep[]> {
  const looks = resources.map(async (resource) => ({ resource, step: stepOf(resource, await resource.look()) }));
  await Promise.allSettled(looks);
  return Promise.all(looks);
}

function stepOf({ part, kind, name }: Resource, found: Found): Step {
  const same = { part, kind, name, changes: [], lacks: [] };
  switch (found.state) {
    case 'absent':
      return { ...same, action: 'create' };
    case 'asItShould':
      return { ...same, action: 'keep' };
    case 'differs':
      return { ...same, action: 'change', changes: [...found.differences, ...(found.newer ?? [])] };
    case 'lacks':
      return { ...same, action: 'keep', lacks: found.lacks };
    case 'unknown':
      return { ...same, action: 'open' };
    default:
      return found satisfies never;
  }
}

/** Does what the steps say, in their order, and tells of each that was done. Cut off, the next `up` goes on. */
export async function applySteps(steps: readonly PlannedStep[], done: (step: Step) => void): Promise<void> {
  for (const { step, resource } of steps) {
    if (step.action === 'keep') continue;
    await resource.apply();
    done(step);
  }
}
