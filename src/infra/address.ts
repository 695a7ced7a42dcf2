import type { Address } from '@aws-sdk/client-ec2';
import { nullOnError } from '../adapters/aws/errors.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { GROUP_TAG, gridName, MANAGER_GROUP, STACK_TAG } from '../lib/stack-names.ts';
import { type AwsContext, callEc2 } from './call-aws.ts';
import { foreignOwner } from './owner.ts';
import { type KeptReason, type Resource, type ResourceState, stateFromDifferences } from './resource.ts';
import { fromTagList, groupTags, tagDifferences, toTagList } from './tags.ts';

export const addressTags = (profile: AwsProfile): Readonly<Record<string, string>> => ({
  Name: gridName(profile.stack, MANAGER_GROUP),
  ...groupTags(profile, MANAGER_GROUP),
});

/**
 * The manager's Elastic IP. Its instance takes it at boot, so that a replacement is reached at the same address. The
 * address has no name, only tags; one without the stack's tag and home is never touched.
 */
export class AddressResource implements Resource {
  readonly part = 'manager';
  readonly kind = 'address';
  readonly name: string;
  readonly #place: AwsContext;
  /** Of a newly allocated address, which EC2 may not list yet (EC2: eventual consistency). */
  #made: string | null = null;

  constructor(place: AwsContext) {
    this.name = gridName(place.profile.stack, MANAGER_GROUP);
    this.#place = place;
  }

  async look(): Promise<ResourceState> {
    const [address, ...spare] = await this.#find();
    if (address === undefined) return { state: 'absent' };
    const differences = [
      ...spare.map(({ PublicIp }) => `${PublicIp} is superfluous`),
      ...tagDifferences(fromTagList(address.Tags), this.#tags()),
    ];
    return stateFromDifferences(differences);
  }

  /**
   * After a lost answer a second one is allocated (EC2: AllocateAddress has no token). Spare addresses are released.
   */
  async apply(): Promise<void> {
    const [address, ...spare] = await this.#find();
    const Tags = toTagList(this.#tags());
    if (address === undefined) {
      const TagSpecifications = [{ ResourceType: 'elastic-ip' as const, Tags }];
      await this.#callEc2('allocate', 'AllocateAddress', async (sdk, client) => {
        const made = await client.send(new sdk.AllocateAddressCommand({ Domain: 'vpc', TagSpecifications }));
        this.#made = made.AllocationId ?? null;
      });
      return;
    }
    for (const each of spare) await this.#release(each);
    if (tagDifferences(fromTagList(address.Tags), this.#tags()).length === 0) return;
    await this.#callEc2('tag', 'CreateTags', async (sdk, client) => {
      await client.send(new sdk.CreateTagsCommand({ Resources: [address.AllocationId ?? ''], Tags }));
    });
  }

  async remove(): Promise<KeptReason | null> {
    this.#made = null;
    for (const address of await this.#find()) await this.#release(address);
    return null;
  }

  /** The id by which the manager takes the address; null until it exists. */
  async allocation(): Promise<string | null> {
    return (await this.#find())[0]?.AllocationId ?? this.#made;
  }

  /** An associated address can't be released (EC2: InvalidIPAddress.InUse). */
  async #release({ AllocationId, AssociationId }: Address): Promise<void> {
    if (AssociationId !== undefined && AssociationId !== '') {
      await this.#callEc2('disassociate', 'DisassociateAddress', async (sdk, client) => {
        const answer = client.send(new sdk.DisassociateAddressCommand({ AssociationId }));
        await nullOnError(answer, 'InvalidAssociationID.NotFound');
      });
    }
    await this.#callEc2('release', 'ReleaseAddress', async (sdk, client) => {
      await nullOnError(client.send(new sdk.ReleaseAddressCommand({ AllocationId })), 'InvalidAllocationID.NotFound');
    });
  }

  /** All addresses of the stack, the one in use first. */
  async #find(): Promise<readonly Address[]> {
    return this.#callEc2('look at', 'DescribeAddresses', async (sdk, client) => {
      const Filters = [
        { Name: `tag:${STACK_TAG}`, Values: [this.#place.profile.stack] },
        { Name: `tag:${GROUP_TAG}`, Values: [MANAGER_GROUP] },
      ];
      const { Addresses = [] } = await client.send(new sdk.DescribeAddressesCommand({ Filters }));
      const tagged = await Promise.all(
        Addresses.map(async (each) => ({ each, owner: await foreignOwner(this.#place, fromTagList(each.Tags)) })),
      );
      const ours = tagged.flatMap(({ each, owner }) => (owner === null ? [each] : []));
      const rank = ({ AssociationId, AllocationId }: Address) => `${AssociationId ? 0 : 1} ${AllocationId}`;
      return ours.sort((one, other) => (rank(one) < rank(other) ? -1 : 1));
    });
  }

  #tags(): Readonly<Record<string, string>> {
    return addressTags(this.#place.profile);
  }

  #callEc2<T>(verb: string, action: string, work: Parameters<typeof callEc2<T>>[2]): Promise<T> {
    const what = `${verb} the Elastic IP of ${this.name}`;
    return callEc2(this.#place, { what, action: `ec2:${action}`, resource: 'elastic-ip/*' }, work);
  }
}
