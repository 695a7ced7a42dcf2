import { isKind } from '../errors.ts';
import { type InventoryItem, takeInventory } from './inventory.ts';
import { domainsOf } from './ledger.ts';
import type { MissingItem, Resource, StackPart } from './resource.ts';
import { type OpenStack, resourcesOf } from './stack.ts';

export interface ResourceStatus {
  readonly part: StackPart;
  readonly kind: InventoryItem['kind'];
  readonly name: string;
  /**
   * `present`: as it should be. `differs`: it was changed by hand, or in the configuration. `lacks`: it has another
   * owner, and lacks something. `foreign`: its name is taken by another owner's. `leftOver`: it is the stack's, but no
   * longer in the configuration. `unknown`: can't be known before it is opened.
   */
  readonly state: 'present' | 'absent' | 'differs' | 'lacks' | 'foreign' | 'leftOver' | 'unknown';
  /** What is not as it should be, for people. */
  readonly differences: readonly string[];
  /** Deviations that a person chose, and newer versions that `up` would use. */
  readonly notes: readonly string[];
  readonly lacks: readonly MissingItem[];
}

/** Looks at everything that the profile names, and for other resources of the stack. Changes nothing. */
export async function stackStatus(stack: OpenStack, only: StackPart | null): Promise<readonly ResourceStatus[]> {
  const resources = resourcesOf(stack, only, 'inForce');
  const looks = Promise.allSettled(resources.map(readStatus));
  const [items, looked] = await Promise.all([takeInventory(stack, only), looks]);
  const standings = looked.map((look) => {
    if (look.status === 'rejected') throw look.reason;
    return look.value;
  });
  return [...standings, ...items.filter((item) => isLeftOver(item, resources, stack)).map(leftOver)];
}

/** Whether something should be fixed: what another owner's resource lacks is up to that owner. */
export const needsFix = ({ state }: ResourceStatus): boolean => !['present', 'lacks', 'unknown'].includes(state);

async function readStatus(resource: Resource): Promise<ResourceStatus> {
  const { part, kind, name } = resource;
  const same = { part, kind, name, differences: [], notes: [], lacks: [] };
  try {
    const found = await resource.look();
    switch (found.state) {
      case 'asItShould':
        return { ...same, state: 'present', notes: found.notes ?? [] };
      case 'differs': {
        const { differences, newer: notes = [] } = found;
        return { ...same, state: differences.length === 0 ? 'present' : 'differs', differences, notes };
      }
      case 'lacks':
        return { ...same, state: 'lacks', lacks: found.lacks };
      case 'unknown':
        return { ...same, state: 'unknown', notes: found.notes };
      default:
        return { ...same, state: found.state };
    }
  } catch (error) {
    if (isKind(error, 'refused')) return { ...same, state: 'foreign', differences: [error.message] };
    throw error;
  }
}

/** Instances come and go by themselves, as does the content of the bucket. */
const TRANSIENT_KINDS: readonly InventoryItem['kind'][] = ['instance', 'volume', 'networkInterface', 'objects'];

function isLeftOver({ kind, name }: InventoryItem, resources: readonly Resource[], { profile }: OpenStack): boolean {
  if (TRANSIENT_KINDS.includes(kind)) return false;
  if (kind === 'domain') {
    // One resource represents all domains.
    return !domainsOf(profile).includes(name);
  }
  return !resources.some((each) => each.kind === kind && (each.name === name || kind === 'address'));
}

const leftOver = ({ part, kind, name }: InventoryItem): ResourceStatus => ({
  part,
  kind,
  name,
  state: 'leftOver',
  notes: [],
  lacks: [],
  differences: ['no longer in the configuration'],
});
