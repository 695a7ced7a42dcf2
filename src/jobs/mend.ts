import { BatchctlError } from '../errors.ts';
import type { Change } from '../model/changes.ts';
import type { JobSpec } from '../model/job.ts';
import type { Overrides } from '../model/journal.ts';
import { codeKey } from '../model/keys.ts';
import { mendOf } from '../model/mend.ts';
import { substitute } from '../model/substitute.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { type CodeArchive, packCode } from './code-archive.ts';

/** A corrected job file with its files, read and packed; nothing is stored yet. */
export interface Mend {
  readonly spec: JobSpec;
  readonly code: CodeArchive | null;
}

/** Packs a corrected job file's files, relative to `directory`. Throws `jobFile` for a pattern without a match. */
export async function readMend(spec: JobSpec, directory: string): Promise<Mend> {
  return { spec, code: await packCode(directory, spec.files) };
}

/**
 * What a round with the corrected job file changes. Throws `refused`, listing each difference, if it isn't the same
 * job: input, split, step names, and anything that outputs or verdicts depend on can't change any more.
 */
export function overridesOfMend(view: JobView, { spec, code }: Mend): Overrides {
  const { record } = view;
  const { overrides, refused } = mendOf(record, view.overrides, filled(view, spec));
  if (refused.length > 0) {
    const adjusts = refused.some(({ field }) => field === 'tolerate' || field === 'maxRunning');
    throw new BatchctlError(
      'refused',
      `the corrected job file can't change ${refused.map(differenceText).join('; ')} of job ${record.job}`,
      {
        hint: adjusts
          ? `change tolerate and maxRunning with batchctl adjust ${record.job}; restore the rest, or submit a new job`
          : 'restore it, or submit the file as a new job',
      },
    );
  }
  return { ...overrides, code: code?.sha256 ?? null };
}

/**
 * Stores the corrected program under its hash, before the entry that refers to it, so that no worker finds it missing.
 */
export async function putMend(store: ObjectStore, { code }: Mend): Promise<void> {
  if (code !== null) await store.put(codeKey(code.sha256), code.gzip);
}

/** The inputs that a submission of the file would use, with the job's own parameters. */
function filled(view: JobView, spec: JobSpec): JobSpec {
  const { record } = view;
  if (spec.input === null || record.given?.input === true) return spec;
  const given = Object.fromEntries((record.given?.params ?? []).map((name) => [name, record.spec.params[name] ?? '']));
  const params = { ...spec.params, ...given, ...(record.period === null ? {} : { period: record.period }) };
  const fill = (text: string): string => substitute(text, params, { field: 'input.from', unknown: 'error' });
  return { ...spec, input: { ...spec.input, from: spec.input.from.map(fill) } };
}

const SHOWN = 60;

function differenceText({ field, from, to }: Change): string {
  const text = (value: unknown): string => {
    const json = typeof value === 'string' ? value : JSON.stringify(value ?? 'none');
    return json.length > SHOWN ? `${json.slice(0, SHOWN - 3)}...` : json;
  };
  return `${field} (was ${text(from)}, is ${text(to)})`;
}
