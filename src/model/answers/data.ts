import * as v from 'valibot';
import { instant, text, textOrNull, told, type Value } from './shapes.ts';

const size = v.pipe(v.number(), v.integer());

/** One object of `ls`. */
export const LISTED_DATA = v.object({
  key: told(text, 'jobs read it as store:KEY'),
  size,
  modified: instant,
  checksum: told(textOrNull, 'sha256:<hex>; null without --checksums'),
});

/** One object of `rm`. */
export const REMOVED_DATA = v.object({
  key: text,
  size,
  dryRun: told(v.boolean(), 'true: it would be removed'),
});

export type ListedData = Value<typeof LISTED_DATA>;
export type RemovedData = Value<typeof REMOVED_DATA>;
