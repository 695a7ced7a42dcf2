type Crypto = typeof import('node:crypto');

let loaded: Crypto | null = null;

/** `node:crypto`, loaded at its first use: that takes a fifth of Node's own start, and what only looks never needs it. */
export function crypto(): Crypto {
  loaded ??= process.getBuiltinModule('node:crypto');
  return loaded;
}
