import { resolve } from 'node:path';
import { BatchctlError, isKind } from '../../errors.ts';
import { deliveryLine } from '../../jobs/deliver/delivery-line.ts';
import { shellWord } from '../../lib/shell-word.ts';
import type { VerifyAnswer } from '../../model/answers/verify.ts';
import type { VerifyResult } from '../../model/verify/verify-result.ts';
import { asCallable } from '../../verbs/verb.ts';
import { ledgerRebuild, type VerifyEvent, verify, verifyEvidence } from '../../verbs/verify.ts';
import type { CommandDefinition, RawInput, RunVerb } from '../command.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { lazyProgress, type Progress, startProgress } from '../progress.ts';
import { printAnswer } from '../render.ts';
import { openReportFile, type ReportSink } from '../report-file.ts';
import { type Presenter, sequentialEvents, verbCommand } from '../verb-command.ts';
import { checkText, verifyText } from '../verify-text.ts';

export function verifyCommand(ctx: Context): CommandDefinition {
  const command = verbCommand(ctx, verify, {
    help: {
      about:
        'Proves from the store alone that every input byte is in exactly one part, and that every chain was published, failed within tolerance, or was skipped by name. The proof is stored with the job, and contains the hash of the previous proof.',
      examples: [
        'batchctl verify',
        'batchctl verify last --deep -o evidence.ndjson',
        'batchctl verify --check evidence.ndjson',
        'batchctl verify last --repair',
      ],
      exitCodes: {
        0: 'proven',
        4: 'no such job, or no file to check',
        6: 'the job is not closed, so there is no proof',
        9: 'the proof failed: something is missing, duplicated or altered; or the checked file is invalid',
      },
      related: ['status', 'wait', 'fetch', 'ledger rebuild'],
    },
    show: () => verifyPresenter(ctx),
  });
  return {
    ...command,
    run: async (input) => {
      const code = await command.run(input);
      if (input.output !== undefined && !ctx.flags.dryRun) noteEvidenceFile(ctx, input.output);
      return typeof code === 'number' ? code : 0;
    },
    runBy: async (runVerb, input) => {
      if (input.output === undefined || ctx.flags.dryRun) return (await command.runBy?.(runVerb, input)) ?? 0;
      return verifyToFile(ctx, runVerb, input);
    },
  };
}

function verifyPresenter(
  ctx: Context,
): Presenter<VerifyAnswer, VerifyEvent> & { event(event: VerifyEvent): Promise<void> } {
  let progress: Progress | null = null;
  let kept: Extract<VerifyEvent, { readonly event: 'kept' }> | null = null;
  let found: Extract<VerifyEvent, { readonly event: 'checked' }> | null = null;
  const text = async (made: VerifyAnswer): Promise<string> => {
    const { proof: key = null, check = null } = made;
    if (check !== null && found !== null)
      return checkText(ctx, check.file, found.checked, check.mismatches, found.unproven);
    const proof = key === null || kept === null ? null : { key, number: kept.number, checksum: kept.checksum };
    return verifyText(ctx, made as VerifyResult, proof, (made.prunedAt ?? null) === null);
  };
  return {
    async event(event) {
      if (event.event === 'begun') {
        progress = await startProgress(ctx, event.work, event.work === 'checking' ? 'bytes' : undefined);
      } else if (event.event === 'progress') progress?.update(event.done, event.total);
      else if (event.event === 'kept') kept = event;
      else if (event.event === 'checked') found = event;
      else {
        progress?.done();
        progress = null;
      }
    },
    async answer(made) {
      await printAnswer(ctx, { json: made, text: () => text(made) });
      const { delivery = null, verdict, check = null } = made;
      if (check === null && delivery !== null && verdict === 'proven') ctx.notice(deliveryLine(delivery));
    },
    close: () => progress?.failed(),
  };
}

const noteEvidenceFile = (ctx: Context, output: unknown): void =>
  ctx.notice(`wrote ${output}; to check it on any machine: batchctl verify --check ${shellWord(String(output))}`);

/** For `-o FILE` through a manager: writes the manager's bytes atomically. */
async function verifyToFile(ctx: Context, runVerb: RunVerb, { output, ...given }: RawInput): Promise<number> {
  const file = await openEvidence(resolve(ctx.io.cwd, String(output)));
  const shown = verifyPresenter(ctx);
  const events = sequentialEvents(shown.event);
  let written = false;
  let made: VerifyAnswer | null = null;
  try {
    if (given.repair === true) await ctx.announce();
    for await (const row of await runVerb(asCallable(verifyEvidence), given, events)) {
      if ('answer' in row) made = row.answer;
      else {
        written = true;
        await file.write(row.evidence);
      }
    }
  } finally {
    await events.shown();
    await shown.close?.();
    if (written && made !== null) await file.commit();
    else await file.abandon();
  }
  if (made === null) throw new BatchctlError('unexpected', 'the manager sent no answer');
  await shown.answer(made);
  if (written) noteEvidenceFile(ctx, output);
  const verdict = verify.verdict?.(made) ?? null;
  if (verdict !== null) throw verdict;
  return 0;
}

async function openEvidence(path: string): Promise<ReportSink> {
  try {
    return await openReportFile(path);
  } catch (cause) {
    if (!isKind(cause, 'usage')) throw cause;
    throw new BatchctlError('usage', `can't write the evidence to ${path}`, {
      hint: 'choose a file in an existing, writable directory',
      cause,
    });
  }
}

export function ledgerRebuildCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, ledgerRebuild, {
    help: {
      about:
        "Rebuilds the ledger's records of every job from the store. Only adds records and deletes nothing; may run while workers work, and may be repeated. The store has no record of workers, waiting times and returned attempts, so those stay unknown.",
      examples: ['batchctl ledger rebuild', 'batchctl ledger rebuild --since 7d'],
      exitCodes: { 0: "done; jobs and failures that can't be read are listed" },
      related: ['verify', 'jobs', 'status', 'report'],
    },
    show: () => {
      const progress = lazyProgress(ctx, 'rebuilding');
      return {
        event: ({ tasks }) => progress.update(tasks, null),
        answer: async (rebuilt) => {
          const { jobs, attempts, exact, unreadable, damaged, dryRun } = rebuilt;
          progress.done(`checked ${formatMany(jobs, 'job')}`);
          for (const { job, why } of unreadable) ctx.warn(`skipped ${job}: ${why}`);
          for (const { job, why } of damaged) ctx.warn(`${job} has a failure that can't be read in full: ${why}`);
          const to = `${formatMany(jobs, 'job')} to the ledger`;
          const text = dryRun
            ? `would write ${to}`
            : `wrote ${to}: ${formatMany(attempts, 'attempt')}, ${exact} with exact counts`;
          await printAnswer(ctx, { json: rebuilt, text });
        },
        close: progress.failed,
      };
    },
  });
}
