import { whyJob } from '../../src/jobs/why/why.ts';
import type { Cause, CauseCode } from '../../src/model/why/cause.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { until } from './until.ts';
import type { Workspace } from './workspace.ts';

/** The codes that `why` finds now, the weightiest first. */
export async function codesOf(platform: Platform, job: string): Promise<readonly CauseCode[]> {
  return (await whyJob(async () => platform, job)).causes.map(({ code }) => code);
}

/** Waits until `why` finds a cause of that code, and answers it. */
export function causeOf(platform: Platform, job: string, code: CauseCode, ms?: number): Promise<Cause> {
  return until(
    `why finds ${code}`,
    async () => (await whyJob(async () => platform, job)).causes.find((cause) => cause.code === code),
    ms,
  );
}

/** A job of so many numbered tasks with one command, and a gather if wanted. */
export const whyJobFile = (
  tasks: number,
  run: string,
  more: { readonly step?: object; readonly gather?: boolean; readonly job?: object } = {},
): object => ({
  name: 'claims',
  input: { split: { by: 'range', from: 1, to: tasks } },
  steps: [
    { name: 'price', run, ...more.step },
    ...(more.gather === true ? [{ name: 'total', gather: true, run: ['cat'] }] : []),
  ],
  ...more.job,
});

/** A command that waits for the file `go` in the workspace, whoever's home that is. */
export const waitsIn = (workspace: Workspace): string =>
  `until [ -e "${workspace.path('go')}" ]; do sleep 0.02; done; echo done`;
