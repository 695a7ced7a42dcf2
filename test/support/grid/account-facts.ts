import { EC2 } from '@aws-sdk/client-ec2';
import { IAM } from '@aws-sdk/client-iam';
import { SQS } from '@aws-sdk/client-sqs';
import { fromTagList } from '../../../src/infra/tags.ts';
import type { CloudRequest, Known } from './front.ts';
import type { Scaling } from './scaling/scaling.ts';

type Tags = Readonly<Record<string, string>>;

const OWN = { credentials: { accessKeyId: 'AKIDFACTS', secretAccessKey: 's' } };

interface KnownOptions {
  /** The URLs of what answers for EC2 and IAM, and for SQS. */
  readonly moto: string;
  readonly sqs: (region: string) => Promise<string>;
  readonly scaling: (region: string) => Scaling;
}

/**
 * The facts about the resources that a request names, before it is answered: IAM judges by these, not by what the caller
 * believes. There are none for requests that only read, and for services whose policies have no such conditions.
 */
export class AccountFacts {
  readonly #options: KnownOptions;
  readonly #ec2 = new Map<string, EC2>();
  readonly #iam: IAM;
  readonly #sqs = new Map<string, Promise<SQS>>();
  /** The tags of queues by their URLs. A queue is in every request to SQS. */
  readonly #queues = new Map<string, Tags>();

  constructor(options: KnownOptions) {
    this.#options = options;
    this.#iam = new IAM({ ...OWN, region: 'us-east-1', endpoint: options.moto });
  }

