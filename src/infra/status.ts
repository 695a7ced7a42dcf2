import { isKind } from '../errors.ts';
import { type Item, takeInventory } from './inventory.ts';
import { domainsOf } from './ledger.ts';
import type { OpenStack } from './open-stack.ts';
import type { Lack, Part, Resource } from './resource.ts';
import { resourcesOf } from './stack.ts';

/** How something of a stack stands. */
export interface Standing {
  readonly part: Part;
  readonly kind: Item['kind'];
  readonly name: string;
  /**
   * `present`: as it should be. `differs`: somebody changed it, or the configuration did. `lacks`: it is somebody
   * else's, and lacks something. `foreign`: its name is taken by what somebody else made. `leftOver`: it is the stack's,
   * and the configuration names it no more. `unknown`: nothing tells before it is opened.
   */
  readonly state: 'present' | 'absent' | 'differs' | 'lacks' | 'foreign' | 'leftOver' | 'unknown';
  /** In words, what is not as it should be. */
  readonly differences: readonly string[];
  /** What a person chose otherwise, and what is newer and would be taken by `up`. */
  readonly notes: readonly string[];
  readonly lacks: readonly Lack[];
}

/** Looks at all that the profile names, and for what the stack has besides. Changes nothing. */
export async function stackStatus(stack: OpenStack, only: Part | null): Promise<readonly Standing[]> {
  const resources = resourcesOf(stack, only, 'inForce');
  const looks = Promise.allSettled(resources.map(standingOf));
  const [items, looked] = await Promise.all([takeInventory(stack, only), looks]);
  const standings = looked.map((look) => {
    if (look.status === 'rejected') throw look.reason;
    return look.value;
  });
  return [...standings, ...items.filter((item) => isLeftOver(item, resources, stack)).map(leftOver)];
}

/** Whether something is to be mended: what lacks something is somebody else's word. */
export const isFinding = ({ state }: Standing): boolean => !['present', 'lacks', 'unknown'].includes(state);

async function standingOf(resource: Resource): Promise<Standing> {
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
      default:
        return { ...same, state: found.state };
    }
  } catch (error) {
    if (isKind(error, 'refused')) return { ...same, state: 'foreign', differences: [error.message] };
    throw error;
  }
}

/** What the grid runs comes and goes by itself, as does what lies in the bucket. */
const COMES_AND_GOES: readonly Item['kind'][] = ['instance', 'volume', 'networkInterface', 'objects'];

function isLeftOver({ kind, name }: Item, resources: readonly Resource[], { profile }: OpenStack): boolean {
  if (COMES_AND_GOES.includes(kind)) return false;
  if (kind === 'domain') {
    // One resource stands for all of them.
    return !domainsOf(profile).includes(name);
  }
  return !resources.some((each) => each.kind === kind && (each.name === name || kind === 'address'));
}

const leftOver = ({ part, kind, name }: Item): Standing => ({
  ...{ part, kind, name, state: 'leftOver', notes: [], lacks: [] },
  differences: ['no longer in the configuration'],
});
