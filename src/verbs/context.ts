import type { Config } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import type { CorrectedFile } from '../jobs/change/corrected-file.ts';
import type { SubmissionRequest } from '../jobs/submit/prepared.ts';
import type { Clock } from '../lib/clock.ts';
import type { CheckResult } from '../model/answers/upkeep.ts';
import type { Scope } from '../model/api.ts';
import type { JobSpec } from '../model/job.ts';
import type { Platform } from '../ports/platform.ts';

/** The context of a verb. It never contains a terminal, flags, command-line text or a socket (ADR 96). */
export interface VerbContext<Event = never> extends VerbHost, Caller, CallEvents<Event> {}

/** The program that runs verbs: its configuration and ports, opened when first used. */
export interface VerbHost {
  /** The selected profile, and the whole configuration. */
  config(): Promise<Config>;
  platform(): Promise<Platform>;
  /** Ports of its own that give up on a service after this many milliseconds. The verb closes them. */
  impatientPlatform(patienceMs: number): Promise<Platform>;
  readonly clock: Clock;
  /** Checks the configuration, the machine and the services where the verb runs. Leaves nothing behind. */
  examine(): Promise<readonly CheckResult[]>;
  /** Marks a point where a test may kill the process. */
  readonly passed: (point: string) => void;
}

/** The person or program that calls a verb, at this machine or through a manager. */
export interface Caller {
  /** The caller's rights: everything on the machine itself, through a manager as its token says. */
  readonly scope: Scope;
  /** Aborted when the caller has left or asked the verb to stop. */
  readonly signal: AbortSignal;
  /** Compute what would change, and change nothing. */
  readonly dryRun: boolean;
  /** True: the caller has confirmed all questions in advance (`--yes`). */
  readonly confirmed: boolean;
  readonly files: CallerFiles;
  /** The IANA zone of the times that the caller writes and reads. */
  zone(): Promise<string>;
  /** Asks a person before something is destroyed, unless already confirmed. Throws `refused` if the answer is no. */
  confirm(question: string): Promise<void>;
  /** Text for people that is not part of the answer. The caller may have silenced notices. */
  notice(text: string): void;
  warn(text: string): void;
}

export interface CallEvents<Event> {
  /** Reports progress as it happens. Events are plain JSON values, because a manager sends them to its caller. */
  report(event: Event): void;
  /** Resolves once everything reported is displayed; immediately for a remote caller. */
  shown(): Promise<void>;
  /** Sets an error with which the call ends after its answer is displayed. */
  conclude(error: BatchctlError): void;
}

/** For calls that only look something up: shows nothing. */
export const NO_EVENTS: CallEvents<unknown> = { report: () => {}, shown: async () => {}, conclude: () => {} };

const REPORT_MS = 80;

/** Drops reports of progress that would flood a terminal or connection. */
export function throttle<T>(clock: Clock, report: (value: T) => void): (value: T) => void {
  let due = 0;
  return (value) => {
    const now = clock.monotonic();
    if (now < due) return;
    due = now + REPORT_MS;
    report(value);
  };
}

/** Access to files on the caller's machine, wherever the verb runs. */
export interface CallerFiles {
  /** Base directory of relative paths. */
  readonly cwd: string;
  /** True: the verb runs on another machine, which reads and writes no files of the caller. */
  readonly elsewhere: boolean;
  /** Writes to the caller's stdout; null if the answer uses it. */
  readonly stdout: ((bytes: Uint8Array) => Promise<void>) | null;
  /** The job that a file describes. Throws `notFound`, and `jobFile` with all mistakes. */
  job(path: string): Promise<JobSpec>;
  /** Where a job's files and inputs are. `jobFile`: the file that describes the job; null: the command line does. */
  source(jobFile: string | null, spec: JobSpec): Promise<SubmissionSource>;
  /** The job file with that name, and the files it packs. Throws `jobFile`, `notFound`. */
  correctedJob(path: string): Promise<CorrectedFile>;
  /** The text of a small file that was given with `option`. Throws `notFound`. */
  text(option: string, path: string): Promise<string>;
}

export type SubmissionSource = Pick<
  SubmissionRequest,
  'directory' | 'inputDirectory' | 'stdin' | 'attachments' | 'code'
>;

/** The error of a question that can't be asked: its answer is no. */
export const notConfirmed = (question: string): BatchctlError =>
  new BatchctlError('refused', `not confirmed: ${question}`, {
    hint: 'use --yes to confirm without a terminal',
    question,
  });
