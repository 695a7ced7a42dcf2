import * as v from 'valibot';
import { type BatchctlError, messageOf } from '../errors.ts';
import { isRecord } from '../lib/json.ts';
import { notAllowedMessage, type Position, type Problem, problemsError, problemsOf } from '../lib/problems.ts';
import { readYaml } from '../lib/yaml-document.ts';
import { BACKENDS } from './backends.ts';
import { asConfigFile, type ConfigFile, type FoundFile } from './config-file.ts';
import { namesOf } from './default-stack.ts';
import { keyPath, type Merged, pathKey } from './merge.ts';
import type { ProfileFields } from './profile.ts';
import { outerSchema, profileSchemas } from './schema.ts';

/**
 * Checks a merged profile against its backend's schema. Throws `config` with every mistake at the place where it is
 * written, which may be in a profile that `name` extends.
 */
export async function checkProfile(found: FoundFile, name: string, merged: Merged): Promise<ProfileFields> {
  const { backend } = merged.value;
  const problems: Problem[] = [];
  const known = BACKENDS.find((each) => each === backend);
  if (known === undefined) {
    problems.push({ path: ['backend'], message: notAllowedMessage(['backend'], backend, 'local, aws or manager') });
    throw await failure();
  }
  const result = v.safeParse<(typeof profileSchemas)[typeof known]>(profileSchemas[known], merged.value, {
    abortPipeEarly: true,
  });
  if (!result.success) problems.push(...problemsOf(result.issues, merged.value, profileSchemas[known]));
  if (known === 'aws') problems.push(...checkAws(merged));
  if (!result.success || problems.length > 0) throw await failure();
  return result.output;

  // The parser with positions is needed only for mistakes.
  async function failure(): Promise<BatchctlError> {
    return configProblems(found, withProfilePaths(problems, name, merged));
  }
}

/** Characters (SQS: queue names). */
const QUEUE_NAME = 80;

/** Characters (S3: bucket naming rules). */
const BUCKET_NAME = 63;

/** A resource may have 50 (EC2: CreateTags), including batchctl's own. */
const TAGS = 40;

function checkAws({ value }: Merged): Problem[] {
  const problems: Problem[] = [];
  const { bucket, account } = value;
  const named = typeof bucket === 'string' || (isRecord(bucket) && bucket.name !== undefined);
  if (!named && (account === undefined || (isRecord(bucket) && bucket.existing === true))) {
    const message = 'is required: a bucket name, or account to form the name <stack>-<account>-<region>';
    problems.push({ path: ['bucket'], message });
  }
  if (!named) problems.push(...checkDefaultBucketName(value));
  problems.push(...checkBucketName(value), ...checkBucketOwner(value));
  problems.push(...checkStackName(value.stack));
  problems.push(...checkTags(value.tags), ...checkLedger(value.ledger));
  const groups = isRecord(value.groups) ? value.groups : {};
  const stack = stackName(value);
  problems.push(...Object.keys(groups).flatMap((group) => checkGroupName(group, groups, stack)));
  return problems;
}

/** The default name of the bucket. */
function checkDefaultBucketName({ stack, account, region }: Merged['value']): Problem[] {
  const name = `${stack}-${account}-${region}`;
  const made = typeof stack === 'string' && typeof account === 'string' && typeof region === 'string';
  if (!made || name.length <= BUCKET_NAME) return [];
  const message = `results in a bucket name of ${name.length} characters (${name}), allowed: ${BUCKET_NAME}; shorten it, or set bucket`;
  return [{ path: ['stack'], message }];
}

/** For a bucket to be created (S3: bucket naming rules). Existing ones may be older than a rule. */
function checkBucketName({ bucket, stack }: Merged['value']): Problem[] {
  if (isRecord(bucket) && bucket.existing === true) return [];
  const given = isRecord(bucket) ? bucket.name : bucket;
  const name = given ?? `${stack}-`;
  if (typeof name !== 'string') return [];
  const [wrong] =
    /\.\.|^(\d+\.){3}\d+$|^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/.exec(name) ?? [];
  if (wrong === undefined) return [];
  const path = given === undefined ? ['stack'] : isRecord(bucket) ? ['bucket', 'name'] : ['bucket'];
  return [{ path, message: `found ${name}, but S3 forbids "${wrong}" there in a bucket name; needed: another name` }];
}

/** A bucket is created in the account of its creator. */
function checkBucketOwner({ bucket, account }: Merged['value']): Problem[] {
  if (!isRecord(bucket) || bucket.owner === undefined || bucket.owner === account || bucket.existing === true)
    return [];
  const message = `found ${bucket.owner}; a bucket of another account than \`account\` needs "existing": true`;
  return [{ path: ['bucket', 'owner'], message }];
}

/** Security groups are named after the stack, and their names may not begin like ids (EC2: CreateSecurityGroup). */
function checkStackName(stack: unknown): Problem[] {
  if (typeof stack !== 'string' || !`${stack}-`.startsWith('sg-')) return [];
  return [{ path: ['stack'], message: `found ${stack}, but EC2 rejects security groups whose name begins with sg-` }];
}

