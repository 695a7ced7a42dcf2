import { realpathSync } from 'node:fs';
import { BatchctlError } from '../../errors.ts';
import type { AttachedInput } from '../../ports/verbs.ts';
import type { BucketTarget } from './bucket-inputs.ts';

/** What an input's name leads to, not yet opened. */
export type Target =
  | { readonly kind: 'file'; readonly at: string; readonly name: string }
  /** `checksum` where it is known. */
  | { readonly kind: 'store'; readonly at: string; readonly name: string; readonly checksum: string | null }
  /** Whoever attached it has looked: its key tells content, so two files that are alike share it. */
  | { readonly kind: 'attached'; readonly input: AttachedInput }
  | BucketTarget
  | { readonly kind: 'pipe' };

/** Notes what a target is. Throws `refused` for one that was there before: its data would be worked on twice. */
export function refuseTwice(target: Target, seen: Map<string, string>): void {
  if (target.kind === 'attached' || target.kind === 'pipe') return;
  const identity = identityOf(target);
  const before = seen.get(identity);
  seen.set(identity, target.name);
  if (before === undefined) return;
  const again = before === target.name ? `${before} is named twice` : `${target.name} is ${before} again`;
  throw new BatchctlError('refused', `the input ${again}: its data would be worked on twice`, {
    hint: 'name it once; a pattern means links as well as what they lead to',
  });
}

function identityOf(target: Exclude<Target, { kind: 'attached' | 'pipe' }>): string {
  switch (target.kind) {
    case 'file':
      return `file:${whereItLies(target.at)}`;
    case 'store':
      return `store:${target.at}`;
    case 's3':
      return `s3:${target.bucket}/${target.key}`;
    default:
      return target satisfies never;
  }
}

/** Whoever opens a file says best why it can't be read. */
function whereItLies(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}
