import { createReadStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { findJob } from '../jobs/find.ts';
import { prunedText } from '../jobs/pruned.ts';
import { checkFile, type FileCheckResult } from '../jobs/verify/check/check-file.ts';
import { EvidenceFile } from '../jobs/verify/evidence-log.ts';
import { type KeptProof, proofLine, storeProof } from '../jobs/verify/proof.ts';
import { rebuildAll } from '../jobs/verify/rebuild-all.ts';
import { type RepairResult, repairJob } from '../jobs/verify/repair.ts';
import type { VerifyOptions } from '../jobs/verify/verify-context.ts';
import { verifyJob } from '../jobs/verify/verify-job.ts';
import { bytesChecksum } from '../lib/file-checksum.ts';
import { formatCount } from '../lib/units.ts';
import type { RebuildAnswer } from '../model/answers/upkeep.ts';
import type { VerifyAnswer } from '../model/answers/verify.ts';
import { deliveryOf } from '../model/delivery.ts';
import { lostOutputFix } from '../model/lost-outputs.ts';
import type { Finding } from '../model/verify/findings.ts';
import type { VerifyResult } from '../model/verify/verify-result.ts';
import type { JobView } from '../model/view.ts';
import type { VerbContext } from './context.ts';
import { duration, jobOrLatest } from './job.ts';
import { changing, type FieldValues, flag, listVerb, option, text, verb } from './verb.ts';
import { noticeChangedDelivery, repairDelivery } from './watch.ts';

type Work = 'repairing' | 'verifying' | 'checking';

export type VerifyEvent =
  /** The start of longer work, then its progress in bytes or tasks, then its end. */
  | { readonly event: 'begun'; readonly work: Work }
  | { readonly event: 'progress'; readonly done: number; readonly total: number | null }
  | { readonly event: 'ended' }
  /** The store keeps the proof under this number. */
  | { readonly event: 'kept'; readonly number: number; readonly checksum: string }
  /** The result of checking a file. `unproven`: it is consistent, and states that its job was not proven. */
  | { readonly event: 'checked'; readonly checked: FileCheckResult; readonly unproven: boolean };

const FIELDS = {
  job: jobOrLatest,
  repair: option(
    '--repair',
    'first re-send missing tasks, and rebuild the ledger; put back delivered files that were removed or altered',
    flag,
    false,
  ),
  deep: option('--deep', 'read every byte of outputs and pieces, and check that the inputs are unchanged', flag, false),
};

const RIGHTS = {
  scope: 'submit',
  scopeWith: { repair: 'operate' },
  changes: false,
  repeatable: ({ repair }: { readonly repair: boolean }) => !repair,
} as const;

/**
 * Verifies a job, or with `check` an evidence file. Throws `notFound`, `usage`. Concludes with `notFinished` for a job
 * that isn't closed, and with `proof` for a proof that fails.
 */
export const verify = verb<VerifyEvent>()({
  name: 'verify',
  ...RIGHTS,
  http: { method: 'POST', path: '/jobs/{job}/proofs' },
  framesOnly: ['output', 'check'],
  runsLocally: ({ check }) => check !== undefined,
  input: v.strictObject({
    ...FIELDS,
    output: option(
      '-o, --output <file>',
      'write the complete evidence to one file as JSON Lines, for an auditor',
      text,
    ),
    check: option(
      '--check <file>',
      'check an evidence file on any machine; with a job, also compare it with the store',
      text,
    ),
  }),
  answer: async () => (await import('../model/answers/verify.ts')).VERIFY_ANSWER,
  verdict: verdictOf,
  async run(context, { output, check, ...input }): Promise<VerifyAnswer> {
    if (context.files.elsewhere && (output !== undefined || check !== undefined)) {
      throw new BatchctlError('usage', 'a manager reads and writes no files of its callers', {
        hint: 'omit -o and --check; batchctl verify itself uses them on your machine',
      });
    }
    refuseConflicts({ ...input, output, check });
    if (check !== undefined) return checkEvidence(context, check, input.job);
    const path = output === undefined || context.dryRun ? null : resolve(context.files.cwd, output);
    return prove(context, input, path);
  },
});

/** A piece of the evidence; the last row is the answer. */
export type EvidenceRow = { readonly evidence: string } | { readonly answer: VerifyAnswer };

/** The same for a remote caller that wants the evidence: written to a file here, and sent once it is sealed. */
export const verifyEvidence = listVerb({
  name: 'verify evidence',
  ...RIGHTS,
  http: null,
  input: v.strictObject(FIELDS),
  answer: async () => v.object({}),
  async *run(context: VerbContext<VerifyEvent>, input): AsyncGenerator<EvidenceRow, void> {
    refuseConflicts(input);
    const directory = mkdtempSync(join(tmpdir(), 'batchctl-evidence-'));
    const path = join(directory, 'evidence');
    try {
      const answer = await prove(context, input, path);
      if (statSync(path, { throwIfNoEntry: false }) !== undefined) {
        for await (const piece of createReadStream(path, 'utf8')) yield { evidence: String(piece) };
      }
      yield { answer };
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
});

type ProofInput = FieldValues<typeof FIELDS>;

/** Progress is reported above this number of tasks. */
const LONG = 20_000;

/** Repairs if requested, verifies, and stores the proof. `path`: the evidence file. With `dryRun`, writes nothing. */
async function prove(
  context: VerbContext<VerifyEvent>,
  { job, repair, deep }: ProofInput,
  path: string | null,
): Promise<VerifyAnswer> {
  const { dryRun } = context;
  const platform = await context.platform();
  let view = await findJob(platform, job);
  if (job === undefined) context.notice(`verifying ${view.record.job}`);
  const long = deep || view.record.parts > LONG;
  let repaired: RepairResult | null = null;
  if (repair) {
    const before: JobView = view;
    repaired = await withWorkEvents(context, 'repairing', long, (options) =>
      repairJob(platform, before, { ...options, dryRun }),
    );
    view = repaired.view;
    context.notice(repairText(repaired, dryRun));
  }
  const { result, kept } = await proveView(context, view, { deep, long, path });
  if (view.pruned !== null)
    context.notice(
      `job ${view.record.job} was ${prunedText(view.pruned)}: its outputs are gone, this is its last proof`,
    );
  if (kept !== null) context.report({ event: 'kept', number: kept.number, checksum: bytesChecksum(kept.bytes) });
  let redelivered: string | null = null;
  if (result.verdict === 'proven') {
    if (repair) ({ view, redelivered } = await repairDelivery(context, view));
    else await noticeChangedDelivery(context, view);
  }
  const delivery = deliveryOf(view);
  const { recorded, sent, missing, replaced, reopened, withheld } = repaired ?? {};
  return {
    ...result,
    proof: kept?.key ?? null,
    prunedAt: view.pruned?.when ?? null,
    repair: repaired === null ? null : { recorded, sent, missing, replaced, reopened, withheld, redelivered },
    check: null,
    delivery,
  } as VerifyAnswer;
}

interface ProofOptions {
  readonly deep: boolean;
  readonly long: boolean;
  readonly path: string | null;
}

async function proveView(
  context: VerbContext<VerifyEvent>,
  view: JobView,
  { deep, long, path }: ProofOptions,
): Promise<{ readonly result: VerifyResult; readonly kept: KeptProof | null }> {
  const platform = await context.platform();
  const evidence = path === null || context.dryRun ? null : await EvidenceFile.create(path);
  try {
    const result = await withWorkEvents(context, 'verifying', long, (options) =>
      verifyJob(platform, view, { ...options, deep, ...(evidence !== null && { evidence }) }),
    );
    const kept = context.dryRun ? null : await storeProof(platform, result);
    if (evidence !== null && result.verdict !== 'unfinished') {
      evidence.line(await proofLine(platform, result, kept));
      evidence.finish();
    }
    return { result, kept };
  } finally {
    evidence?.discard();
  }
}

async function withWorkEvents<T>(
  context: Pick<VerbContext<VerifyEvent>, 'signal' | 'report' | 'shown'>,
  work: Work,
  long: boolean,
  run: (options: Pick<VerifyOptions, 'signal' | 'onProgress'>) => Promise<T>,
): Promise<T> {
  const { signal } = context;
  if (!long) return run({ signal });
  context.report({ event: 'begun', work });
  const onProgress = (done: number, total: number | null = null): void =>
    context.report({ event: 'progress', done, total });
  const made = await run({ signal, onProgress });
  context.report({ event: 'ended' });
  await context.shown();
  return made;
}

interface VerifyInput extends ProofInput {
  readonly output?: string | undefined;
  readonly check?: string | undefined;
}

function refuseConflicts({ job, repair, deep, output, check }: VerifyInput): void {
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

/** The error that a result implies; null for a proof that holds. A checked file has its own verdict. */
function verdictOf(answer: VerifyAnswer): BatchctlError | null {
  const { verdict, job, state, problems, repair, check = null } = answer;
  if (check !== null) return null;
  if (verdict === 'unfinished') {
    const sent = (repair?.sent ?? 0) > 0;
    return new BatchctlError('notFinished', `job ${job} is ${state}, not closed: there is no proof yet`, {
      hint: sent
        ? `run batchctl worker --until-empty to process it; then batchctl verify ${job}`
        : `batchctl wait ${job}`,
    });
  }
  if (verdict !== 'failed') return null;
  return new BatchctlError('proof', `the proof of job ${job} failed: ${problems[0]?.message ?? 'see its problems'}`, {
    hint: fixOf(answer),
  });
}

function fixOf({ job, state, missing = [], altered = [], problems, repair = null }: VerifyAnswer): string {
  if (problems.some(({ code }) => code === 'partSource')) {
    const lost = altered[0] ?? missing[0];
    const output = lost === undefined ? 'the output' : `the output of ${lost}`;
    return lostOutputFix(job ?? 'JOB', output);
  }
  const repaired = repair !== null && (repair.sent > 0 || repair.withheld !== null);
  const canRepair = missing.length > 0 || problems.some(({ code }) => code === 'notOpened' || code === 'otherInput');
  if (canRepair && state !== 'cancelled' && !repaired) return `batchctl verify ${job} --repair`;
  if (altered.length > 0) return `move the altered output away; batchctl verify ${job} --repair then produces it again`;
  if (problems.some(({ code }) => TAMPERING_CODES.includes(code)))
    return `restore the changed object from a backup or an earlier version; then batchctl verify ${job}`;
  return problems.some(({ code }) => code === 'failures') ? `batchctl failures ${job}` : `batchctl status ${job}`;
}

/** Findings that mean that the store was changed. */
const TAMPERING_CODES: readonly string[] = ['proofContradicted', 'journalAltered', 'proofAltered', 'proofMissing'];

function repairText(
  { missing, replaced = {}, sent, reopened, withheld, view, recorded }: RepairResult,
  dryRun: boolean,
): string {
  const sets = setsText(missing);
  const ledger = dryRun ? '' : `the ledger has ${formatCount(recorded)} events from the store; `;
  const removed = setsText(replaced);
  const again =
    removed && `${dryRun ? 'would remove' : 'removed'} ${removed}, made from an input that has changed since; `;
  if (sets === '' && again === '') return `${ledger}every task has an output or a final state`;
  if (withheld !== null) return `${ledger}${again}${sets} not sent, as the job is ${withheld}`;
  const open = reopened
    ? `; the job ${dryRun ? 'would be' : 'is'} open again, in round ${dryRun ? view.round + 1 : view.round}`
    : '';
  const messages = dryRun ? `would send ${sets || removed}` : `sent ${formatCount(sent)}: ${sets}`;
  return `${ledger}${again}${messages}${open}`;
}

function setsText(sets: Readonly<Record<string, string>>): string {
  return Object.entries(sets)
    .map(([step, tasks]) => `${step}/${tasks}`)
    .join(', ');
}

/** Reading a file of this size takes long enough to report progress. */
const LONG_FILE = 50_000_000;

/**
 * Checks a file offline, without store or configuration. With a job, also checks that the store has exactly this proof.
 * Concludes with `proof` if the file doesn't prove what it states.
 */
async function checkEvidence(
  context: VerbContext<VerifyEvent>,
  file: string,
  job: string | undefined,
): Promise<VerifyAnswer> {
  const path = resolve(context.files.cwd, file);
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const checked = await withWorkEvents(context, 'checking', size > LONG_FILE, ({ signal, onProgress }) =>
    checkFile(path, {
      ...(signal !== undefined && { signal }),
      ...(onProgress !== undefined && { onProgress: (bytes: number) => onProgress(bytes, size) }),
    }),
  );
  const mismatches = [
    ...checked.mismatches,
    ...(job === undefined ? [] : await compareWithStore(context, checked, job)),
  ];
  const unproven = statesFailure(checked, mismatches);
  context.report({ event: 'checked', checked, unproven });
  const [first] = mismatches;
  if (first !== undefined) context.conclude(fileVerdict(file, first, unproven));
  return answerOf(file, checked, mismatches);
}

function fileVerdict(file: string, { message }: Finding, unproven: boolean): BatchctlError {
  if (unproven) {
    return new BatchctlError('proof', `${file} is intact, but says that its job was not proven: ${message}`, {
      hint: 'fix the job, then run batchctl verify JOB -o FILE',
    });
  }
  return new BatchctlError('proof', `${file} does not prove what it claims: ${message}`, {
    hint: 'get the file again from its author: batchctl verify JOB -o FILE',
  });
}

/** True if the only problems of a file are those that its proof states about the job. */
function statesFailure({ proof }: FileCheckResult, mismatches: readonly Finding[]): boolean {
  if (proof?.result.verdict !== 'failed' || !mismatches.some(({ code }) => code === 'notProven')) return false;
  const stated = new Set((proof.result.problems ?? []).map(({ message }) => message));
  return mismatches.every(({ code, message }) => code === 'notProven' || stated.has(message));
}

/** Whether the store still has the file's proof, byte for byte. */
async function compareWithStore(
  context: Pick<VerbContext, 'platform'>,
  checked: FileCheckResult,
  job: string,
): Promise<readonly Finding[]> {
  const platform = await context.platform();
  const { record } = await findJob(platform, job);
  const of = checked.proof?.result.job;
  if (of !== record.job) return [{ code: 'job', message: `the file is for job ${of ?? '?'}, not for ${record.job}` }];
  if (checked.key === null && checked.proof?.result.verdict === 'failed') return []; // It is not stored.
  const bytes = checked.key === null ? null : await platform.store.read(checked.key);
  if (bytes === null) return [{ code: 'notKept', message: `the store has no proof at ${checked.key ?? 'any key'}` }];
  if (bytesChecksum(bytes) === checked.checksum) return [];
  return [{ code: 'notKept', message: `the proof in the store at ${checked.key} differs from that in the file` }];
}

/** The proof in the file with the result of the check; a minimal answer if no proof can be read. */
function answerOf(file: string, checked: FileCheckResult, mismatches: readonly Finding[]): VerifyAnswer {
  const { lines, sha256, key, checksum, proof, warnings } = checked;
  const result = proof?.result ?? {
    format: 1,
    job: null,
    runKey: null,
    state: null,
    checked: null,
    steps: [],
    problems: [],
  };
  const check = {
    file,
    lines,
    sha256,
    checksum,
    mismatches,
    warnings,
    who: proof?.who ?? null,
    when: proof?.when ?? null,
    version: proof?.version ?? null,
  };
  const verdict = mismatches.length === 0 ? 'proven' : 'failed';
  return { ...result, verdict, proof: key, repair: null, check } as VerifyAnswer;
}

/** Tasks read so far, in all jobs. */
interface RebuildEvent {
  readonly tasks: number;
}

export const ledgerRebuild = verb<RebuildEvent>()({
  name: 'ledger rebuild',
  ...changing('POST', '/rebuilds'),
  input: v.strictObject({ since: option('--since <duration>', 'only jobs accepted within this time: 7d', duration) }),
  answer: async () => (await import('../model/answers/upkeep.ts')).REBUILD_ANSWER,
  async run(context, { since }): Promise<RebuildAnswer> {
    const { clock, dryRun, signal } = context;
    const platform = await context.platform();
    context.report({ tasks: 0 });
    const rebuilt = await rebuildAll(platform, {
      since: since === undefined ? null : clock.now() - since * 1_000,
      dryRun,
      signal,
      onProgress: (tasks) => context.report({ tasks }),
    });
    return { ...rebuilt, dryRun };
  },
});