/** The stack's name, given or not, as far as the fields that decide it are text. */
function stackName({ stack, bucket, account, region }: Merged['value']): string {
  const { name, prefix } = isRecord(bucket) ? bucket : { name: bucket, prefix: undefined };
  const text = (given: unknown): string | undefined => (typeof given === 'string' ? given : undefined);
  const given = { stack: text(stack), bucket: text(name), prefix: text(prefix) };
  return namesOf({ ...given, account: text(account), region: text(region) }).stack;
}

/** Names that would collide, or are too long. */
function checkGroupName(group: string, groups: Record<string, unknown>, stack: string): Problem[] {
  const problem = (message: string): Problem => ({ path: ['groups', group], message, key: true });
  if (group === 'manager') return [problem('is reserved for the manager, needed: another name')];
  const [, other] = /^(.+)-dead$/.exec(group) ?? [];
  if (other !== undefined && Object.hasOwn(groups, other)) {
    return [problem(`would use the dead-letter queue of ${other} as its queue, needed: another name`)];
  }
  const queue = `${stack}-${group}-dead`;
  if (queue.length <= QUEUE_NAME) return [];
  return [problem(`results in a queue name of ${queue.length} characters (${queue}), allowed: ${QUEUE_NAME}`)];
}

/** There is one way to sign in. `iam` with `passwordEnv` was allowed before: then `iam` counts. */
function checkLedger(ledger: unknown): Problem[] {
  if (!isRecord(ledger)) return [];
  const { password, passwordKey, passwordEnv, iam, url } = ledger;
  const at = (field: string, message: string): Problem => ({ path: ['ledger', field], message });
  const others = [...(passwordEnv === undefined ? [] : ['passwordEnv']), ...(iam === true ? ['iam'] : [])];
  return [
    ...(password === undefined || others.length === 0
      ? []
      : [at('password', `found with ${others.join(' and ')}, allowed: one of them; null removes an inherited one`)]),
    ...(passwordKey === undefined || password !== undefined
      ? []
      : [at('passwordKey', 'found without password, needed: the secret that the key encrypts')]),
    ...(iam === true && typeof url === 'string' && /[?&]sslmode=disable/.test(url)
      ? [at('iam', 'found with sslmode=disable, needed: TLS, without which RDS accepts no token')]
      : []),
  ];
}

/** The profile's tags are additional: batchctl recognizes its resources by its own tags. */
function checkTags(tags: unknown): Problem[] {
  if (!isRecord(tags)) return [];
  const names = Object.keys(tags);
  const many = { path: ['tags'], message: `found ${names.length} tags, allowed: ${TAGS}` };
  return [
    ...(names.length > TAGS ? [many] : []),
    ...names
      .filter((name) => name.startsWith('batchctl:'))
      .map((name) => ({
        path: ['tags', name],
        message: 'begins like the tags of batchctl itself, needed: another name',
        key: true,
      })),
  ];
}

/** Assigns each problem to the profile that wrote the value. */
function withProfilePaths(problems: readonly Problem[], name: string, { origins }: Merged): Problem[] {
  return problems.map((problem) => {
    for (let length = problem.path.length; length > 0; length -= 1) {
      const key = pathKey(problem.path.slice(0, length));
      const profile =
        origins.get(key)?.profile ??
        [...origins].find(([known]) => pathKey(keyPath(known).slice(0, length)) === key)?.[1].profile;
      if (profile !== undefined && profile !== null)
        return { ...problem, path: ['profiles', profile, ...problem.path] };
    }
    return { ...problem, path: ['profiles', name, ...problem.path] };
  });
}

const HINT = 'docs/configuration.md describes the fields; `batchctl schema config` prints their JSON Schema';

/** Checks a file that failed the quick check of `readConfig`: throws all its mistakes, or returns it. */
export function checkOuterShape(found: FoundFile, failure: unknown): ConfigFile {
  const document = readYaml(found.text);
  const problems: Problem[] = [...document.problems];
  if (problems.length === 0 && failure !== null) {
    const why = messageOf(failure);
    problems.push({ path: [], at: positionIn(found.text, why), message: `not JSON: ${why}` });
  }
  if (document.value !== undefined || problems.length === 0) {
    const value = document.value ?? null;
    const result = v.safeParse(outerSchema, value, { abortPipeEarly: true });
    if (!result.success) problems.push(...problemsOf(result.issues, value, outerSchema));
  }
  const file = asConfigFile(document.value);
  if (problems.length === 0 && file !== null) return file;
  throw configProblems(found, problems);
}

/** The mistakes of a file as one `config` error; paths begin at the file's root. */
export function configProblems(found: FoundFile, problems: readonly Problem[]): BatchctlError {
  return problemsError('config', found.path, problems, readYaml(found.text).locate, HINT);
}

/** V8 reports a position as an offset, or none. */
function positionIn(text: string, why: string): Position {
  const offset = Number(/at position (\d+)/.exec(why)?.[1] ?? 0);
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}
