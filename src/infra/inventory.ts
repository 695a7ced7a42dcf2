import type { AwsClients } from '../adapters/aws/clients.ts';
import type { AwsProfile } from '../config.ts';
import { dataInventory } from './inventory-data.ts';
import { gridInventory } from './inventory-grid.ts';
import { iamInventory } from './inventory-iam.ts';
import type { Kind, Part } from './resource.ts';

/** Something that is there and bears the stack's tag, or its name where tags can't be asked by. */
export interface Item {
  readonly part: Part;
  readonly kind: Kind | 'instance' | 'volume' | 'networkInterface' | 'objects';
  readonly name: string;
  /** The worker group that it is of; null where it is the whole stack's, or nothing tells. */
  readonly group: string | null;
  /** What AWS charges for; the others are free. */
  readonly costs: boolean;
}

export interface InventoryPlace {
  readonly profile: AwsProfile;
  readonly clients: AwsClients;
}

const INVENTORIES = {
  data: dataInventory,
  iam: iamInventory,
  grid: gridInventory,
};

/**
 * Asks each service anew what it has of the stack, whether the configuration names it or not. With `only`, the services
 * of that part alone: someone else may have no right to ask the others.
 */
export async function takeInventory(place: InventoryPlace, only: Part | null = null): Promise<readonly Item[]> {
  // What the manager has lies among the rest, and is told apart by its name.
  const wanted = only === 'manager' ? 'grid' : only;
  const looks = Object.entries(INVENTORIES).flatMap(([part, look]) =>
    wanted === null || wanted === part ? [look(place)] : [],
  );
  await Promise.allSettled(looks);
  return (await Promise.all(looks)).flat().filter(({ part }) => only === null || part === only);
}
