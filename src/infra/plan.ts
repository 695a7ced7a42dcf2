import { BatchctlError } from '../errors.ts';
import { type Finding, fail } from '../model/finding.ts';
import { collectFindings, requireValid, warningsOf } from './findings.ts';
import { gridFacts } from './grid.ts';
import type { MissingItem, Resource, ResourceState, StackPart } from './resource.ts';
import { type OpenStack, resourcesOf } from './stack.ts';
import { validateStack } from './validate.ts';

/** The action of `up` on one resource. */
export interface PlanStep {
  readonly part: StackPart;
  readonly kind: Resource['kind'];
  readonly name: string;
  readonly action: 'create' | 'change' | 'open' | 'keep';
  readonly changes: readonly string[];
  readonly notes: readonly string[];
  /** The defect of a resource of another owner, which a person must fix. */
  readonly lacks: readonly MissingItem[];
}

export interface ExecutableStep {
  readonly step: PlanStep;
  readonly resource: Resource;
}

export interface Plan {
  readonly steps: readonly ExecutableStep[];
  /** Warnings to show before it is done. */
  readonly warnings: readonly string[];
}

/**
 * Looks at everything, or at one part, in parallel, and validates what is to be made; makes nothing. Throws `config`
 * with all failures; else the first error in the order of the resources, after all have been looked at.
 */
export async function planStack(stack: OpenStack, only: StackPart | null): Promise<Plan> {
  // Releases belong to the grid: a manager alone gets the current one.
  const resources = resourcesOf(stack, only, only === 'manager' ? 'inForce' : 'wanted');
  const looks = resources.map(async (resource) => ({ resource, step: stepOf(resource, await resource.look()) }));
  const [found, ofRelease] = await Promise.all([
    validateStack(stack, gridFacts(stack), only),
    collectFindings(() => validateRelease(stack, only)),
    Promise.allSettled(looks),
  ]);
  requireValid([...found, ...ofRelease]);
  return { steps: await Promise.all(looks), warnings: warningsOf([...found, ...ofRelease]) };
}

/** Making only the manager needs a release put before: without it, its instance would end itself again and again. */
async function validateRelease({ profile, releases }: OpenStack, only: StackPart | null): Promise<readonly Finding[]> {
  if (only !== 'manager' || profile.manager === null) return [];
  const missing = await releases.missing();
  const fix = 'ask someone with the permissions to run batchctl infra release';
  if (missing === null) return [fail('there is no release for the manager yet', fix)];
  return missing.map((key) => fail(`the manager needs ${key}, which is not in the store`, fix));
}

function stepOf({ part, kind, name }: Resource, found: ResourceState): PlanStep {
  const same = { part, kind, name, changes: [], notes: [], lacks: [] };
  switch (found.state) {
    case 'absent':
      return { ...same, action: 'create' };
    case 'asItShould':
      return { ...same, action: 'keep', notes: found.notes ?? [] };
    case 'differs':
      return { ...same, action: 'change', changes: [...found.differences, ...(found.newer ?? [])] };
    case 'lacks':
      return { ...same, action: 'keep', lacks: found.lacks };
    case 'unknown':
      return { ...same, action: 'open', notes: found.notes };
    default:
      return found satisfies never;
  }
}

/**
 * Applies the steps in their order, and reports each one done. If interrupted, the next `up` continues; the signal is
 * checked between steps.
 */
export async function applySteps(
  steps: readonly ExecutableStep[],
  done: (step: PlanStep) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const { step, resource } of steps) {
    if (step.action === 'keep') continue;
    if (signal.aborted) {
      throw new BatchctlError('interrupted', `stopped before ${step.kind} ${step.name}`, {
        hint: 'batchctl infra up continues from here',
      });
    }
    await resource.apply();
    done(step);
  }
}
