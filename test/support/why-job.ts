import { whyJob } from '../../src/jobs/why/why.ts';
import type { Cause, CauseCode } from '../../src/model/cause.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { rangeJob } from './range-job.ts';
import { until } from './until.ts';
import type { Workspace } from './workspace.ts';

/** The codes of the causes that `why` finds, the most important first. */
export async function causeCodesOf(platform: Platform, job: string): Promise<readonly CauseCode[]> {
  return (await whyJob(async () => platform, job)).causes.map(({ code }) => code);
}

/** Waits until `why` finds a cause with this code, and returns it. */
export function untilCause(platform: Platform, job: string, code: CauseCode, ms?: number): Promise<Cause> {
  return until(
    `why finds ${code}`,
    async () => (await whyJob(async () => platform, job)).causes.find((cause) => cause.code === code),
    ms,
  );
}

/** A job file with `tasks` numbered tasks that run one command, and a gather if `gather` is true. */
export const rangeJobFile = (
  tasks: number,
  run: string,
  more: { readonly step?: object; readonly gather?: boolean; readonly job?: object } = {},
): object => {
  const gather = more.gather === true ? [{ name: 'total', gather: true, run: ['cat'] }] : [];
  return { ...rangeJob<object>('claims', tasks, { name: 'price', run, ...more.step }, ...gather), ...more.job };
};

/** A command that waits for the file `go` in the workspace. */
export const waitForGoCommand = (workspace: Workspace): string =>
  `until [ -e "${workspace.path('go')}" ]; do sleep 0.02; done; echo done`;
