/** As the schema's names, and not like a security group's id (EC2: CreateSecurityGroup). */
const STACK_NAME = /^(?!sg-|sg$)[a-z][a-z0-9-]{0,39}$/;
/** Characters kept of a name that must be changed, and of the hash that keeps it different from others. */
const [KEPT, HASH] = [32, 7];

/** The fields of a profile on AWS that decide its names, as far as they are given and have the right type. */
interface GivenNames {
  readonly stack?: string | null | undefined;
  readonly bucket?: string | null | undefined;
  readonly prefix?: string | undefined;
  readonly account?: string | null | undefined;
  readonly region?: string | undefined;
}

/**
 * The names of a profile's stack and bucket. Without a stack's name, the bucket and its prefix give it: stacks of two
 * buckets never have the same one. Without a bucket, its name is made of the stack, the account and the region.
 */
export function namesOf({ stack, bucket, prefix = '', account, region }: GivenNames): {
  readonly stack: string;
  readonly bucket: string;
} {
  const name = bucket ?? `${stack ?? 'batchctl'}-${account}-${region}`;
  return { stack: stack ?? stackOf(prefix === '' ? name : `${name}/${prefix}`), bucket: name };
}

function stackOf(place: string): string {
  if (STACK_NAME.test(place)) return place;
  const plain = place
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '');
  const kept = (/^(?!sg-)[a-z]/.test(plain) ? plain : `b-${plain}`).slice(0, KEPT).replace(/-+$/, '');
  // Loaded only for such a name: every command reads the configuration.
  const { createHash } = process.getBuiltinModule('node:crypto');
  return `${kept}-${createHash('sha256').update(place).digest('hex').slice(0, HASH)}`;
}
