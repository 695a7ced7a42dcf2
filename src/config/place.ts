import { isAbsolute, resolve } from 'node:path';
import { isZone } from '../lib/instant.ts';
import type { Notification } from '../model/notify.ts';
import { LOCAL_DEFAULTS } from './backends.ts';
import { namesOf } from './default-stack.ts';
import type { PlainObject } from './merge.ts';
import type { AwsProfile, LocalFields, Profile, ProfileFields } from './profile.ts';

/** The profile from its fields: named, with paths made absolute relative to `dir`. */
export function placeProfile(name: string, fields: ProfileFields, dir: string, rootDir: string): Profile {
  switch (fields.backend) {
    case 'local':
      return { ...fields, name, root: resolve(rootDir, fields.root), notify: placeNotify(fields.notify, dir) };
    case 'aws': {
      const { stack, account, region, bucket, ledger } = fields;
      const names = namesOf({ stack, bucket: bucket.name, prefix: bucket.prefix, account, region });
      return {
        ...fields,
        name,
        root: null,
        stack: names.stack,
        bucket: { ...bucket, name: names.bucket, owner: bucket.owner ?? account },
        ledger: 'ca' in ledger ? { ...ledger, ca: placePath(ledger.ca, dir) } : ledger,
        groups: Object.fromEntries(
          Object.entries(fields.groups).map(([name, group]) => [
            name,
            { ...group, setup: placePath(group.setup, dir) },
          ]),
        ),
        notify: placeNotify(fields.notify, dir),
      } satisfies AwsProfile;
    }
    case 'manager':
      return { ...fields, name, root: null };
    default:
      return fields satisfies never;
  }
}

/** Receivers; programs get absolute paths. */
const placeNotify = (list: readonly Notification[], dir: string): readonly Notification[] =>
  list.map((one) =>
    one.to.startsWith('exec:') ? { ...one, to: `exec:${resolve(dir, one.to.slice('exec:'.length))}` } : one,
  );

/** A path as written, relative to its file. */
const placePath = (path: string | null, dir: string): string | null =>
  path === null || isAbsolute(path) ? path : resolve(dir, path);

/**
 * Accepts common local profiles without the schema, whose loading takes longer than `status` on a local job may.
 * Returns null when in doubt: then the schema decides.
 */
export function parseSimpleLocal(value: PlainObject): LocalFields | null {
  const known: PlainObject = { ...LOCAL_DEFAULTS, ...value };
  const { backend, tz = null, root, durability, slots = null, protect, ...others } = known;
  if (Object.keys(others).length > 0 || backend !== 'local') return null;
  if (tz !== null && (typeof tz !== 'string' || !isZone(tz))) return null;
  if (typeof root !== 'string' || root.trim() === '' || root.includes('\0')) return null;
  if (durability !== 'process' && durability !== 'power') return null;
  if (slots !== null && (typeof slots !== 'number' || !Number.isInteger(slots) || slots < 1 || slots > 10_000))
    return null;
  if (typeof protect !== 'boolean') return null;
  return {
    backend,
    tz,
    root,
    durability,
    slots,
    protect,
    groups: {},
    allowSecrets: null,
    requesterPays: [],
    notify: [],
  };
}
