import type { AwsProfile } from '../config.ts';
import { BatchctlError } from '../errors.ts';
import { gridName } from '../lib/stack-names.ts';
import { machinesOf } from './grid.ts';
import type { Part } from './resource.ts';
import { suspendRebalance } from './scaling-request.ts';

/** Bytes of a template in a request, and of one in S3 (CloudFormation: quotas). */
const BODY_LIMIT = 51_200;
const S3_LIMIT = 1_000_000;

/** Throws `config` for a template that CloudFormation doesn't take, however it is handed over. */
export function requireTemplateSize(bytes: number): void {
  if (bytes <= S3_LIMIT) return;
  throw new BatchctlError('config', `the template has ${bytes} bytes, but CloudFormation allows ${S3_LIMIT}`, {
    hint: 'use --only to print its parts, each for a CloudFormation stack of its own; or split the groups between two stacks',
  });
}

/** The command that deploys a template of so many bytes, and what a person should know of it. */
export function howToDeploy({ region, stack }: AwsProfile, only: Part | null, bytes: number): readonly string[] {
  // A part has a CloudFormation stack of its own: deployed as another's, it would remove what it doesn't name.
  const name = only === null ? stack : `${stack}-${only}`;
  const named = only === null || only === 'iam' ? ' --capabilities CAPABILITY_NAMED_IAM' : '';
  const command = `deploy it: aws cloudformation deploy --region ${region} --stack-name ${name} --template-file FILE${named}`;
  if (bytes <= BODY_LIMIT) return [command];
  return [
    `${command} --s3-bucket BUCKET`,
    `it has ${bytes} bytes, more than the ${BODY_LIMIT} of a request, so it is passed through any BUCKET of the region`,
  ];
}

/** Commands that do what no template can, to be run once it is deployed. */
export function afterDeployment(profile: AwsProfile, only: Part | null): readonly string[] {
  const { region, ledger, name } = profile;
  const makes = (part: Part): boolean => only === null || only === part;
  const groups = machinesOf(profile)
    .filter(({ part }) => makes(part))
    .map(({ group }) => suspendRebalance(gridName(profile.stack, group)));
  const suspend = groups.map(
    ({ AutoScalingGroupName, ScalingProcesses }) =>
      `aws autoscaling suspend-processes --region ${region} --auto-scaling-group-name ${AutoScalingGroupName} --scaling-processes ${ScalingProcesses.join(' ')}`,
  );
  // CloudFormation names domains as it likes.
  const domains =
    makes('data') && ledger.kind === 'simpledb' ? [`batchctl infra up --only data --profile ${name}`] : [];
  return [...domains, ...suspend];
}
