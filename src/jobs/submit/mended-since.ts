import { canonicalJson } from '../../model/digest.ts';
import type { JobRecord, JobSpec } from '../../model/job.ts';
import { mendOf } from '../../model/overrides.ts';
import type { JobView } from '../../model/view.ts';
import { digestOf, type Prepared } from './prepare.ts';

/**
 * True if a submission matches what the job of its run key has become: the program of the last `retry --with`, on the
 * inputs as accepted. A command that cron fires thus stays valid after its program was fixed.
 */
export function isMendedSince(view: JobView, { spec, code, inputs }: Prepared): boolean {
  const { record, overrides } = view;
  const { code: mendedCode = record.code, steps = {}, defaults = {} } = overrides;
  if (mendedCode !== (code?.sha256 ?? null)) return false;
  if (digestOf(record.spec, record.code, inputs) !== record.digest) return false;
  if (!givenAlike(record, spec)) return false;
  const mend = mendOf(record, overrides, spec);
  return mend.refused.length === 0 && canonicalJson([steps, defaults]) === canonicalJson(changesOf(mend.overrides));
}

/** Whether the submission repeats what `--set` and `--label` gave the job, which a changed job file doesn't affect. */
function givenAlike({ given, spec: accepted }: JobRecord, spec: JobSpec): boolean {
  const params = given?.params ?? [];
  const labels = given?.labels ?? [];
  return (
    params.every((name) => spec.params[name] === accepted.params[name]) &&
    labels.every((name) => spec.labels[name] === accepted.labels[name])
  );
}

const changesOf = ({ steps = {}, defaults = {} }: JobView['overrides']): readonly unknown[] => [steps, defaults];
