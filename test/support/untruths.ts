/** What an emulator answers otherwise than AWS, and why batchctl doesn't depend on it. */
interface Untruth {
  /** What is said of it (answers.ts). */
  readonly said: RegExp;
  readonly why: string;
}

/** All of them that a grid, a job and their end show: a test fails if one is missing here, or is no longer there. */
export const UNTRUTHS: readonly Untruth[] = [
  {
    said: /^ec2 \w+ 200: [\w.[\]]*Tags\[\] has <resource_?(id|type)>, which is unknown$/i,
    why: 'tags are read by key and value; the SDK drops other elements',
  },
  {
    said: /^ec2 CreateSecurityGroup 200: the answer has <return>, which is unknown$/,
    why: 'only the id is read',
  },
  {
    said: /^ec2 DeleteLaunchTemplate 200: the root is <DeleteLaunchTemplatesResponse>$/,
    why: 'the answer is not read, only that there is one',
  },
  {
    said: /^ec2 DescribeInstanceTypes 200: InstanceTypes\[\]\.[\w.]+ is "(True|False)", expected true or false$/,
    why: 'of a type, only its name, architectures, vCPUs and EbsInfo are read, none of which is a boolean',
  },
  {
    said: /^ec2 (Describe|Run)Instances 200: [\w.[\]]+ has <(publicDnsName|size)>, which is unknown$/,
    why: 'the SDK drops them',
  },
  {
    said: /^ec2 (Describe|Run)Instances 200: [\w.[\]]+\.Ebs\.Status is "in-use", which is unknown$/,
    why: 'the state of a volume is not read',
  },
  {
    said: /^ec2 DescribeNetworkInterfaces 200: NetworkInterfaces\[\]\.RequesterManaged is "False", expected true or false$/,
    why: 'only whose interface it is and its id are read',
  },
  {
    said: /^kms \w+ 200: KeyMetadata\.(KeyUsage|MultiRegion) is null, expected a (string|boolean)$/,
    why: 'of a key, its state, manager and ARN are read',
  },
  {
    said: /^kms ListGrants 200: (GrantCount is unknown|Grants\[\]\.(Constraints|Name|RetiringPrincipal) is null, expected a \w+)$/,
    why: 'of a grant, the principal and the operations are read',
  },
  {
    said: /^s3 CreateBucket 200: the body has bytes, expected none$/,
    why: 'the body is not read',
  },
  {
    said: /^s3 GetBucketPolicyStatus 200: the answer has <\w+>, which is unknown$/,
    why: 'moto lists the bucket; doctor takes a status that is not there for a policy that is not public',
  },
  {
    said: /^s3 \w+ 20[06]: the header x-amz-(content-sha256|(sdk-)?checksum-algorithm) is unknown$/,
    why: 'moto returns headers of the request; checksums are read from the headers of their own names',
  },
  {
    said: /^secretsmanager DescribeSecret 200: (\w+ is null, expected a \w+|SecretVersionsToStages is unknown)$/,
    why: 'only the key is read, and null is the same as none there',
  },
  {
    said: /^ssm GetParameter 200: Parameter\.Tier is unknown$/,
    why: 'only the value is read',
  },
];
