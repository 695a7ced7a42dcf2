import { isIP } from 'node:net';

/**
 * Where an address of an URL leads. `metadata`: link-local, where instances and containers get their credentials (EC2:
 * userguide/instancedata-data-retrieval; ECS: task-iam-roles), which nobody is ever told at · `loopback`: this machine.
 */
export type Place = 'metadata' | 'loopback' | 'elsewhere';

const MAPPED = /^(?:0*:)*ffff:(.+)$/;

/** The place of an IP address; of what is none, `elsewhere`. */
export function placeOf(address: string): Place {
  const bare = address
    .replace(/^\[|\]$/g, '')
    .replace(/%.*$/, '')
    .toLowerCase();
  if (isIP(bare) === 4) return placeOf4(bare);
  if (isIP(bare) !== 6) return 'elsewhere';
  // The one spelling of an address: what is left out, and how many zeros a group has, is the same in it.
  const { hostname } = new URL(`http://[${bare}]/`);
  const six = hostname.slice(1, -1);
  const [, tail] = MAPPED.exec(six.replace(/^::/, '0:')) ?? [];
  if (tail !== undefined) return placeOf4(dotted(tail));
  if (six === '::1' || six === '::') return 'loopback';
  if (/^fe[89ab][0-9a-f]:/.test(six) || /^fd00:ec2:/.test(six)) return 'metadata';
  return 'elsewhere';
}

function placeOf4(address: string): Place {
  if (/^169\.254\./.test(address)) return 'metadata';
  return /^(127|0)\./.test(address) ? 'loopback' : 'elsewhere';
}

/** `a9fe:a9fe` as `169.254.169.254`. */
function dotted(tail: string): string {
  if (tail.includes('.')) return tail;
  const [high = 0, low = 0] = tail.split(':').map((group) => Number.parseInt(group, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
