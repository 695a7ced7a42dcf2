import { shellWord } from '../lib/shell-word.ts';
import type { JobInput, JobRecord } from '../model/job.ts';
import { DATA_PREFIX, JOBS_PREFIX, taskOfOut } from '../model/keys.ts';
import { type JobView, stateOf } from '../model/view.ts';

/** Failures for good that share a cause. */
export interface FixableFailure {
  /** The cause's id; null if unknown. */
  readonly cause: string | null;
  readonly reason: string;
  /** The name of the input of one of its tasks; null if there is none. */
  readonly input: string | null;
}

/**
 * The fix for tasks that a retry alone can't help, because something that they read is not what it was: as `why`
 * writes a fix. Null for every other failure.
 */
export function failureFix(view: JobView, { cause, reason, input }: FixableFailure): string | null {
  const { record } = view;
  const { job } = record;
  const chosen = cause === null ? '' : ` --cause ${cause}`;
  const isPaused = stateOf(view) === 'paused';
  const goOn = isPaused ? [`batchctl resume ${job}, after that`] : [];
  const again = `${submitAgain(record)}, for a new job with the input as it is now`;
  const skip = `batchctl skip ${job}${chosen === '' ? ' --task T' : chosen} --reason TEXT, to continue without it`;
  switch (reason) {
    case 'changed': {
      const restore = restoreStep(record.inputs.find(({ name }) => name === input) ?? null, view.closed !== null);
      return [
        ...(restore === null ? [] : [restore, `batchctl retry ${job}${chosen}, once it is as it was`, ...goOn]),
        again,
        skip,
      ].join('; ');
    }
    case 'proof':
      return [
        `batchctl verify ${job} --deep, which names the altered output`,
        'move that output away',
        `batchctl verify ${job} --repair, which makes it again and what failed for it`,
        ...goOn,
        skip,
      ].join('; ');
    default:
      return null;
  }
}

/** Makes a task's input what it was when the job was accepted; null if nothing can. */
function restoreStep(input: JobInput | null, isClosed: boolean): string | null {
  if (input === null) return null;
  const { source, checksum } = input;
  switch (source.kind) {
    case 'file':
      return `if ${source.path} was moved away or its disk is not mounted, bring back the same file (a copy counts as another file, and so does one that was written again)`;
    case 'store': {
      if (checksum === null) return null;
      if (!source.key.startsWith(JOBS_PREFIX)) return uploadAgain(source.key, checksum, isClosed);
      // A large output's files have the keys of their attempt, which no other attempt uses again.
      if (taskOfOut(source.key) === null) return null;
      return `batchctl verify ${source.key.split('/')[1]} --deep --repair, until it is proven again`;
    }
    case 's3':
    case 'pipe':
      return null;
    default:
      return source satisfies never;
  }
}

/** An upload keeps an object whose recorded checksum is right, so one whose bytes alone were altered is removed first. */
function uploadAgain(key: string, checksum: string, isClosed: boolean): string {
  const shown = key.slice(DATA_PREFIX.length);
  const [, prefix = '', name = ''] = /^(?:(.*)\/)?([^/]*)$/.exec(shown) ?? [];
  const to = prefix === '' ? '' : ` --to ${shellWord(prefix)}`;
  const upload = `batchctl upload ${shellWord(name)}${to}, with the bytes of then (${checksum})`;
  // `rm` refuses what an open job reads.
  return isClosed ? `batchctl rm ${shellWord(shown)} --yes, if it is still there; ${upload}` : upload;
}

/** A run key needs `--again`, as it belongs to the job that failed. */
function submitAgain({ runKey, period }: JobRecord): string {
  const of = period === null ? '' : ` --period ${shellWord(period)}`;
  return `batchctl run JOBFILE${of}${runKey === null ? '' : ` --run-key ${shellWord(runKey)} --again`}`;
}
