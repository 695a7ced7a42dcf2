import { randomBytes } from 'node:crypto';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** A random id of `length` lower-case base32 characters, five bits each. */
export function randomId(length: number): string {
  let id = '';
  for (const byte of randomBytes(length)) id += BASE32[byte & 31];
  return id;
}
