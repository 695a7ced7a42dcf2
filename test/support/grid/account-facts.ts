import { EC2 } from '@aws-sdk/client-ec2';
import { IAM } from '@aws-sdk/client-iam';
import { SQS } from '@aws-sdk/client-sqs';
import { fromTagList } from '../../../src/infra/tags.ts';
import type { CloudRequest, Known } from './front.ts';
import type { Scaling } from './scaling/scaling.ts';

type Tags = Readonly<Record<string, string>>;

interface KnownOptions {
  /** The URLs of what answers for EC2 and IAM, and for SQS. */
  readonly moto: string;
  readonly sqs: string;
  readonly scaling: () => Scaling;
}

/**
 * The facts about the resources that a request names, before it is answered: IAM judges by these, not by what the caller
 * believes. There are none for requests that only read, and for services whose policies have no such conditions.
 */
export class AccountFacts {
  readonly #options: KnownOptions;
  readonly #ec2: EC2;
  readonly #iam: IAM;
  readonly #sqs: SQS;

  constructor(options: KnownOptions) {
    this.#options = options;
    const at = { region: 'us-east-1', credentials: { accessKeyId: 'AKIDFACTS', secretAccessKey: 's' } };
    this.#ec2 = new EC2({ ...at, endpoint: options.moto });
    this.#iam = new IAM({ ...at, endpoint: options.moto });
    this.#sqs = new SQS({ ...at, endpoint: options.sqs });
  }

  async of({ service, action, body }: CloudRequest): Promise<Known | undefined> {
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
    const { Tags: found = [] } = await this.#ec2.describeTags({ Filters: [{ Name: 'resource-id', Values }] });
    return Object.fromEntries(
      Values.map((id) => [id, fromTagList(found.filter(({ ResourceId }) => ResourceId === id))]),
    );
  }

  /** IAM also judges the network interface of an address, which the request does not name. */
  async #behindAddress(action: string, form: URLSearchParams): Promise<readonly string[]> {
    if (action === 'AssociateAddress') return this.#interfacesOf(form.get('InstanceId'));
    if (action !== 'DisassociateAddress') return [];
    const Filters = [{ Name: 'association-id', Values: [form.get('AssociationId') ?? ''] }];
    const { Addresses: [address] = [] } = await this.#ec2.describeAddresses({ Filters });
    if (address?.AllocationId === undefined) return [];
    return [address.AllocationId, ...(await this.#interfacesOf(address.InstanceId ?? null))];
  }

  async #interfacesOf(instance: string | null): Promise<readonly string[]> {
    if (instance === null) return [];
    const Filters = [{ Name: 'attachment.instance-id', Values: [instance] }];
    const { NetworkInterfaces = [] } = await this.#ec2.describeNetworkInterfaces({ Filters });
    return NetworkInterfaces.flatMap(({ NetworkInterfaceId }) => NetworkInterfaceId ?? []);
  }

  async #ofQueue(body: string): Promise<Readonly<Record<string, Tags>>> {
    const { QueueUrl = '' }: { QueueUrl?: string } = JSON.parse(body);
    const found = await this.#sqs.listQueueTags({ QueueUrl }).catch(() => ({ Tags: {} }));
    return { [QueueUrl.slice(QueueUrl.lastIndexOf('/') + 1)]: found.Tags ?? {} };
  }

  async #boundaryOf(RoleName: string | null): Promise<string | null> {
    if (RoleName === null) return null;
    const found = await this.#iam.getRole({ RoleName }).catch(() => null);
    return found?.Role?.PermissionsBoundary?.PermissionsBoundaryArn ?? null;
  }

  /** A group that does not exist yet has no tags. An instance is judged by its group. */
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

  /** Only the tags of the launch template: those of the group need other permissions. */
  async #launchesOf(form: URLSearchParams): Promise<Readonly<Record<string, Tags>>> {
    const value = (field: string): string | undefined => [...form].find(([name]) => name.endsWith(`.${field}`))?.[1];
    const LaunchTemplateId = value('LaunchTemplateId');
    if (LaunchTemplateId === undefined) return {};
    const Versions = [value('Version') ?? '$Default'];
    const found = await this.#ec2.describeLaunchTemplateVersions({ LaunchTemplateId, Versions }).catch(() => null);
    const specified = found?.LaunchTemplateVersions?.[0]?.LaunchTemplateData?.TagSpecifications ?? [];
    return Object.fromEntries(specified.map(({ ResourceType = '', Tags }) => [ResourceType, fromTagList(Tags)]));
  }
}
