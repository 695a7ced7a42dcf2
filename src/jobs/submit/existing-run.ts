import { canonicalJson } from '../../model/digest.ts';
import type { JobRecord, JobSpec } from '../../model/job.ts';
import { runsPrefix } from '../../model/keys.ts';
import { mendOf } from '../../model/mend.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { type RunKeyClaim, readClaim } from '../run-claims.ts';
import { digestOf, type Prepared } from './prepare.ts';

/** What the latest run of a key is, if any. Cheap: asked before anything is prepared further. */
export async function existingRun(
  platform: Pick<Platform, 'store'>,
  runKey: string,
): Promise<{ readonly claim: RunKeyClaim; readonly number: number } | null> {
  return (await runsOf(platform, runKey)).latest;
}

/** The latest run of a key, and the number that the next one gets: numbers at which a submission was discarded are no runs. */
export async function runsOf(
  { store }: Pick<Platform, 'store'>,
  runKey: string,
): Promise<{
  readonly latest: { readonly claim: RunKeyClaim; readonly number: number } | null;
  readonly next: number;
}> {
  const numbers: number[] = [];
  for await (const key of store.keys(runsPrefix(runKey))) {
    const match = /\/(\d{4})\.json$/.exec(key);
    if (match?.[1] !== undefined) numbers.push(Number(match[1]));
  }
  const next = (numbers.at(-1) ?? -1) + 1;
  for (const number of numbers.reverse()) {
    const claim = await readClaim(store, runKey, number);
    if (claim !== null && claim.discarded === undefined) return { latest: { claim, number }, next };
  }
  return { latest: null, next };
}

/**
 * True when a submission says what the job of its run key came to since: the program that the last `retry --with` brought,
 * on the inputs as accepted. So the line that cron fires stays safe to fire after its program was mended.
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

/** What `--set` and `--label` gave the job, which no mended file touches, is given again. */
function givenAlike({ given, spec: accepted }: JobRecord, spec: JobSpec): boolean {
  const params = given?.params ?? [];
  const labels = given?.labels ?? [];
  return (
    params.every((name) => spec.params[name] === accepted.params[name]) &&
    labels.every((name) => spec.labels[name] === accepted.labels[name])
  );
}

const changesOf = ({ steps = {}, defaults = {} }: JobView['overrides']): readonly unknown[] => [steps, defaults];