  async of({ service, action, body, region }: CloudRequest): Promise<Known | undefined> {
    if (service === 'sqs') return { tags: await this.#ofQueue(action, body, region) };
    if (/^(Describe|Get|List)/.test(action)) return undefined;
    const form = new URLSearchParams(body);
    if (service === 'ec2') return { tags: await this.#ofResources(action, form, this.#ec2In(region)) };
    if (service === 'iam') return this.#ofIam(form);
    return service === 'autoscaling' ? this.#ofGroup(form, region) : undefined;
  }

  async close(): Promise<void> {
    for (const client of [...this.#ec2.values(), this.#iam, ...(await Promise.all(this.#sqs.values()))])
      client.destroy();
  }

  #ec2In(region: string): EC2 {
    const client = this.#ec2.get(region) ?? new EC2({ ...OWN, region, endpoint: this.#options.moto });
    this.#ec2.set(region, client);
    return client;
  }

  #sqsIn(region: string): Promise<SQS> {
    const open = async (): Promise<SQS> => new SQS({ ...OWN, region, endpoint: await this.#options.sqs(region) });
    const client = this.#sqs.get(region) ?? open();
    this.#sqs.set(region, client);
    return client;
  }

  async #ofResources(action: string, form: URLSearchParams, ec2: EC2): Promise<Readonly<Record<string, Tags>>> {
    // A template names security groups, which IAM judges when it launches instances (service authorization reference).
    const judged = action.includes('LaunchTemplate') ? /^lt-[0-9a-f]+$/ : /^(sg|lt|eipalloc|i|eni)-[0-9a-f]+$/;
    const named = [...form].map(([, value]) => value).filter((value) => judged.test(value));
    const Values = [...named, ...(await this.#behindAddress(action, form, ec2))];
    if (Values.length === 0) return {};
    const { Tags: found = [] } = await ec2.describeTags({ Filters: [{ Name: 'resource-id', Values }] });
    return Object.fromEntries(
      Values.map((id) => [id, fromTagList(found.filter(({ ResourceId }) => ResourceId === id))]),
    );
  }

  /** IAM also judges the network interface of an address, which the request does not name. */
  async #behindAddress(action: string, form: URLSearchParams, ec2: EC2): Promise<readonly string[]> {
    if (action === 'AssociateAddress') return this.#interfacesOf(form.get('InstanceId'), ec2);
    if (action !== 'DisassociateAddress') return [];
    const Filters = [{ Name: 'association-id', Values: [form.get('AssociationId') ?? ''] }];
    const { Addresses: [address] = [] } = await ec2.describeAddresses({ Filters });
    if (address?.AllocationId === undefined) return [];
    return [address.AllocationId, ...(await this.#interfacesOf(address.InstanceId ?? null, ec2))];
  }

  async #interfacesOf(instance: string | null, ec2: EC2): Promise<readonly string[]> {
    if (instance === null) return [];
    const Filters = [{ Name: 'attachment.instance-id', Values: [instance] }];
    const { NetworkInterfaces = [] } = await ec2.describeNetworkInterfaces({ Filters });
    return NetworkInterfaces.flatMap(({ NetworkInterfaceId }) => NetworkInterfaceId ?? []);
  }

  async #ofQueue(action: string, body: string, region: string): Promise<Readonly<Record<string, Tags>>> {
    const { QueueUrl = '', QueueName }: { QueueUrl?: string; QueueName?: string } = JSON.parse(body);
    const name = QueueName ?? QueueUrl.slice(QueueUrl.lastIndexOf('/') + 1);
    if (name === '') return {};
    const cached = `${region}/${name}`;
    const known = this.#queues.get(cached) ?? (await this.#readQueue(name, region));
    if (Object.keys(known).length > 0) this.#queues.set(cached, known);
    if (/^(Tag|Untag|Delete|Create)Queue$/.test(action)) this.#queues.delete(cached);
    return { [name]: known };
  }

  async #readQueue(QueueName: string, region: string): Promise<Tags> {
    const client = await this.#sqsIn(region);
    const found = await client
      .getQueueUrl({ QueueName })
      .then(({ QueueUrl }) => client.listQueueTags({ QueueUrl }))
      .catch(() => ({ Tags: {} }));
    return found.Tags ?? {};
  }

  async #ofIam(form: URLSearchParams): Promise<Known> {
    const [RoleName, InstanceProfileName] = ['RoleName', 'InstanceProfileName'].map((name) => form.get(name));
    const role = RoleName == null ? null : await this.#iam.getRole({ RoleName }).catch(() => null);
    const profile =
      InstanceProfileName == null
        ? null
        : await this.#iam.getInstanceProfile({ InstanceProfileName }).catch(() => null);
    return {
      boundary: role?.Role?.PermissionsBoundary?.PermissionsBoundaryArn ?? null,
      tags: {
        [`role/${RoleName}`]: fromTagList(role?.Role?.Tags),
        [`instance-profile/${InstanceProfileName}`]: fromTagList(profile?.InstanceProfile?.Tags),
      },
    };
  }

  /** A group that does not exist yet has no tags. An instance is judged by its group. */
  async #ofGroup(form: URLSearchParams, region: string): Promise<Known> {
    const named = form.get('AutoScalingGroupName') ?? form.get('Tags.member.1.ResourceId');
    const instance = form.get('InstanceId') ?? form.get('InstanceIds.member.1');
    const groups = [...this.#options.scaling(region).groups.values()];
    const group = groups.find(({ name, members }) => name === named || (instance !== null && members.has(instance)));
    const tags = [...(group?.tags.values() ?? [])].map(({ key, value }) => [key, value] as const);
    const name = group?.name ?? named ?? '';
    const launched = await this.#launchedBy(form, this.#ec2In(region));
    return { ...(group !== undefined && { group: name }), tags: { [name]: Object.fromEntries(tags) }, ...launched };
  }

  /** Only the tags of the launch template: those of the group need other permissions. */
  async #launchedBy(form: URLSearchParams, ec2: EC2): Promise<Pick<Known, 'launches' | 'role'>> {
    const value = (field: string): string | undefined => [...form].find(([name]) => name.endsWith(`.${field}`))?.[1];
    const LaunchTemplateId = value('LaunchTemplateId');
    if (LaunchTemplateId === undefined) return {};
    const Versions = [value('Version') ?? '$Default'];
    const found = await ec2.describeLaunchTemplateVersions({ LaunchTemplateId, Versions }).catch(() => null);
    const data = found?.LaunchTemplateVersions?.[0]?.LaunchTemplateData;
    const { LaunchTemplates: [template] = [] } = await ec2.describeLaunchTemplates({
      LaunchTemplateIds: [LaunchTemplateId],
    });
    const InstanceProfileName = data?.IamInstanceProfile?.Name;
    const profile = await this.#iam.getInstanceProfile({ InstanceProfileName }).catch(() => null);
    const role = profile?.InstanceProfile?.Roles?.[0]?.RoleName;
    const specified = (data?.TagSpecifications ?? []).map(({ ResourceType = '', Tags }) => [
      ResourceType,
      fromTagList(Tags),
    ]);
    const launches = { ...Object.fromEntries(specified), template: fromTagList(template?.Tags) };
    return { launches, ...(role !== undefined && { role }) };
  }
}
