import type { AwsProfile } from '../config.ts';
import { STACK_TAG } from '../lib/stack-names.ts';

/** The tags of all that is made: the profile's own, and the stack's name. */
export function tagsOf({ tags, stack }: Pick<AwsProfile, 'tags' | 'stack'>): Readonly<Record<string, string>> {
  return { ...tags, [STACK_TAG]: stack };
}

/** In words, of what has not the stack's tag. */
export const whose = (owner: string | undefined): string =>
  owner === undefined ? 'was not made by batchctl' : `is of the stack ${owner}`;

/** In words, each tag that is wanted and lacks. */
export function tagDifferences(
  found: Readonly<Record<string, string | undefined>>,
  wanted: Readonly<Record<string, string>>,
): readonly string[] {
  return Object.entries(wanted).flatMap(([name, value]) =>
    found[name] === value ? [] : [`tag ${name} ${found[name] === undefined ? '' : `${found[name]} → `}${value}`],
  );
}
