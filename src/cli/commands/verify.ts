import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { BatchctlError } from '../../errors.ts';
import { deliveryLine } from '../../jobs/deliver/delivery-line.ts';
import { findJob } from '../../jobs/find.ts';
import { EvidenceFile } from '../../jobs/verify/evidence-log.ts';
import { type KeptProof, keepProof, proofLine } from '../../jobs/verify/proof.ts';
import { type Repaired, repairJob } from '../../jobs/verify/repair.ts';
import { type VerifyOptions as VerifyJobOptions, verifyJob } from '../../jobs/verify/verify-job.ts';
import { deliveryOf } from '../../model/delivery.ts';
import type { VerifyResult } from '../../model/verify/verify-result.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { type Progress, startProgress } from '../progress.ts';
import { answer, print } from '../render.ts';
import { repairText, verifyText } from '../verify-text.ts';

export function verifyCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[job]': 'id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given' },
    options: {
      '--repair': 'first re-send missing tasks, and rebuild the ledger from the store',
      '--deep': 'read every byte of outputs and pieces, and check that the inputs are unchanged',
      '-o, --output <file>': 'write the complete evidence to one file as JSON Lines, for an auditor',
      '--check <file>':
        'check such a file on its own, on any machine; with a job, also whether its store holds that proof',
    },
    writes: false,
    output: async () => (await import('../verify-schema.ts')).verifySchema(),
    help: {
      about:
        'Proves from the store alone that every input byte is in exactly one part, and that every chain was published, failed within tolerance, or was skipped by name. The proof is stored with the job, and contains the hash of the previous proof.',
      examples: [
        'batchctl verify',
        'batchctl verify last --deep -o evidence.ndjson',
        'batchctl verify --check evidence.ndjson',
        'batchctl verify last --repair',
      ],
      exitCodes: [
        [0, 'proven'],
        [4, 'no such job, or no file to check'],
        [6, 'the job is not closed, so there is no proof'],
        [9, 'the proof failed: something is missing, duplicated or altered; or the checked file is invalid'],
      ],
      related: ['status', 'wait', 'fetch'],
    },
    run: (input) => verify({ ctx, ...input }),
  });
}

export interface VerifyOptions {
  readonly ctx: Context;
  readonly job: string | undefined;
  readonly repair: boolean;
  readonly deep: boolean;
  readonly output: string | undefined;
  readonly check: string | undefined;
}

/** Above this many tasks a progress line is shown. */
const LONG = 20_000;

/**
 * Verifies a job, or a file with `check`. Throws `notFound`, `notFinished` if the job isn't closed, and `proof` if the
 * proof fails.
 */
export async function verify(options: VerifyOptions): Promise<void> {
  const { ctx, job, repair, check } = options;
  refuseMixed(options);
  if (check !== undefined) return (await import('../verify-file.ts')).checkEvidence(ctx, check, job);
  const platform = await ctx.platform();
  let view = await findJob(platform, job);
  if (job === undefined) ctx.notice(`verifying ${view.record.job}`);
  const long = options.deep || view.record.parts > LONG;
  const repaired = repair ? await withProgress(ctx, 'repairing', long, repairing) : null;
  if (repaired !== null) {
    view = repaired.view;
    ctx.notice(repairText(repaired, ctx.flags.dryRun));
  }
  const { result, kept } = await prove(options, platform, view, long);
  const document = {
    ...{ ...result, proof: kept?.key ?? null, repair: repaired === null ? null : repairJson(repaired), check: null },
    delivery: deliveryOf(view),
  };
  await answer(ctx, { json: document, text: () => verifyText(ctx, result, kept) });
  if (document.delivery !== null && result.verdict === 'proven') ctx.notice(deliveryLine(document.delivery));
  refuseUnproven(result, ctx.flags.dryRun ? null : repaired);

  async function repairing(options: VerifyJobOptions): Promise<Repaired> {
    await ctx.announce();
    return repairJob(platform, view, { ...options, dryRun: ctx.flags.dryRun });
  }
}

