import { roleName, STACK_TAG } from '../lib/stack-names.ts';
import { tagsOfEc2 } from './ec2-tags.ts';
import { Iam } from './iam.ts';
import type { InventoryPlace, Item } from './inventory.ts';
import { ownerOf } from './profile.ts';

/** What IAM has by the stack's names, with its tag: IAM finds nothing by tags, and charges for nothing. */
export async function iamInventory(place: InventoryPlace): Promise<readonly Item[]> {
  const looks = (['worker', 'manager'] as const).flatMap((who) => [role(place, who), instanceProfile(place, who)]);
  await Promise.allSettled(looks);
  return (await Promise.all(looks)).flat();
}

async function role({ profile, clients }: InventoryPlace, who: 'worker' | 'manager'): Promise<readonly Item[]> {
  const name = roleName(profile.stack, who);
  const iam = new Iam(clients, { kind: 'role', name });
  return iam.translated('look at', 'iam:GetRole', async () => {
    const [sdk, client] = await iam.open();
    const found = await iam.ifThere(client.send(new sdk.GetRoleCommand({ RoleName: name })));
    const isOurs = tagsOfEc2(found?.Role?.Tags)[STACK_TAG] === profile.stack;
    return isOurs ? [{ part: 'iam', kind: 'role', name, group: null, costs: false }] : [];
  });
}

async function instanceProfile(
  { profile, clients }: InventoryPlace,
  who: 'worker' | 'manager',
): Promise<readonly Item[]> {
  const name = roleName(profile.stack, who);
  const iam = new Iam(clients, { kind: 'profile', name });
  return iam.translated('look at', 'iam:GetInstanceProfile', async () => {
    const [sdk, client] = await iam.open();
    const asked = new sdk.GetInstanceProfileCommand({ InstanceProfileName: name });
    const found = (await iam.ifThere(client.send(asked)))?.InstanceProfile;
    const isOurs = found !== undefined && (await ownerOf(iam, found)) === profile.stack;
    return isOurs ? [{ part: 'iam', kind: 'profile', name, group: null, costs: false }] : [];
  });
}
