import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { BatchctlError, isBatchctlError } from '../../errors.ts';
import { receiversToTest, type TestedReceiver, testReceivers } from '../../jobs/notify/notice.ts';
import { refuseLocalReceivers } from '../../jobs/receivers.ts';
import { notificationSchema } from '../../lib/fields.ts';
import { EVENTS } from '../../model/notify.ts';
import type { Receiver } from '../../ports/notifier.ts';
import { type CommandDefinition, defineCommand, objectOf, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { openJobFile } from '../open-job-file.ts';
import { printList } from '../render.ts';

export function notifyTestCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[jobfile]': "also send to the receivers in this job file's `notify`" },
    options: {
      '--to <receiver>': parsed(
        'send to this receiver instead: sns:TOPIC, https://... or exec:./program',
        parserOf('to'),
      ),
      '--secret <reference>': parsed(
        'with --to: the secret that signs the event, such as env:NAME',
        parserOf('secret'),
      ),
    },
    writes: false,
    output: objectOf({
      to: { type: 'string', description: 'for a URL only the host' },
      id: { type: 'string', description: 'id of the test event' },
      on: { type: 'array', items: { enum: EVENTS }, description: 'the events it receives; empty with --to' },
      sent: { type: 'boolean', description: 'true: the receiver accepted it' },
      kind: { type: ['string', 'null'], description: 'the kind of error' },
      message: { type: ['string', 'null'], description: 'the error' },
      hint: { type: ['string', 'null'], description: 'the fix' },
    }),
    help: {
      about:
        "Sends a test event, `test`, once to each receiver in the profile's `notify`, and prints the results. See docs/notify.md.",
      examples: [
        'batchctl notify test',
        'batchctl notify test --to https://hooks.example.com/batch --secret env:HOOK_SECRET',
      ],
      exitCodes: {
        0: 'every receiver accepted it',
        3: 'the job file is invalid',
        4: 'there is no receiver',
        8: 'a receiver did not accept it',
      },
      related: ['status', 'doctor', 'tick'],
    },
    run: ({ jobfile, to, secret }) => notifyTest(ctx, jobfile, to, secret),
  });
}

/** Returns 8 if a receiver didn't accept the event. Throws `notFound` if there is none. */
async function notifyTest(
  ctx: Context,
  jobfile: string | undefined,
  to: string | undefined,
  secret: string | undefined,
): Promise<number> {
  if (to !== undefined && jobfile !== undefined)
    throw new BatchctlError('usage', "--to can't be combined with a job file");
  if (to === undefined && secret !== undefined) throw new BatchctlError('usage', '--secret requires --to');
  const receivers = to === undefined ? await configuredReceivers(ctx, jobfile) : [receiverFromFlags(ctx, to, secret)];
  if (receivers.length === 0) {
    throw new BatchctlError('notFound', 'no receiver: the profile has no notify', {
      hint: 'add notify to the profile (docs/notify.md), or use batchctl notify test --to https://...',
    });
  }
  const tested = await testReceivers(await ctx.platform(), receivers, ctx.signal);
  await printList(ctx, {
    rows: tested,
    json: documentOf,
    columns: [
      { title: 'to', value: (row) => row.to },
      { title: 'on', value: (row) => (row.on.length === 0 ? '-' : row.on.join(', ')) },
      { title: 'outcome', value: outcomeOf, tint: (row) => (row.error === null ? null : 'bad') },
    ],
    empty: 'no receivers',
  });
  return tested.every(({ error }) => error === null) ? 0 : 8;
}

async function configuredReceivers(
  ctx: Context,
  jobfile: string | undefined,
): Promise<ReturnType<typeof receiversToTest>> {
  const platform = await ctx.platform();
  if (jobfile === undefined) return receiversToTest(platform, null);
  const spec = await openJobFile(ctx, jobfile);
  if (!platform.workplace.sharesFiles) refuseLocalReceivers(spec);
  return receiversToTest(platform, { spec, directory: dirname(resolve(ctx.io.cwd, jobfile)) });
}

/** A person at the command line may also address this machine. */
function receiverFromFlags(ctx: Context, to: string, secret = ''): Receiver & { readonly on: ReadonlySet<string> } {
  const whole = to.startsWith('exec:') ? `exec:${resolve(ctx.io.cwd, to.slice('exec:'.length))}` : to;
  return { to: whole, secret: secret === '' ? null : secret, trusted: true, on: new Set() };
}

/** Parses a field of a receiver as the configuration does. */
const parserOf = (field: 'to' | 'secret') => (text: string) => {
  const found = v.safeParse(notificationSchema(EVENTS).entries[field], text);
  if (found.success) return text;
  throw new BatchctlError('usage', `--${field}: expected ${found.issues[0].message}, found ${text}`);
};

function documentOf({ error, ...tested }: TestedReceiver): Readonly<Record<string, unknown>> {
  const ours = isBatchctlError(error) ? error : null;
  return {
    ...tested,
    sent: error === null,
    kind: error === null ? null : (ours?.kind ?? 'unexpected'),
    message: error?.message ?? null,
    hint: ours?.hint ?? null,
  };
}

function outcomeOf({ error }: TestedReceiver): string {
  if (error === null) return 'sent';
  const hint =
    isBatchctlError(error) && error.hint !== undefined && error.kind !== 'unavailable' ? `; ${error.hint}` : '';
  return `NOT sent: ${error.message}${hint}`;
}