/** Verifies, stores the proof, and writes its evidence if requested. With `--dry-run` nothing is written. */
async function prove(
  { ctx, deep, output }: VerifyOptions,
  platform: Platform,
  view: JobView,
  long: boolean,
): Promise<{ readonly result: VerifyResult; readonly kept: KeptProof | null }> {
  const sent = ctx.attachments?.evidence === true && !ctx.flags.dryRun ? openSentEvidence(ctx) : null;
  const own = output === undefined || ctx.flags.dryRun ? null : resolve(ctx.io.cwd, output);
  const path = sent?.path ?? own;
  const evidence = path === null ? null : await EvidenceFile.create(path);
  try {
    const result = await withProgress(ctx, 'verifying', long, (options) =>
      verifyJob(platform, view, { ...options, deep, ...(evidence !== null && { evidence }) }),
    );
    const kept = ctx.flags.dryRun ? null : await keepProof(platform, result);
    if (evidence !== null && result.verdict !== 'unfinished') {
      evidence.line(await proofLine(platform, result, kept));
      evidence.finish();
      await sent?.send();
    }
    return { result, kept };
  } finally {
    evidence?.discard();
    sent?.remove();
  }
}

function refuseMixed({ job, repair, deep, output, check }: VerifyOptions): void {
  if (check !== undefined && (repair || deep || output !== undefined)) {
    throw new BatchctlError('usage', 'verify --check only checks a file and accepts no other options of verify', {
      hint: 'batchctl verify --check FILE',
    });
  }
  if (repair && job === undefined) {
    throw new BatchctlError('usage', 'verify --repair changes a job, so the job must be given', {
      hint: 'batchctl verify last --repair',
    });
  }
}

function refuseUnproven(result: VerifyResult, repaired: Repaired | null): void {
  const { verdict, job, state, problems } = result;
  if (verdict === 'unfinished') {
    const sent = repaired !== null && repaired.sent > 0;
    throw new BatchctlError('notFinished', `job ${job} is ${state}, not closed: there is no proof yet`, {
      hint: sent
        ? `run batchctl worker --until-empty to process it; then batchctl verify ${job}`
        : `batchctl wait ${job}`,
    });
  }
  if (verdict === 'failed') {
    throw new BatchctlError('proof', `the proof of job ${job} failed: ${problems[0]?.message ?? 'see its problems'}`, {
      hint: mendOf(result, repaired !== null),
    });
  }
}

function mendOf({ job, state, missing, altered, problems }: VerifyResult, repaired: boolean): string {
  const mendable = missing.length > 0 || problems.some(({ code }) => code === 'notOpened');
  if (mendable && state !== 'cancelled' && !repaired) return `batchctl verify ${job} --repair`;
  if (altered.length > 0) return `move the altered output away; batchctl verify ${job} --repair then produces it again`;
  if (problems.some(({ code }) => CHANGED.includes(code)))
    return `restore the changed object from a backup or an earlier version; then batchctl verify ${job}`;
  return problems.some(({ code }) => code === 'failures') ? `batchctl failures ${job}` : `batchctl status ${job}`;
}

/** Findings which mean that the store was changed. */
const CHANGED: readonly string[] = ['proofContradicted', 'journalAltered', 'proofAltered', 'proofMissing'];

function repairJson({ recorded, sent, missing, reopened, withheld }: Repaired) {
  return { recorded, sent, missing, reopened, withheld };
}

async function withProgress<T>(
  ctx: Context,
  label: string,
  long: boolean,
  work: (options: VerifyJobOptions) => Promise<T>,
): Promise<T> {
  const progress: Progress | null = long ? await startProgress(ctx, label) : null;
  try {
    const made = await work({
      signal: ctx.signal,
      ...(progress !== null && { onProgress: (done, total) => progress.update(done, total) }),
    });
    progress?.done();
    return made;
  } catch (error) {
    progress?.failed();
    throw error;
  }
}

/** A proof's evidence for a caller from elsewhere: made in a file of its own here, and sent once it is sealed. */
function openSentEvidence(ctx: Context): {
  readonly path: string;
  send(): Promise<void>;
  remove(): void;
} {
  const directory = mkdtempSync(join(tmpdir(), 'batchctl-evidence-'));
  const path = join(directory, 'evidence');
  return {
    path,
    send: async () => {
      for await (const chunk of createReadStream(path)) await print(ctx, chunk as Uint8Array);
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
