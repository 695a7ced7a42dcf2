import type { CheckResult } from '../../model/answers/upkeep.ts';
import { doctor } from '../../verbs/doctor.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { mendLines } from '../mend-lines.ts';
import { withPagePaths } from '../pages.ts';
import { startProgress } from '../progress.ts';
import { print } from '../render.ts';
import { paintFor, type Tint } from '../terminal-text.ts';
import { verbCommand } from '../verb-command.ts';

export function doctorCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, doctor, {
    help: {
      about:
        'Checks everything that jobs depend on: the configuration, this machine, workers and open jobs. On the local profile, also the root directory and its file system, the ledger and the queue. On AWS, also the credentials and their expiry, the bucket, its lifecycle rules and conditional writes, queues, ledger, clock and proxy. All checks run at once and take seconds; one that hangs is abandoned. Leaves nothing behind.',
      examples: ['batchctl doctor', 'batchctl doctor --strict --json'],
      exitCodes: [
        [0, 'no check failed'],
        [3, 'a check failed'],
        [11, 'with --strict: a check warned'],
      ],
      related: ['why', 'config show', 'workers', 'queue', 'notify test'],
    },
    options: { '--notify': 'only send a test event to all receivers, as batchctl notify test does' },
    show: () => ({ answer: (checks) => show(ctx, checks) }),
  });
}

async function show(ctx: Context, checks: AsyncIterable<CheckResult>): Promise<void> {
  const results = await examined(ctx, checks);
  const paint = paintFor(ctx, ctx.io.stdout);
  const width = Math.max(...results.map(({ check }) => check.length));
  const { isTTY, columns } = ctx.io.stdout;
  const room = isTTY === true ? (columns ?? 80) : Number.POSITIVE_INFINITY;
  for (const result of results) {
    const { check, status, message, mend } = result;
    const line = `${paint(TINTS[status], status)}  ${check.padEnd(width)}  ${message}`;
    const mended = mend === null ? '' : mendText(mend, 8 + width, room);
    await print(ctx, ctx.flags.json ? `${JSON.stringify(result)}\n` : `${line}${mended}\n`);
  }
  const some = (status: CheckResult['status']): number => results.filter((result) => result.status === status).length;
  if (!ctx.flags.json) ctx.notice(`${results.length} checks: ${some('fail')} failed, ${some('warn')} with a warning`);
}

/** Runs all checks at once and shows the results together. */
async function examined(ctx: Context, checks: AsyncIterable<CheckResult>): Promise<readonly CheckResult[]> {
  const progress = ctx.io.stderr.isTTY === true ? await startProgress(ctx, 'examining') : null;
  const results: CheckResult[] = [];
  try {
    for await (const result of checks) results.push(result);
  } finally {
    progress?.done('examined');
  }
  return results;
}

const TINTS: Readonly<Record<CheckResult['status'], Tint>> = { pass: 'good', warn: 'doubtful', fail: 'bad' };

/** The steps of a fix, one per line, below their check. `room` is the width of the whole line. */
function mendText(mend: string, indent: number, room: number): string {
  const [first = '', ...more] = mendLines(withPagePaths(mend), Math.max(30, room - indent - 6));
  return [`\n${' '.repeat(indent)}fix:  ${first}`, ...more.map((line) => ' '.repeat(indent + 6) + line)].join('\n');
}
