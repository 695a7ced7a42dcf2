import { superviseLocalGroup } from '../../platform/own-workers.ts';
import { type CommandDefinition, defineCommand, groupFlag } from '../command.ts';
import type { Context } from '../context.ts';

export function workerSupervisorCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: { '--group <group>': groupFlag('the group (default: default)') },
    writes: true,
    output: null,
    help: {
      about: 'Started by scale. Keeps as many workers of a group running on this machine as its size says.',
      examples: ['batchctl worker-supervisor --group default'],
      exitCodes: [[0, 'the size is 0, it was stopped, or another process supervises the group']],
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
