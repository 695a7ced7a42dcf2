import { BatchctlError } from '../errors.ts';
import { dataKey } from '../model/keys.ts';
import type { Delivery } from '../ports/task-queue.ts';
import { SERVICE_DELAY, shortMessageOf } from './outcome.ts';
import type { SecretRefused } from './secrets.ts';

/** A task's delivery from which on a denied input, output or job pauses the job. */
const DENIALS = 2;
/**
 * Permissions take a while to reach all of a service, so only a repeated denial pauses a job. It is repeated if the
 * same task met it before, or others of the job did for longer than a task is returned for: in a long queue, no task
 * comes back before all others were denied.
 */
export class Denials {
  /** Since when each job is denied here without a success, monotonic. */
  readonly #since = new Map<string, number>();

  /** Counts a denial; true if it is a repeated one. */
  recordDenial(job: string, { receiveCount }: Pick<Delivery, 'receiveCount'>, now: number): boolean {
    const since = this.#since.get(job) ?? now;
    const isRepeated = receiveCount >= DENIALS || now - since >= SERVICE_DELAY * 1_000;
    if (isRepeated) this.#since.delete(job);
    else this.#since.set(job, since);
    return isRepeated;
  }

  clear(job: string): void {
    this.#since.delete(job);
  }
}

/** The text about a denial or a refusal for people: what was found, and the way out. */
export function denialText(error: BatchctlError, where: Pick<Denial, 'group' | 'store'>): string {
  const { message, denied, hint = null } = error;
  const wayOut = denied === undefined ? hint : grantHint({ message, denied, ...where });
  return wayOut === null ? shortMessageOf(error) : `${shortMessageOf(error)}; ${wayOut}`;
}

/** The same about a secret. Permissions that a person added to the workers' role would be gone after the next `infra up`. */
export function refusedSecretText(error: SecretRefused, group: string): string {
  const { permission, hint, secret } = error;
  const said = shortMessageOf(error);
  if (permission === undefined) return hint === undefined ? said : `${said}; ${hint}`;
  const [key] = KEY.exec(permission) ?? [];
  const [variable, reference] = secret;
  const entry = `name it in groups.${group}.secrets of the profile ("${variable}": "${reference}"), ${APPLY}`;
  return `${said}; ${key === undefined ? entry : keyHint(key, group)}`;
}

/** The same error with the entry of the configuration that ends the denial as its hint, if there is one. */
export function withGrantHint(error: BatchctlError, where: Pick<Denial, 'group' | 'store'>): BatchctlError {
  const { kind, message, denied, cause } = error;
  const hint = denied === undefined ? null : grantHint({ message, denied, ...where });
  return hint === null || denied === undefined ? error : new BatchctlError(kind, message, { hint, denied, cause });
}

interface Denial {
  /** Names the object. */
  readonly message: string;
  /** `s3:GetObject on arn:aws:s3:::b/k`, or the permission for a KMS key that it needs. */
  readonly denied: string;
  readonly group: string;
  readonly store: { readonly location: string };
}

const KEY = /\barn:aws[a-z-]*:kms:[a-z0-9-]+:\d+:key\/[\w-]+/;
const OBJECT = /\barn:aws[a-z-]*:s3:::([^/\s]+)\/(\S*\/)?(\S*)/;

/** The configuration entry that lets the group's workers use it, as text; null: there is none. */
export function grantHint({ message, denied, group, store }: Denial): string | null {
  const [key] = KEY.exec(denied) ?? [];
  const [, bucket, folder = '', file = ''] = OBJECT.exec(message) ?? [];
  const place = `s3://${bucket}/${folder}`;
  const own = `${store.location}/`;
  const isOwn = bucket !== undefined && place.startsWith(own);
  if (key !== undefined) {
    // Data may have other keys than the profile's, which encrypts what batchctl writes.
    const isProfiles = isOwn && !place.startsWith(`${own}${dataKey('')}`);
    if (!isProfiles) return keyHint(key, group);
    return `set kmsKey of the profile to ${key}, and keep a kmsKey that it had in groups.${group}.keys for older objects ${KEY_POLICY}, ${APPLY}`;
  }
  if (bucket === undefined) return null;
  if (isOwn) return 'batchctl infra up --only iam gives workers their rights again';
  // A folder around the profile's own would let workers read the manager's secrets.
  const entry = own.startsWith(place) ? `${place}${file}` : place;
  return `add ${entry} to groups.${group}.read of the profile (a bucket of another account must allow it, too), ${APPLY}`;
}

const APPLY = 'then batchctl infra up --only iam';
const KEY_POLICY = '(its key policy must allow it, too)';

const keyHint = (key: string, group: string): string =>
  `add ${key} to groups.${group}.keys of the profile ${KEY_POLICY}, ${APPLY}`;
