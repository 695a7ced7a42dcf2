import type { LifecycleRule } from '@aws-sdk/client-s3';
import { type Finding, fail, pass, warn } from '../../ports/check.ts';

/** What a job can't do without, below the profile's prefix. */
const NEEDED = [
  'data/',
  'code/',
  'runs/',
  'open/',
  'jobs/',
  'ledger/',
  'schedules/',
  'groups/',
  'tokens/',
  'releases/',
];
/** An open job may well be as old as this, days: what is deleted sooner is deleted under its hands. */
const AS_OLD_AS_JOBS = 45;
/** From these an object must be restored before it can be read (S3: storage-class-intro). */
const ARCHIVES: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE']);

/** Whether a bucket's lifecycle rules take what jobs need, and give back what died uploads left. */
export function judgeLifecycle(rules: readonly LifecycleRule[], prefix: string): Finding {
  const enabled = rules.filter(({ Status }) => Status === 'Enabled');
  const eaters = enabled.flatMap((rule) => eaten(rule, prefix));
  const [worst] = [...eaters].sort((a, b) => a.days - b.days);
  if (worst !== undefined) {
    const { what, keys, days } = worst;
    const message = `the rule ${what} objects below ${keys} after ${days} days, including results`;
    const mend = `remove that rule, or give it a prefix outside of ${prefix === '' ? 'what batchctl writes' : prefix}`;
    return days < AS_OLD_AS_JOBS
      ? fail(message, mend)
      : warn(message, `${mend}; first fetch outputs that you want to keep`);
  }
  const aborts = enabled.find((rule) => rule.AbortIncompleteMultipartUpload !== undefined && covers(rule, prefix));
  const days = aborts?.AbortIncompleteMultipartUpload?.DaysAfterInitiation;
  if (days === undefined) {
    return warn(
      'no rule removes unfinished uploads: their parts are charged for, but not listed',
      'add a lifecycle rule AbortIncompleteMultipartUpload of 7 days (batchctl infra up does)',
    );
  }
  return pass(
    `no rule removes what jobs need; unfinished uploads are removed after ${days} ${days === 1 ? 'day' : 'days'}`,
  );
}

interface Eater {
  /** In words: `"tidy" deletes`. */
  readonly what: string;
  readonly keys: string;
  readonly days: number;
}

function eaten(rule: LifecycleRule, prefix: string): readonly Eater[] {
  // Objects of ours have no tags.
  if (rule.Filter?.Tag !== undefined || (rule.Filter?.And?.Tags ?? []).length > 0) return [];
  const keys = NEEDED.map((place) => prefix + place).find((place) => meet(prefixOf(rule), place));
  if (keys === undefined) return [];
  const name = `"${rule.ID ?? 'without a name'}"`;
  const { Days, Date: date } = rule.Expiration ?? {};
  const found: Eater[] = [];
  const deleted = Days ?? (date === undefined ? undefined : daysUntil(date));
  if (deleted !== undefined) found.push({ what: `${name} deletes`, keys: prefixOf(rule) || keys, days: deleted });
  for (const { Days: after = 0, StorageClass = '' } of rule.Transitions ?? []) {
    if (ARCHIVES.has(StorageClass)) found.push({ what: `${name} archives (${StorageClass})`, keys, days: after });
  }
  return found;
}

const daysUntil = (date: Date): number => Math.max(0, Math.ceil((date.getTime() - Date.now()) / 86_400_000));

/** A rule's own Prefix is the older form, which S3 still answers. */
function prefixOf({ Filter, Prefix }: LifecycleRule): string {
  return Filter?.Prefix ?? Filter?.And?.Prefix ?? Prefix ?? '';
}

const meet = (a: string, b: string): boolean => a.startsWith(b) || b.startsWith(a);

function covers(rule: LifecycleRule, prefix: string): boolean {
  const { Filter } = rule;
  const sizes = Filter?.ObjectSizeGreaterThan ?? Filter?.ObjectSizeLessThan;
  return sizes === undefined && Filter?.Tag === undefined && prefix.startsWith(prefixOf(rule));
}
