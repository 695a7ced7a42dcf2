import { createHash } from 'node:crypto';

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
