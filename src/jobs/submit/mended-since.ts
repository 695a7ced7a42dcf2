import { canonicalJson } from '../../model/digest.ts';
import { mendOf } from '../../model/mend.ts';
import type { JobView } from '../../model/view.ts';
import { digestOf, type Prepared } from './prepare.ts';

/**
 * True when a submission says what the job of its run key came to since: the program that the last `retry --with` brought,
 * on the inputs as accepted. So the line that cron fires stays safe to fire after its program was mended.
 */
export function isMendedSince(view: JobView, { spec, code, inputs }: Prepared): boolean {
  const { record, overrides } = view;
  const { code: mendedCode = record.code, steps = {}, defaults = {} } = overrides;
  if (mendedCode !== (code?.sha256 ?? null)) return false;
  if (digestOf(record.spec, record.code, inputs) !== record.digest) return false;
  const mend = mendOf(record, overrides, spec);
  return mend.refused.length === 0 && canonicalJson([steps, defaults]) === canonicalJson(changesOf(mend.overrides));
}

const changesOf = ({ steps = {}, defaults = {} }: JobView['overrides']): readonly unknown[] => [steps, defaults];
