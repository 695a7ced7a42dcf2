/** What a denial says, and where it was met. */
export interface Denial {
  /** In the service's own words: S3 names the key of KMS that may not be used. */
  readonly message: string;
  /** `s3:GetObject on arn:aws:s3:::b/k`. */
  readonly denied: string;
  /** The worker's group. */
  readonly group: string;
  readonly store: { readonly location: string };
}

const KEY = /\barn:aws[a-z-]*:kms:[a-z0-9-]+:\d+:key\/[\w-]+/;
const OBJECT = /\barn:aws[a-z-]*:s3:::([^/\s]+)\/(\S*\/)?/;

/** The entry of the configuration that lets the group's workers read it, for people; null: no entry of it does. */
export function entryAllowing({ message, denied, group, store }: Denial): string | null {
  const [key] = KEY.exec(message) ?? [];
  const apply = 'then batchctl infra up --only iam';
  if (key !== undefined) {
    return `add ${key} to groups.${group}.keys of the profile (its key policy must allow it, too), ${apply}`;
  }
  const [, bucket, folder = ''] = OBJECT.exec(denied) ?? [];
  if (bucket === undefined) return null;
  const place = `s3://${bucket}/${folder}`;
  if (`${store.location}/`.startsWith(`s3://${bucket}/`))
    return 'batchctl infra up --only iam gives workers their rights again';
  return `add ${place} to groups.${group}.read of the profile (a bucket of another account must allow it, too), ${apply}`;
}
