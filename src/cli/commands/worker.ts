import { hostname } from 'node:os';
import { BatchctlError } from '../../errors.ts';
import { notFinishedError } from '../../jobs/job-exit.ts';
import { newWorkerId } from '../../lib/id.ts';
import { killPoints } from '../../lib/kill-point.ts';
import { toBatchctlError } from '../../lib/known-error.ts';
import { parseDuration, wholeNumberParser } from '../../lib/units.ts';
import { VERSION } from '../../lib/version.ts';
import { NAME_PATTERN } from '../../model/keys.ts';
import type { WorkerFaults } from '../../model/worker-faults.ts';
import { faultsOf, withFaults } from '../../platform/faults.ts';
import { obeySupervisor, openPlatform, preloadAndAwaitStart } from '../../platform/open-platform.ts';
import { superviseLocalGroup } from '../../platform/own-workers.ts';
import type { Platform } from '../../ports/platform.ts';
import { type CommandDefinition, type CommandInput, defineCommand, groupOption, parsed, repeated } from '../command.ts';
import type { Context } from '../context.ts';
import { localResources, requireHere } from '../this-machine.ts';

const WORKER = {
  '--group <group>': repeated('a group to serve (default: default); several groups are served in turn'),
  '-j, --slots <n>': parsed('tasks at a time (default: the number of processors)', wholeNumberParser(1)),
  '--until-empty': 'exit when no open job has work for these groups',
  '--idle-exit <duration>': parsed(
    'exit after this time without work (default: 2m in an Auto Scaling group, otherwise never)',
    parseDuration,
  ),
  '--max-failures <n>': parsed(
    'exit after this many failed attempts in a row; in an Auto Scaling group (default: 20) only if such tasks succeed elsewhere',
    wholeNumberParser(1),
  ),
  '--here': 'on an AWS profile, allow running outside EC2',
};

export function workerCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: WORKER,
    writes: true,
    stopsItself: true,
    output: null,
    help: {
      about:
        'Runs a worker, from a shell, systemd or EC2 user-data. The first SIGTERM or Ctrl-C drains it; the second returns running tasks to the queue. On EC2 it reacts to interruption notices for its instance, and leaves its Auto Scaling group when it exits.',
      examples: ['batchctl worker --until-empty', 'batchctl worker --group gpu --slots 4'],
      exitCodes: {
        0: 'drained, or done',
        6: 'no worker takes the upstream work, or the credentials expired',
        7: '--max-failures',
        8: 'gave up on a service',
      },
      related: ['workers', 'scale', 'queue'],
    },
    run: (input) => worker(ctx, input),
  });
}

/**
 * A worker that `run` starts before it knows the job: loads everything that it will need, then waits. Returns the
 * command line to run; null if `run` has gone.
 */
export async function awaitWorkerCommand(): Promise<readonly string[] | null> {
  await Promise.all([
    import('../../worker/command-user.ts'),
    import('../../worker/worker.ts'),
    import('../../worker/shell-executor.ts'),
  ]);
  return preloadAndAwaitStart(process.env);
}

async function worker(ctx: Context, options: CommandInput<typeof WORKER>): Promise<void> {
  const config = await ctx.config();
  const { profile } = config;
  if (profile.backend === 'manager')
    throw new BatchctlError('config', `profile ${profile.name} uses a manager, so it has no queue to work on`);
  const groups = options.group === undefined || options.group.length === 0 ? ['default'] : options.group;
  for (const group of groups) {
    if (!NAME_PATTERN.test(group))
      throw new BatchctlError('usage', `--group ${group}: expected a name like default or gpu-large`);
  }
  const { commandUserOf } = await import('../../worker/command-user.ts');
  const user = commandUserOf(ctx.io.env);
  const id = ctx.io.env.BATCHCTL_SUPERVISED_ID ?? newWorkerId();
  const faults = faultsOf(ctx.io.env);
  const [drain, stop] = [new AbortController(), new AbortController()];
  if (ctx.signal.aborted) drain.abort();
  if (ctx.stopNow.aborted) stop.abort();
  ctx.signal.addEventListener('abort', () => drain.abort(), { once: true });
  ctx.stopNow.addEventListener('abort', () => stop.abort(), { once: true });
  const supervisor = await obeySupervisor(ctx.io.env, { drain: () => drain.abort(), stop: () => stop.abort() });
  const passed = killPoints(ctx.io.env);
  let written = 0;
  try {
    const [{ runWorker }, { createShellExecutor }] = await Promise.all([
      import('../../worker/worker.ts'),
      import('../../worker/shell-executor.ts'),
    ]);
    const injected =
      faults === null ? null : (await import('../../worker/injected-faults.ts')).createInjectedFaults(faults);
    await withOpenPlatform(ctx, id, faults, async (platform) => {
      requireHere(profile, platform, options.here);
      await runWorker(platform, {
        worker: id,
        groups: [...new Set(groups)],
        host: hostname(),
        version: VERSION,
        total: localResources(profile, options.slots ?? null, groups),
        untilEmpty: options.untilEmpty,
        idleExit: options.idleExit ?? null,
        maxFailures: options.maxFailures ?? null,
        drain: drain.signal,
        stop: stop.signal,
        makeExecutor: (slots) => createShellExecutor({ ...slots, user }),
        say: (line) => ctx.notice(line),
        env: ctx.io.env,
        passed: (point) => {
          if (WRITTEN_POINTS.has(point)) written += 1;
          passed(point);
        },
        faults: injected,
      });
    });
  } catch (error) {
    const reason = notFinishedError(error, `worker ${id} leaves its work to others`, 'run the same command again');
    const { kind, message, hint = null } = toBatchctlError(reason);
    await supervisor?.report({ kind, message, hint, written });
    throw reason;
  } finally {
    supervisor?.close();
  }
}

/** Where an attempt's output or failure is in the store. */
const WRITTEN_POINTS: ReadonlySet<string> = new Set(['publish', 'tries', 'failed']);

async function withOpenPlatform(
  ctx: Context,
  who: string,
  faults: WorkerFaults | null,
  work: (platform: Platform) => Promise<void>,
): Promise<void> {
  const opened = await openPlatform(await ctx.config(), { role: 'worker', who, onWarning: ctx.warn });
  const platform = await withFaults(opened, faults);
  try {
    await work(platform);
  } finally {
    await platform.close();
  }
}

export function workerSupervisorCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: { '--group <group>': groupOption('the group (default: default)') },
    writes: true,
    output: null,
    help: {
      about: 'Started by scale. Keeps as many workers of a group running on this machine as its size says.',
      examples: ['batchctl worker-supervisor --group default'],
      exitCodes: { 0: 'the size is 0, it was stopped, or another process supervises the group' },
      related: ['scale', 'workers'],
    },
    run: ({ group }) => workerSupervisor(ctx, group),
  });
}

/** Supervises until the group's size is 0, or until SIGTERM, at which the workers drain. */
async function workerSupervisor(ctx: Context, group: string | undefined = 'default'): Promise<void> {
  const say = (line: string): void => ctx.notice(line);
  const { io, signal } = ctx;
  const ended = await superviseLocalGroup(await ctx.config(), await ctx.platform(), group, {
    env: io.env,
    signal,
    say,
  });
  if (ended === 'held') say(`group ${group} already has a supervisor`);
}
