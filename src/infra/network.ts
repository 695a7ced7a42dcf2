import type { Subnet } from '@aws-sdk/client-ec2';
import { BatchctlError } from '../errors.ts';
import { once } from '../lib/once.ts';
import { type AwsContext, callAws, loadEc2 } from './call-aws.ts';

export interface SubnetFacts {
  readonly id: string;
  readonly zone: string;
  /** Its IPv4 addresses. */
  readonly cidr: string;
}

export interface NetworkFacts {
  readonly vpc: string;
  readonly subnets: readonly SubnetFacts[];
  /** Whether the profile names the subnets: then a person vouches for each. */
  readonly named: boolean;
}

/** The subnets that the profile names, or those of the default VPC. Looked up once. */
export class Network {
  readonly facts: () => Promise<NetworkFacts>;
  readonly #place: AwsContext;

  constructor(place: AwsContext) {
    this.#place = place;
    this.facts = once(() => this.#facts());
  }

  /** Throws `config` for subnets that don't exist or belong to several VPCs, and if there is no default VPC. */
  async #facts(): Promise<NetworkFacts> {
    const { subnets } = this.#place.profile.network;
    const doing = { what: 'read the subnets', action: 'ec2:DescribeSubnets', resource: 'subnet/*' };
    return callAws(this.#place, doing, () => (subnets.length === 0 ? this.#defaults() : this.#named(subnets)));
  }

  async #named(ids: readonly string[]): Promise<NetworkFacts> {
    const [sdk, client] = await loadEc2(this.#place);
    // By a filter: when subnets are named directly, a missing one hides which others exist.
    const filter = { Name: 'subnet-id', Values: [...new Set(ids)] };
    const { Subnets = [] } = await client.send(new sdk.DescribeSubnetsCommand({ Filters: [filter] }));
    const missing = ids.filter((id) => !Subnets.some(({ SubnetId }) => SubnetId === id));
    if (missing.length > 0) {
      const { region, name } = this.#place.profile;
      throw new BatchctlError('config', `network.subnets: ${missing.join(', ')} ${areNot(missing)} in ${region}`, {
        hint: `aws ec2 describe-subnets --region ${region} lists them; correct network.subnets of the profile ${name}`,
      });
    }
    const vpcs = new Set(Subnets.map(({ VpcId }) => VpcId));
    if (vpcs.size > 1) {
      const places = Subnets.map(({ SubnetId, VpcId }) => `${SubnetId} in ${VpcId}`).join(', ');
      throw new BatchctlError('config', `network.subnets are in ${vpcs.size} VPCs: ${places}`, {
        hint: 'use subnets of one VPC, as an Auto Scaling group requires',
      });
    }
    return { ...factsOf(Subnets), named: true };
  }

  async #defaults(): Promise<NetworkFacts> {
    const [sdk, client] = await loadEc2(this.#place);
    const { region } = this.#place.profile;
    const isDefault = { Filters: [{ Name: 'is-default', Values: ['true'] }] };
    const [{ VpcId } = {}] = (await client.send(new sdk.DescribeVpcsCommand(isDefault))).Vpcs ?? [];
    if (VpcId === undefined) {
      throw new BatchctlError('config', `the profile has no subnets, and ${region} has no default VPC`, {
        hint: 'set network.subnets; or run aws ec2 create-default-vpc',
      });
    }
    const Filters = [
      { Name: 'vpc-id', Values: [VpcId] },
      { Name: 'default-for-az', Values: ['true'] },
    ];
    const { Subnets = [] } = await client.send(new sdk.DescribeSubnetsCommand({ Filters }));
    if (Subnets.length === 0) {
      throw new BatchctlError('config', `the default VPC ${VpcId} of ${region} has no default subnet`, {
        hint: 'set network.subnets; or run aws ec2 create-default-subnet --availability-zone ZONE',
      });
    }
    return { ...factsOf(Subnets), named: false };
  }
}

function factsOf(found: readonly Subnet[]): Omit<NetworkFacts, 'named'> {
  const subnets = found.map(({ SubnetId: id = '', AvailabilityZone: zone = '', CidrBlock: cidr = '' }) => ({
    id,
    zone,
    cidr,
  }));
  return { vpc: found[0]?.VpcId ?? '', subnets: subnets.sort((one, other) => (one.id < other.id ? -1 : 1)) };
}

const areNot = (list: readonly string[]): string => (list.length === 1 ? 'is not' : 'are not');
