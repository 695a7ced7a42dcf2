import { BatchctlError } from '../../errors.ts';
import { checkProfile, isCheckStack, newCheckStack } from '../../infra/check.ts';
import { awsProfile } from '../aws-profile.ts';
import { CHECK_STEPS } from '../check/report.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { type Context, openContext } from '../context.ts';
import { withStack } from '../infra-stack.ts';

const text = { type: 'string' } as const;
const maybeText = { type: ['string', 'null'] } as const;
const amount = { type: ['number', 'null'] } as const;

export function infraCheckCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--for-real': 'make the stack and run the job; without it: only plan',
      '--instance <type>': 'the type of its one spot instance (t4g.small)',
      '-o, --output <file>': 'the report as JSON; as text beside it (STACK.json and STACK.txt)',
      '--remove <stack>': 'only remove what an interrupted check left',
    },
    // It says where it writes by itself: not to the profile's stack.
    writes: false,
    stopsItself: true,
    output: {
      type: 'object',
      required: ['format', 'verdict', 'stack', 'steps', 'left', 'remove'],
      properties: {
        format: { const: 1 },
        verdict: {
          enum: ['ok', 'failed', 'interrupted', 'planned', 'running'],
          description: 'planned: without --for-real; running: in the file of a check that goes on, or was killed',
        },
        ...{ stack: text, region: text },
        account: { type: 'string', description: 'its last four digits' },
        ...{ instance: text, ledger: text, batchctl: text, system: text, startedAt: text },
        seconds: { type: 'number' },
        cost: {
          type: 'object',
          description: 'USD, at most; null: not known',
          properties: { instanceHour: amount, most: amount, interruption: { type: 'number' } },
        },
        steps: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              step: { enum: Object.keys(CHECK_STEPS) },
              status: { enum: ['ok', 'failed', 'skipped', 'planned'] },
              seconds: amount,
              seen: { type: 'array', items: text, description: 'what was found' },
            },
          },
        },
        left: {
          type: ['array', 'null'],
          items: text,
          description: 'kind and name of what is left; null: not known',
        },
        remove: { ...maybeText, description: 'the command that removes what is left' },
        logs: {
          type: 'array',
          description: 'the last lines that workers and instances said',
          items: { type: 'object', properties: { of: text, lines: { type: 'array', items: text } } },
        },
      },
    },
    help: {
      about:
        "Checks that batchctl works in this account. It makes a small stack of its own with one small spot instance, runs a job of 20 tasks, waits while you interrupt the instance by a command of AWS FIS that it prints, and removes everything again, also after a failure and after Ctrl-C. Without --for-real it only plans. It takes about ten minutes and a few cents, and prints the most it can cost before it asks. It uses the profile's account, region, network, key and boundary, and does not touch the profile's stack. The report has no secret, and only the last four digits of account ids: read it through and send it back.",
      examples: [
        'batchctl infra check',
        'batchctl infra check --for-real --yes',
        'batchctl infra check --remove batchctl-check-a2b3c4d5 --yes',
      ],
      exitCodes: [
        [0, 'every step went well, or was skipped; nothing is left'],
        [3, 'the configuration, or the account, is not fit for it: nothing was made'],
        [7, 'it was not confirmed: nothing was made'],
        8,
        [11, 'a step failed, or something is left'],
        [130, 'interrupted; what was made is removed'],
      ],
      related: ['doctor', 'infra plan', 'infra up', 'infra down'],
    },
    run: (input) => infraCheck({ ctx, ...input }),
  });
}

export interface InfraCheckOptions {
  readonly ctx: Context;
  readonly forReal: boolean;
  readonly instance: string | undefined;
  readonly output: string | undefined;
  readonly remove: string | undefined;
}

/** Has a whole small round done in the account, and answers 11 where a step failed. Throws as `infra plan` does before. */
export async function infraCheck(options: InfraCheckOptions): Promise<number> {
  const { ctx, instance = 't4g.small', remove } = options;
  if (remove !== undefined && !isCheckStack(remove)) {
    throw new BatchctlError('usage', `--remove ${remove}: expected the stack of a check, batchctl-check-...`, {
      hint: 'batchctl infra down removes the stack of a profile',
    });
  }
  const profile = checkProfile(await awsProfile(ctx), remove ?? newCheckStack(), instance);
  const { Check } = await import('../check/check.ts');
  const { io, flags, signal, stopNow, closed, clock } = ctx;
  const config = { ...(await ctx.config()), profile };
  // The same world, with the check's profile in place of the one that was asked for.
  const own = openContext({ io, flags, signal, stopNow, closed, clock, config });
  try {
    return await withStack(own, (stack) => new Check(own, stack, options).run());
  } finally {
    await own.close();
  }
}
