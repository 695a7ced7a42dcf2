import type { SubmissionRequest } from '../../src/jobs/submit/prepared.ts';
import type { JobSpec } from '../../src/model/job.ts';

/** The request to submit a job from a directory, as the command line makes it without flags. */
export function submissionRequest(
  spec: JobSpec,
  directory: string,
  fields: Partial<SubmissionRequest> = {},
): SubmissionRequest {
  return {
    spec,
    directory,
    inputs: [],
    inputDirectory: directory,
    stdin: null,
    params: {},
    labels: {},
    period: null,
    runKey: null,
    expectInputs: null,
    allowEmpty: false,
    ...fields,
  };
}
