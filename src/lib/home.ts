import { createHash } from 'node:crypto';
import { BatchctlError } from '../errors.ts';
import { HOME_TAG, STACK_TAG } from './stack-names.ts';

interface Home {
  readonly region: string;
  readonly bucket: { readonly name: string; readonly prefix: string };
}

/** Characters of a tag's value. */
const VALUE_LENGTH = 256;
/** By the models of `iam` (tagValueType) and `s3control` (TagValueString), the strictest ones. */
const PLAIN = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** A stack's home: region, bucket and prefix, as a value that all services accept as a tag's. */
export function homeOf({ region, bucket: { name, prefix } }: Home): string {
  const home = `${region}/${name}/${prefix}`;
  if (PLAIN.test(home) && home.length <= VALUE_LENGTH) return home;
  return `${region}/${name}/=${createHash('sha256').update(prefix).digest('hex').slice(0, 32)}`;
}

/** Throws `refused` for a resource of another home. One without a home was made by an earlier version or a person. */
export function requireHome(what: string, tags: Readonly<Record<string, string | undefined>>, own: string): void {
  const home = tags[HOME_TAG];
  if (home === undefined || home === own) return;
  throw new BatchctlError('refused', `${what} belongs to the stack ${tags[STACK_TAG]} of ${home}, not of ${own}`, {
    hint: "use another stack name in the profile: with this one, messages also go to that stack's queues",
  });
}
