import { BatchctlError, type ErrorKind } from '../../../errors.ts';
import type { JobStatus } from '../../../jobs/status.ts';
import type { VerbRunner } from '../../../ports/verbs.ts';

/** Runs a declared verb that only reads. Returns its rows, or its answer as the only one. Throws what the verb throws. */
export async function askVerb(
  verbs: VerbRunner,
  name: string,
  input: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  const rows: unknown[] = [];
  const { answer, error } = await verbs.call({
    ...{ name, input, who: 'manager', dryRun: false, yes: false, tz: null, attachments: null, signal },
    ...{ report: () => {}, notice: () => {}, warn: () => {} },
    row: async (row) => void rows.push(row),
  });
  if (error !== null)
    throw new BatchctlError(error.kind as ErrorKind, error.message, error.hint === null ? {} : { hint: error.hint });
  return answer === undefined ? rows : [answer];
}

/** The status of a job. Throws `notFound`. */
export async function askStatus(verbs: VerbRunner, job: string, signal: AbortSignal): Promise<JobStatus> {
  const [status] = await askVerb(verbs, 'status', { job }, signal);
  return status as JobStatus;
}
