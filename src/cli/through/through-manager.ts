import { BatchctlError } from '../../errors.ts';
import { openManager } from '../../platform/open-manager.ts';
import { doctor } from '../../verbs/diagnosis.ts';
import { taskOfLatest } from '../../verbs/job.ts';
import { runVerb } from '../../verbs/verb.ts';
import type { RunVerb } from '../command.ts';
import { verbContext } from '../in-process.ts';
import { callVerb, jobIdFromManager } from './call-verb.ts';
import type { ConnectedCommand, RemoteCommand } from './remote-command.ts';

/** A command that is more than one verb. Returns the exit code. */
type CompositeCommand = (asking: ConnectedCommand) => Promise<number>;

const COMPOSITE_COMMANDS: Readonly<Record<string, () => Promise<CompositeCommand>>> = {
  run: async () => (await import('./run-through.ts')).runWithManager,
  // These read and write local files, and use the manager only for objects.
  upload: async () => runLocally,
  reproduce: async () => runLocallyOnJob,
};

/** Runs a command through a manager, with the same output. Throws `config` for one that needs the machine itself. */
export async function runThroughManager(through: RemoteCommand): Promise<number> {
  const { ctx, profile, entry, definition } = through;
  const composed = Object.hasOwn(COMPOSITE_COMMANDS, entry.name) ? COMPOSITE_COMMANDS[entry.name] : undefined;
  const { runBy } = definition;
  if (composed === undefined && runBy === undefined) throw unsupportedError(through);
  if (entry.name === doctor.name) return examineThrough(through);
  if (definition.writes) await ctx.announce();
  const manager = openManager(profile, ctx.io.env);
  try {
    if (runBy === undefined) return (await (await composed?.())?.({ ...through, manager })) ?? 0;
    return await runBy((verb, fields, events) => callVerb(ctx, manager, verb, fields, events), through.given);
  } finally {
    await manager.close();
  }
}

/** `doctor` runs here, because a manager that can't be reached is one of its findings. */
async function examineThrough({ ctx, definition, given }: RemoteCommand): Promise<number> {
  const [{ runDoctorChecks }, { managerChecks }] = await Promise.all([
    import('../doctor-checks.ts'),
    import('./manager-checks.ts'),
  ]);
  const examine = () => runDoctorChecks(ctx, managerChecks);
  const runVerbHere: RunVerb = (verb, fields, events) =>
    runVerb(verb, fields, { ...verbContext(ctx, events), examine });
  return (await definition.runBy?.(runVerbHere, given)) ?? 0;
}

async function runLocally({ definition, input }: ConnectedCommand): Promise<number> {
  return (await definition.run(input)) ?? 0;
}

async function runLocallyOnJob(asking: ConnectedCommand): Promise<number> {
  const input = { ...asking.input, ...taskOfLatest(asking.input) };
  return (await asking.definition.run({ ...input, job: await requestedJobId({ ...asking, input }) })) ?? 0;
}

/** The id of the job that was meant. Printed unless it was typed. */
async function requestedJobId({ ctx, manager, input }: ConnectedCommand): Promise<string> {
  const job = await jobIdFromManager(ctx, manager, input.job);
  if (input.job !== job) ctx.notice(`job ${job}`);
  return job;
}

function unsupportedError({ profile, entry: { name } }: RemoteCommand): BatchctlError {
  const [first = ''] = name.split(' ');
  return new BatchctlError('config', `${name} can't be used through a manager, which profile ${profile.name} uses`, {
    hint: HINTS[first] ?? 'use a profile of the account or machine itself: --profile NAME',
  });
}

const HINTS: Readonly<Record<string, string>> = {
  infra: 'it changes an AWS account: use a profile with "backend": "aws", and credentials for the account',
  worker: "workers need direct access to their queue: use the manager's own profile, on a machine that has it",
  manager: "a manager uses its own profile, not another manager's; the same profile creates tokens",
  rehearse:
    'rehearse with --profile local, or with a profile of the account itself; batchctl plan forecasts from earlier runs',
  notify: "use the manager's own profile to test its receivers: --profile NAME",
};
