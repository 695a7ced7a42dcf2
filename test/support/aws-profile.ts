import { type AwsProfile, loadConfig } from '../../src/config/load-config.ts';
import { partitionOf } from '../../src/lib/stack-names.ts';
import { Workspace } from './workspace.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A profile on AWS with these fields, as the program reads it. */
export async function awsProfile(fields: Fields = {}): Promise<AwsProfile> {
  const here = new Workspace();
  try {
    const aws = { backend: 'aws', region: 'eu-west-1', account: '123456789012', stack: 'month-end', ...fields };
    here.write('batchctl.config.json', { profile: 'prod', profiles: { prod: aws } });
    const { profile } = await loadConfig({ env: {}, cwd: here.dir, home: '', etc: '' });
    if (profile.backend !== 'aws') throw new Error('expected a profile on AWS');
    return profile;
  } finally {
    await here.remove();
  }
}

/** Fields that say something of each thing that IAM, EC2 or Auto Scaling is told of. */
export function everyField(region: string): Fields {
  const arn = (service: string, resource: string, of = region) =>
    `arn:${partitionOf(region)}:${service}:${of}:123456789012:${resource}`;
  return {
    region,
    bucket: { name: 'acme-data', existing: false, prefix: 'batch/' },
    kmsKey: arn('kms', 'key/11111111-2222-3333-4444-555555555555'),
    iam: { permissionsBoundary: arn('iam', 'policy/boundary', '') },
    tags: { CostCenter: '4711' },
    groups: {
      default: { read: ['s3://acme-raw/in/'], write: ['s3://acme-out/'], spot: true },
      gpu: {
        ...{ spot: false, ami: 'ssm:/acme/image', setup: 'setup.sh', packages: ['jq'], env: { MODE: 'fast' } },
        secrets: { KEY: 'ssm:/claims/key', TOKEN: 'secretsmanager:claims#token' },
      },
    },
    manager: { allow: ['203.0.113.0/24'] },
    notify: [
      { on: ['failed'], to: `sns:${arn('sns', 'ops')}`, secret: 'ssm:/hook' },
      { on: ['late'], to: 'sns:pages', secret: 'secretsmanager:hook' },
    ],
    metrics: true,
    budget: { month: 2000 },
  };
}
