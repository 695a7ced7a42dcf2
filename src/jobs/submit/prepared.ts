import type { Readable } from 'node:stream';
import type { IncompleteInput, JobSpec } from '../../model/job.ts';
import type { ScheduledJob } from '../../model/schedule.ts';
import type { Attachments } from '../../ports/verbs.ts';
import type { CodeArchive } from '../code-archive.ts';
import type { FoundInput } from './upload-inputs.ts';

export interface SubmissionRequest
  extends Pick<
    ScheduledJob,
    'spec' | 'directory' | 'inputs' | 'inputDirectory' | 'params' | 'labels' | 'expectInputs'
  > {
  /** For hints. Absent or null: no file describes the job, or it is on another machine. */
  readonly jobFile?: string | null;
  readonly stdin: Readable | null;
  readonly period: string | null;
  readonly runKey: string | null;
  readonly allowEmpty: boolean;
  /** Absent: false. */
  readonly allowIncomplete?: boolean;
  /** The job's files, already packed; absent: they are packed from `directory`. */
  readonly code?: CodeArchive | null;
  /** For a remote caller: the files that it put. Absent or null: paths are this machine's. */
  readonly attachments?: Attachments | null;
  /** ISO-8601 UTC: no task begins earlier. Not part of the digest. */
  readonly notBefore?: string | null;
  /** ISO-8601 UTC. Not part of the digest: the same job with another deadline is still the same job. */
  readonly finishBy?: string | null;
  /** USD. */
  readonly maxCost?: number | null;
  /** Pattern of the names of the results that the submitter fetches; absent: not known. */
  readonly resultNames?: string;
  /** batchctl's own directory and configuration, as absolute paths: inputs leave them out. */
  readonly own?: readonly string[];
}

/** A submission with everything that identifies the job; nothing is written yet. */
export interface Prepared {
  readonly request: SubmissionRequest;
  readonly spec: JobSpec;
  readonly runKey: string | null;
  readonly code: CodeArchive | null;
  readonly inputs: readonly FoundInput[];
  readonly digest: string;
  /** The columns of its tables. Absent or null: it has none, or they are not known before the input is cut. */
  readonly columns?: readonly string[] | null;
  /** Where the outputs will be delivered, with `{job}` not filled in; null: nowhere. */
  readonly deliverPlace: string | null;
  /**
   * The entries that the inputs' directories and patterns leave out, a line each; without
   * `request.attachments.leftOut`.
   */
  readonly leftOut?: readonly string[];
  /** Steps of other jobs that are read although tasks of them have no output. */
  readonly incomplete?: readonly IncompleteInput[];
}
