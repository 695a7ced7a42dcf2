import type { AccountClients } from './account-clients.ts';

/**
 * Everything that `infra up` may create in an account, as its services describe it: one text for each resource, which
 * differs if anything of the resource does. `clients`: one for each region; buckets and IAM have none.
 */
export async function accountState(clients: readonly AccountClients[]): Promise<Readonly<Record<string, string>>> {
  const [first] = clients;
  const global = first === undefined ? [] : [...(await buckets(first)), ...(await iam(first))];
  const regional = await Promise.all(clients.map(async (each) => [...(await queues(each)), ...(await grid(each))]));
  return Object.fromEntries([...global, ...regional.flat()].toSorted());
}

type Named = readonly [name: string, text: string];

async function buckets({ s3 }: AccountClients): Promise<readonly Named[]> {
  const { Buckets = [] } = await s3.listBuckets({});
  return Promise.all(
    Buckets.map(async ({ Name: Bucket = '' }): Promise<Named> => {
      const { TagSet } = await s3.getBucketTagging({ Bucket }).catch(() => ({ TagSet: [] }));
      const { Contents = [] } = await s3.listObjectsV2({ Bucket });
      return [`bucket/${Bucket}-`, JSON.stringify([TagSet, Contents.map(({ Key, ETag }) => [Key, ETag])])];
    }),
  );
}

async function iam({ iam }: AccountClients): Promise<readonly Named[]> {
  const { Roles = [] } = await iam.listRoles({});
  const roles = Roles.map(async ({ RoleName = '' }): Promise<Named> => {
    const { Role } = await iam.getRole({ RoleName });
    const { PolicyNames = [] } = await iam.listRolePolicies({ RoleName });
    const policies = PolicyNames.map(async (PolicyName) => {
      return (await iam.getRolePolicy({ RoleName, PolicyName })).PolicyDocument;
    });
    const { RoleLastUsed: _used, ...facts } = Role ?? {};
    return [`role/${RoleName}`, JSON.stringify([facts, await Promise.all(policies)])];
  });
  const { InstanceProfiles = [] } = await iam.listInstanceProfiles({});
  const profiles = InstanceProfiles.map(async ({ InstanceProfileName = '' }): Promise<Named> => {
    const { InstanceProfile } = await iam.getInstanceProfile({ InstanceProfileName });
    const held = InstanceProfile?.Roles?.map(({ RoleName }) => RoleName);
    return [`profile/${InstanceProfileName}`, JSON.stringify([InstanceProfile?.Tags, held])];
  });
  return Promise.all([...roles, ...profiles]);
}

async function queues({ sqs }: AccountClients): Promise<readonly Named[]> {
  const region = await sqs.config.region();
  const { QueueUrls = [] } = await sqs.listQueues({});
  return Promise.all(
    QueueUrls.map(async (QueueUrl): Promise<Named> => {
      const { Attributes = {} } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['All'] });
      const { Tags = {} } = await sqs.listQueueTags({ QueueUrl });
      const sorted = (fields: object) => Object.entries(fields).toSorted();
      const name = QueueUrl.slice(QueueUrl.lastIndexOf('/') + 1);
      return [`${region}/queue/${name}`, JSON.stringify([sorted(Attributes), sorted(Tags)])];
    }),
  );
}

async function grid({ ec2, scaling }: AccountClients): Promise<readonly Named[]> {
  const region = await ec2.config.region();
  const { AutoScalingGroups = [] } = await scaling.describeAutoScalingGroups({});
  const { LaunchTemplates = [] } = await ec2.describeLaunchTemplates({});
  const { SecurityGroups = [] } = await ec2.describeSecurityGroups({});
  return [
    ...AutoScalingGroups.map((one): Named => [`${region}/group/${one.AutoScalingGroupName}`, JSON.stringify(one)]),
    ...LaunchTemplates.map((one): Named => [`${region}/template/${one.LaunchTemplateName}`, JSON.stringify(one)]),
    ...SecurityGroups.map((one): Named => [`${region}/securityGroup/${one.GroupName}`, JSON.stringify(one)]),
  ];
}
