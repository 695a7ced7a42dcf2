import { BatchctlError } from '../../errors.ts';
import { checkProfile, isCheckStack, newCheckStack } from '../../infra/check.ts';
import { CHECK_STEPS } from '../check/report.ts';
import { type CommandDefinition, type CommandInput, defineCommand, objectOf } from '../command.ts';
import { type Context, openContext } from '../context.ts';
import { awsProfile, withStack } from '../infra-stack.ts';

const text = { type: 'string' } as const;
const maybeText = { type: ['string', 'null'] } as const;
const amount = { type: ['number', 'null'] } as const;

const OPTIONS = {
  '--for-real': 'create the stack and run the job; otherwise only plan',
  '--instance <type>': 'type of its single spot instance (t4g.small)',
  '-o, --output <file>': 'write the report as JSON, with a text version beside it (STACK.json and STACK.txt)',
  '--remove <stack>': 'only remove what an interrupted check left behind',
};

type InfraCheckInput = CommandInput<typeof OPTIONS>;

export function infraCheckCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: OPTIONS,
    // It announces its own target, as it doesn't write to the profile's stack.
    writes: false,
    stopsItself: true,
    output: objectOf(
      {
        format: { const: 1, description: 'of the report' },
        verdict: {
          enum: ['ok', 'failed', 'interrupted', 'planned', 'running'],
          description: 'planned: without --for-real; running: in the file of an unfinished check',
        },
        stack: { ...text, description: "name of the check's stack" },
        region: { ...text, description: 'of the profile' },
        account: { type: 'string', description: 'the last four digits' },
        instance: { ...text, description: 'the type of its instance' },
        ledger: { ...text, description: 'store or simpledb' },
        batchctl: { ...text, description: 'its version' },
        system: { ...text, description: "Node's version, operating system and processor" },
        startedAt: { ...text, description: 'start time' },
        seconds: { type: 'number', description: 'duration' },
        cost: {
          type: 'object',
          description: 'USD, upper limit; null: unknown',
          properties: {
            instanceHour: { ...amount, description: 'an hour of the instance; null: unknown' },
            most: { ...amount, description: 'everything except the interruption; null: unknown' },
            interruption: { type: 'number', description: 'price of AWS FIS for one' },
          },
        },
        steps: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              step: { enum: Object.keys(CHECK_STEPS) },
              status: {
                enum: ['ok', 'failed', 'skipped', 'planned'],
                description: 'skipped: not reached, or not requested',
              },
              seconds: { ...amount, description: 'duration; null: not run' },
              seen: { type: 'array', items: text, description: 'the result' },
            },
          },
          description: 'in their order',
        },
        left: {
          type: ['array', 'null'],
          items: text,
          description: 'kind and name of each leftover; null: unknown',
        },
        remove: { ...maybeText, description: 'the command that removes the leftovers' },
        logs: {
          type: 'array',
          description: 'last log lines of workers and instances',
          items: {
            type: 'object',
            properties: {
              of: { ...text, description: 'a worker, or an instance' },
              lines: { type: 'array', items: text, description: 'at most 40' },
            },
          },
        },
      },
      ['region', 'account', 'instance', 'ledger', 'batchctl', 'system', 'startedAt', 'seconds', 'cost', 'logs'],
    ),
    help: {
      about:
        "Checks that batchctl works in this account. It creates a small temporary stack with one small spot instance and runs a job of 20 tasks. It prints an AWS FIS command with which you interrupt the instance, and waits for that. It also tries, in this stack alone, what happens in a shared account: a stack of the same name elsewhere, an input that is overwritten, a worker that may not end its instance. It then removes everything, also after a failure or Ctrl-C. Without --for-real it only plans. The check takes about fifteen minutes and costs a few cents; it prints the maximum cost before it asks for confirmation. It uses the profile's account, region, network, key and boundary, and does not touch the profile's stack. The report contains no secrets and only the last four digits of account ids; read it before you send it back.",
      examples: [
        'batchctl infra check',
        'batchctl infra check --for-real --yes',
        'batchctl infra check --remove batchctl-check-a2b3c4d5 --yes',
      ],
      exitCodes: {
        0: 'every step succeeded or was skipped, and nothing is left',
        3: 'the configuration or the account is unsuitable; nothing was created',
        7: 'not confirmed; nothing was created',
        8: true,
        11: 'a step failed, or something is left',
        130: 'interrupted; everything created was removed',
      },
      related: ['doctor', 'infra plan', 'infra up', 'infra down'],
    },
    run: (input) => infraCheck(ctx, input),
  });
}

/** Runs a complete small test in the account. Returns 11 if a step failed. Throws like `infra plan` before that. */
async function infraCheck(ctx: Context, options: InfraCheckInput): Promise<number> {
  const { instance = 't4g.small', remove } = options;
  if (remove !== undefined && !isCheckStack(remove)) {
    throw new BatchctlError('usage', `--remove ${remove}: expected the stack of a check, batchctl-check-...`, {
      hint: "use batchctl infra down to remove a profile's stack",
    });
  }
  const profile = checkProfile(await awsProfile(ctx), remove ?? newCheckStack(), instance);
  const { Check } = await import('../check/check.ts');
  const { io, flags, signal, stopNow, closed, clock } = ctx;
  const config = { ...(await ctx.config()), profile };
  // The same context, with the check's own profile instead of the selected one.
  const own = openContext({ io, flags, signal, stopNow, closed, clock, config });
  try {
    return await withStack(own, (stack) => new Check(own, stack, options).run());
  } finally {
    await own.close();
  }
}
