import { type FetchOptions, fetchOutputs } from '../../../src/jobs/fetch/fetch.ts';
import { parseTarget } from '../../../src/jobs/fetch/target.ts';
import type { FetchAnswer } from '../../../src/model/answers/data.ts';
import type { JobView } from '../../../src/model/view.ts';
import { openPlace, type Place } from '../published-job.ts';

export interface FetchingPlace extends Place {
  /** What was written to stdout. */
  readonly stdout: string;
  /** Fetches a job's outputs to a target, as `-o` names it. */
  fetch(view: JobView, to: string, more?: Partial<FetchOptions>): Promise<FetchAnswer>;
}

export async function openFetchingPlace(): Promise<FetchingPlace> {
  const place = await openPlace();
  const { directory, platform } = place;
  let stdout = '';
  const write = async (bytes: Uint8Array): Promise<void> => {
    stdout += Buffer.from(bytes).toString();
  };
  return {
    ...place,
    get stdout() {
      return stdout;
    },
    fetch: (view, to, more = {}) =>
      fetchOutputs(platform, view, { target: parseTarget(to, { cwd: directory, write }), header: null, ...more }),
  };
}
