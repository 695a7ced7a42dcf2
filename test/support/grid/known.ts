import {
  DescribeAddressesCommand,
  DescribeLaunchTemplateVersionsCommand,
  DescribeNetworkInterfacesCommand,
  DescribeTagsCommand,
  EC2Client,
} from '@aws-sdk/client-ec2';
import { GetRoleCommand, IAMClient } from '@aws-sdk/client-iam';
import { ListQueueTagsCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { Asked, Known } from './front.ts';
import type { Scaling } from './scaling/scaling.ts';

type Tags = Readonly<Record<string, string>>;

interface KnownOptions {
  /** Who answers for EC2 and IAM, and for SQS. */
  readonly moto: string;
  readonly sqs: string;
  readonly scaling: () => Scaling;
}

/**
 * What an account knows of the things that a request names, before it is answered: IAM judges by that, and not by what the
 * asker takes for true. Nothing for requests that only look, and for services whose policies have no such conditions.
 */
export class AccountFacts {
  readonly #options: KnownOptions;
  readonly #ec2: EC2Client;
  readonly #iam: IAMClient;
  readonly #sqs: SQSClient;

  constructor(options: KnownOptions) {
    this.#options = options;
    const at = { region: 'us-east-1', credentials: { accessKeyId: 'AKIDFACTS', secretAccessKey: 's' } };
    this.#ec2 = new EC2Client({ ...at, endpoint: options.moto });
    this.#iam = new IAMClient({ ...at, endpoint: options.moto });
    this.#sqs = new SQSClient({ ...at, endpoint: options.sqs });
  }

  async of({ service, action, body }: Asked): Promise<Known | undefined> {
    if (/^(Describe|Get|List)/.test(action)) return undefined;
    if (service === 'sqs') return action === 'DeleteQueue' ? { tags: await this.#ofQueue(body) } : undefined;
    const form = new URLSearchParams(body);
    if (service === 'ec2') return { tags: await this.#ofResources(action, form) };
    if (service === 'iam') return { boundary: await this.#boundaryOf(form.get('RoleName')) };
    return service === 'autoscaling' ? this.#ofGroup(form) : undefined;
  }

  close(): void {
    for (const client of [this.#ec2, this.#iam, this.#sqs]) client.destroy();
  }

  async #ofResources(action: string, form: URLSearchParams): Promise<Readonly<Record<string, Tags>>> {
    const named = [...form]
      .map(([, value]) => value)
      .filter((value) => /^(sg|lt|eipalloc|i|eni)-[0-9a-f]+$/.test(value));
    const Values = [...named, ...(await this.#behindAddress(action, form))];
    if (Values.length === 0) return {};
    const asked = new DescribeTagsCommand({ Filters: [{ Name: 'resource-id', Values }] });
    const { Tags: found = [] } = await this.#ec2.send(asked);
    const ofOne = (id: string): Tags =>
      Object.fromEntries(
        found.filter(({ ResourceId }) => ResourceId === id).map(({ Key, Value }) => [Key, Value ?? '']),
      );
    return Object.fromEntries(Values.map((id) => [id, ofOne(id)]));
  }

  /** An address is judged together with the interface that has it, or gets it, and is not named. */
  async #behindAddress(action: string, form: URLSearchParams): Promise<readonly string[]> {
    if (action === 'AssociateAddress') return this.#interfacesOf(form.get('InstanceId'));
    if (action !== 'DisassociateAddress') return [];
    const Filters = [{ Name: 'association-id', Values: [form.get('AssociationId') ?? ''] }];
    const { Addresses: [address] = [] } = await this.#ec2.send(new DescribeAddressesCommand({ Filters }));
    if (address?.AllocationId === undefined) return [];
    return [address.AllocationId, ...(await this.#interfacesOf(address.InstanceId ?? null))];
  }

  async #interfacesOf(instance: string | null): Promise<readonly string[]> {
    if (instance === null) return [];
    const Filters = [{ Name: 'attachment.instance-id', Values: [instance] }];
    const { NetworkInterfaces = [] } = await this.#ec2.send(new DescribeNetworkInterfacesCommand({ Filters }));
    return NetworkInterfaces.flatMap(({ NetworkInterfaceId }) => NetworkInterfaceId ?? []);
  }

  async #ofQueue(body: string): Promise<Readonly<Record<string, Tags>>> {
    const { QueueUrl = '' }: { QueueUrl?: string } = JSON.parse(body);
    const found = await this.#sqs.send(new ListQueueTagsCommand({ QueueUrl })).catch(() => ({ Tags: {} }));
    return { [QueueUrl.slice(QueueUrl.lastIndexOf('/') + 1)]: found.Tags ?? {} };
  }

  async #boundaryOf(RoleName: string | null): Promise<string | null> {
    if (RoleName === null) return null;
    const found = await this.#iam.send(new GetRoleCommand({ RoleName })).catch(() => null);
    return found?.Role?.PermissionsBoundary?.PermissionsBoundaryArn ?? null;
  }

  /** Of a group that is not there yet, no tags. An instance is judged by its group. */
  async #ofGroup(form: URLSearchParams): Promise<Known> {
    const named = form.get('AutoScalingGroupName') ?? form.get('Tags.member.1.ResourceId');
    const instance = form.get('InstanceId') ?? form.get('InstanceIds.member.1');
    const groups = [...this.#options.scaling().groups.values()];
    const group = groups.find(({ name, members }) => name === named || (instance !== null && members.has(instance)));
    const tags = [...(group?.tags.values() ?? [])].map(({ key, value }) => [key, value] as const);
    const name = group?.name ?? named ?? '';
    const launches = await this.#launchesOf(form);
    return { ...(group !== undefined && { group: name }), tags: { [name]: Object.fromEntries(tags) }, launches };
  }

  /** A launch template's own tags alone: those of a group reach what it launches by other rights. */
  async #launchesOf(form: URLSearchParams): Promise<Readonly<Record<string, Tags>>> {
    const of = (field: string): string | undefined => [...form].find(([name]) => name.endsWith(`.${field}`))?.[1];
    const LaunchTemplateId = of('LaunchTemplateId');
    if (LaunchTemplateId === undefined) return {};
    const Versions = [of('Version') ?? '$Default'];
    const asked = new DescribeLaunchTemplateVersionsCommand({ LaunchTemplateId, Versions });
    const found = await this.#ec2.send(asked).catch(() => null);
    const specified = found?.LaunchTemplateVersions?.[0]?.LaunchTemplateData?.TagSpecifications ?? [];
    return Object.fromEntries(
      specified.map(({ ResourceType = '', Tags: tags = [] }) => [
        ResourceType,
        Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value ?? ''])),
      ]),
    );
  }
}
