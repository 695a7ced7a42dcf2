import { type GrantOperation, KMS } from '@aws-sdk/client-kms';
import { DRAIN_HOOK, roleName } from '../../src/lib/stack-names.ts';
import { forSuite } from '../support/fixture.ts';
import {
  type AccountClients,
  accountClients,
  clientConfig,
  createPolicy,
  findSecurityGroup,
} from '../support/grid/account-clients.ts';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { startTlsFront } from '../support/servers/proxies.ts';
import { startSimpleDb } from '../support/servers/simpledb-server.ts';
import { MANAGER } from './grid-lab.ts';
import { StackWorkspace } from './stack-workspace.ts';

/** The access key of `Strangers.clients`. */
export const STRANGER = 'AKIDOTHER';
const ALL = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
});

/** The groups of a changed configuration. */
export const CHANGED_GROUPS = {
  default: { visibility: '90s', instances: ['m7g.large'] },
  gpu: { instances: ['g5.xlarge'] },
};

/** Set-up of a suite: an administrator who reaches S3 by TLS, and other people who change the administrator's stacks. */
export class Strangers {
  readonly cloud: Cloud;
  readonly clients: AccountClients;
  readonly workspace: StackWorkspace;

  constructor() {
    const simpledb = forSuite(() => startSimpleDb());
    this.cloud = forSuite(() => startCloud({ simpledb: simpledb.url, pace: { second: 20 }, facts: true }));
    const front = forSuite(() => startTlsFront(this.cloud.url));
    this.clients = forSuite(() => accountClients(this.cloud, { accessKeyId: STRANGER }));
    this.workspace = forSuite(
      () => new StackWorkspace(this.cloud, { AWS_ENDPOINT_URL_S3: front.url, AWS_CA_BUNDLE: front.ca }),
    );
  }

  /** Configures a new stack with everything that needs permissions of its own. Returns the profile. */
  async configure() {
    const profile = {
      ledger: { kind: 'simpledb', domains: 2 },
      iam: { permissionsBoundary: await createPolicy(this.clients, 'boundary') },
      manager: MANAGER,
    };
    await this.#chooseDefaultKey();
    this.workspace.configure(profile);
    return profile;
  }

  /** Lets volumes of the account have a customer's key, which admits Auto Scaling. */
  async #chooseDefaultKey(): Promise<void> {
    const kms = new KMS(clientConfig(this.cloud, { accessKeyId: STRANGER }));
    const { KeyMetadata: { KeyId } = {} } = await kms.createKey({});
    const GranteePrincipal = `arn:aws:iam::${this.cloud.account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling`;
    const Operations: GrantOperation[] = ['Decrypt', 'GenerateDataKeyWithoutPlaintext', 'CreateGrant'];
    await kms.createGrant({ KeyId, GranteePrincipal, Operations });
    kms.destroy();
    await this.clients.ec2.modifyEbsDefaultKmsKeyId({ KmsKeyId: KeyId });
  }

  /** Changes what `infra up` created: the workers' role, their security group, their group's hook. */
  async changeStack(): Promise<void> {
    const { iam, scaling } = this.clients;
    const { stack } = this.workspace;
    const other = await createPolicy(this.clients, 'other');
    const RoleName = roleName(stack, 'worker');
    const trust = ALL.replace('"Action":"*","Resource":"*"', '"Action":"sts:AssumeRole","Principal":{"AWS":"*"}');
    await iam.updateAssumeRolePolicy({ RoleName, PolicyDocument: trust });
    await iam.putRolePermissionsBoundary({ RoleName, PermissionsBoundary: other });
    await iam.putRolePolicy({ RoleName, PolicyName: 'batchctl', PolicyDocument: ALL });
    await iam.attachRolePolicy({ RoleName, PolicyArn: other });
    await this.openSecurityGroup(RoleName);
    await scaling.deleteLifecycleHook({ AutoScalingGroupName: `${stack}-default`, LifecycleHookName: DRAIN_HOOK });
  }

  /** Lets everyone in through a security group, and replaces its outgoing rules. */
  async openSecurityGroup(name: string): Promise<void> {
    const { ec2 } = this.clients;
    const { GroupId, IpPermissionsEgress = [] } = (await findSecurityGroup(this.clients, name)) ?? {};
    const IpPermissions = [{ IpProtocol: 'tcp', FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: '0.0.0.0/0' }] }];
    await ec2.authorizeSecurityGroupIngress({ GroupId, IpPermissions });
    await ec2.revokeSecurityGroupEgress({ GroupId, IpPermissions: IpPermissionsEgress });
    await ec2.authorizeSecurityGroupEgress({ GroupId, IpPermissions });
  }
}
