import { exitOf } from '../../src/cli/report-error.ts';
import { messageOf } from '../../src/errors.ts';
import { randomId } from '../../src/lib/id.ts';
import type { CommandSettings, Platform } from '../../src/ports/platform.ts';
import { createShellExecutor } from '../../src/worker/shell-executor.ts';
import { runWorker } from '../../src/worker/worker.ts';
import type { Ended, Workspace } from './workspace.ts';

/** A worker in this process. */
export interface InsideWorker {
  /** Rejects as the worker does. */
  readonly done: Promise<void>;
  /** Lets it finish what it runs and leave. */
  drain(): Promise<void>;
  /** Lets it give back what it runs and leave. */
  stop(): Promise<void>;
}

type Options = Parameters<typeof runWorker>[1];

/** Runs a worker of the group `default` in this process, as its platform names it, until it leaves; rejects as it does. */
export function workHere(platform: Platform, slots: number, more: Partial<Options> = {}): Promise<void> {
  const never = new AbortController().signal;
  return runWorker(platform, {
    ...{ worker: platform.who, groups: ['default'], host: 'here', version: '0.1.0', makeExecutor: createShellExecutor },
    total: { slots, memory: 2 ** 32, disk: 2 ** 32 },
    ...{ untilEmpty: false, idleExit: null, maxFailures: null, drain: never, stop: never, say: () => undefined },
    ...more,
  });
}

/** Starts a worker in this process, on a platform that a test may have put faults into. */
export function startInside(
  workspace: Workspace,
  platform: Platform,
  {
    slots,
    ...options
  }: Pick<Options, 'untilEmpty' | 'graceMs'> & Partial<Pick<Options, 'say' | 'groups'>> & { readonly slots: number },
): InsideWorker {
  const [drain, stop] = [new AbortController(), new AbortController()];
  const done = workHere(platform, slots, { drain: drain.signal, stop: stop.signal, ...options });
  done.catch(() => undefined); // told to whoever awaits it
  const end = (by: AbortController) => () => {
    by.abort();
    return done;
  };
  workspace.atEnd(end(stop));
  return { done, drain: end(drain), stop: end(stop) };
}

/**
 * A worker that leaves once there is nothing left to do, as `Workspace.work`, in this process: without a start, for a fifth
 * of the CPU time. Its commands have the workspace as their home directory, as those of a process have. Where that can't be,
 * it is a process.
 */
export async function workInside(
  workspace: Workspace,
  slots = 2,
  env: Readonly<Record<string, string>> = {},
  groups: readonly string[] = ['default'],
): Promise<Ended> {
  const ended = await workspace.inside(env, async () => {
    const own = await workspace.platform(`w-inside-${randomId(8)}`);
    const commandSettings = (group: string): CommandSettings => {
      const { env: given = {}, secrets = {} } = own.commandSettings?.(group) ?? {};
      return { env: { HOME: workspace.dir, ...given }, secrets };
    };
    const said: string[] = [];
    const say = (line: string): void => void said.push(line);
    const worker = startInside(workspace, { ...own, commandSettings }, { slots, untilEmpty: true, say, groups });
    const code = await worker.done.then(
      () => 0,
      (error: unknown) => {
        said.push(messageOf(error));
        return exitOf(error);
      },
    );
    return { code, signal: null, stdout: '', stderr: said.join('\n') };
  });
  return ended ?? workspace.work(env, '--slots', String(slots), ...groups.flatMap((group) => ['--group', group]));
}

/** Does the same as `run job.json` with these flags, but with the worker in this process. The worker ends before `run` begins. */
export async function runInside(workspace: Workspace, ...flags: readonly string[]): Promise<Ended> {
  const submitted = await workspace.run(['submit', 'job.json', '--json']);
  if (submitted.code !== 0) return submitted;
  await workInside(workspace);
  const { job } = JSON.parse(submitted.stdout) as { readonly job: string };
  const ended = await workspace.run(['run', job, ...flags]);
  return { ...ended, stderr: `${submitted.stderr}${ended.stderr}` };
}
