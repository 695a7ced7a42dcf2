import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BatchctlError, hasCode } from '../../errors.ts';
import { bootFileKey } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';

/** Files of the operator's machine that new instances fetch, by their SHA-256. */
export interface BootFiles {
  /** Each group's setup script; null of a group without. */
  readonly setups: Readonly<Record<string, string | null>>;
  /** The certificate authority of the ledger's server. */
  readonly ca: string | null;
  /** Keys in the store, and what they are to hold. */
  readonly objects: ReadonlyMap<string, Uint8Array>;
}

export interface BootPaths {
  /** Absolute. */
  readonly setups: Readonly<Record<string, string | null>>;
  readonly ca: string | null;
}

/** Reads them. Throws `config` for one that can't be read. */
export function readBootFiles({ setups, ca }: BootPaths): BootFiles {
  const objects = new Map<string, Uint8Array>();
  const take = (kind: 'setup' | 'ca', where: string, path: string | null): string | null => {
    if (path === null) return null;
    const bytes = readFile(where, path);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    objects.set(bootFileKey(kind, sha256), bytes);
    return sha256;
  };
  const taken = Object.entries(setups).map(([group, path]) => [group, take('setup', `groups.${group}.setup`, path)]);
  return { setups: Object.fromEntries(taken), ca: take('ca', 'ledger.ca', ca), objects };
}

/** Those that the store lacks. */
export async function missingFiles(store: ObjectStore, { objects }: BootFiles): Promise<readonly string[]> {
  const keys = [...objects.keys()];
  const heads = await Promise.all(keys.map((key) => store.head(key)));
  return keys.filter((_, at) => heads[at] === null);
}

export async function putFiles(store: ObjectStore, { objects }: BootFiles): Promise<void> {
  for (const [key, bytes] of objects) await store.put(key, bytes);
}

function readFile(where: string, path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = hasCode(error, 'ENOENT') ? 'there is no such file' : String((error as Error).message);
    throw new BatchctlError('config', `${where}: expected a readable file, found ${path}: ${why}`, {
      hint: 'paths in the configuration are relative to its file',
      cause: error,
    });
  }
}
