type Crypto = typeof import('node:crypto');

let loaded: Crypto | null = null;

/** Loads `node:crypto` at first use: that takes a fifth of Node's start, and commands that only read don't need it. */
export function loadCrypto(): Crypto {
  loaded ??= process.getBuiltinModule('node:crypto');
  return loaded;
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** Random bytes are requested by the hundred, because a request costs as much as many bytes. None is used twice. */
const random = new Uint8Array(512);
let used = random.length;

/** A random id of `length` lower-case base32 characters, five bits each. */
export function randomId(length: number): string {
  let id = '';
  for (; id.length < length; used += 1) {
    if (used === random.length) {
      loadCrypto().randomFillSync(random);
      used = 0;
    }
    id += BASE32[(random[used] ?? 0) & 31];
  }
  return id;
}

/** A new worker's id: random, without order or meaning, never reused. */
export const newWorkerId = (): string => `w-${randomId(10)}`;
