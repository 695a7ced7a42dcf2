import { DATA } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';

/** From so many files on a listing is cheaper than a question for each: S3 tells 1,000 keys at a time. */
const WORTH_LISTING = 20;
/** Keys of others that are read past before it is no longer. */
const STRANGERS = 2_000;

/** Which of these keys hold something; null where each is better asked for. */
export async function presentKeys(
  store: Pick<ObjectStore, 'keys'>,
  keys: ReadonlySet<string>,
): Promise<ReadonlySet<string> | null> {
  if (keys.size < WORTH_LISTING) return null;
  const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const [first = '', last = ''] = [sorted[0], sorted.at(-1)];
  const present = new Set<string>();
  let strangers = 0;
  for await (const key of store.keys(commonPrefix(first, last), { from: first })) {
    if (keys.has(key)) present.add(key);
    else strangers += 1;
    if (strangers > STRANGERS + keys.size) return null;
    if (key === last) break;
  }
  return present;
}

/** Whole characters that both begin with, at least `data/`. */
function commonPrefix(a: string, b: string): string {
  const [one, other] = [[...a], [...b]];
  const differs = one.findIndex((character, at) => character !== other[at]);
  return differs < DATA.length ? DATA : one.slice(0, differs).join('');
}
