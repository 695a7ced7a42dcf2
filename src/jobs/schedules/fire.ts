import { BatchctlError, isKind } from '../../errors.ts';
import { wait } from '../../lib/wait.ts';
import { codeKey, runKeyOfClaim } from '../../model/keys.ts';
import { deadlineOf, dueFirings, lapsedFirings, runKeyOf, type Schedule } from '../../model/schedule.ts';
import type { Firing } from '../../model/schedule-times.ts';
import { substitute } from '../../model/substitute.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import type { CodeArchive } from '../code-archive.ts';
import { findJob } from '../find.ts';
import { closeInputs, FileChecksums } from '../submit/inputs.ts';
import type { SubmitOptions, SubmitPoint, SubmitResult } from '../submit/options.ts';
import { ownPlaces, prepare } from '../submit/prepare.ts';
import type { Prepared, SubmissionRequest } from '../submit/prepared.ts';
import { submit } from '../submit/submit.ts';
import type { HeldFirings } from './held-firings.ts';

/** Which of a schedule's firings already ran, by period: one listing for any number of them. */
export async function findRanPeriods(
  store: Pick<ObjectStore, 'keys'>,
  schedule: Pick<Schedule, 'name'>,
  firings: readonly Firing[],
): Promise<ReadonlySet<string>> {
  const ran = new Set<string>();
  // Periods sort by time.
  const keys = firings.map((firing) => `runs/${runKeyOf(schedule, firing)}/`).sort();
  const [from, last] = [keys[0], keys.at(-1)];
  if (from === undefined || last === undefined) return ran;
  const prefix = `${schedule.name}@`;
  // '0' is the character after '/', so this ends after the last period's claims.
  for await (const key of store.keys(`runs/${prefix}`, { from, to: last.replace(/\/$/, '0') })) {
    const run = runKeyOfClaim(key);
    if (run !== null) ran.add(run.slice(prefix.length));
  }
  return ran;
}

type FireOptions = Pick<SubmitOptions, 'mode' | 'signal' | 'passed' | 'onProgress'>;

/** Submits the job of one period. Because of its run key there is only one, even if several processes fire it. */
export async function fire(
  platform: Platform,
  schedule: Schedule,
  firing: Firing,
  options: FireOptions,
): Promise<SubmitResult> {
  return submit(platform, await prepareFiring(platform, schedule, firing), options);
}

/** Prepares the inputs of one period. Throws `notFound` if one doesn't exist (yet). `code`: the program, if it was read. */
async function prepareFiring(
  platform: Platform,
  schedule: Schedule,
  firing: Firing,
  code: Promise<CodeArchive | null> = readCode(platform.store, schedule),
): Promise<Prepared> {
  const found = requestOf(schedule, firing, await code);
  // The configuration may have another name here than where the schedule was added: its usual one is left out anyway.
  const request = { ...found, own: ownPlaces(platform) };
  const checksums = platform.workplace.sharesFiles ? null : new FileChecksums();
  return prepare(request, platform.store, (text) => findJob(platform, text), checksums, platform.bucket);
}

/** Closes what `prepareFiring` opened. */
const dropPrepared = ({ inputs }: Prepared): Promise<void> => closeInputs(inputs);

export function requestOf(
  { name, job, zone }: Pick<Schedule, 'name' | 'job' | 'zone'>,
  firing: Firing,
  code: CodeArchive | null,
): SubmissionRequest {
  const { spec, directory, inputDirectory, params, labels, expectInputs, allowEmpty, finishBy, maxCost } = job;
  const { allowIncomplete = false } = job;
  const known = { ...spec.params, ...params, period: firing.period };
  return {
    spec,
    directory,
    inputDirectory,
    params,
    labels,
    expectInputs,
    allowEmpty,
    allowIncomplete,
    maxCost,
    code,
    stdin: null,
    inputs: job.inputs.map((input) => substitute(input, known, { field: '--input', unknown: 'error' })),
    period: firing.period,
    runKey: runKeyOf({ name }, firing),
    finishBy: finishBy === null ? null : new Date(deadlineOf(finishBy, firing.at, zone)).toISOString(),
  };
}

/** The program in the store. Uploaded again, because prune keeps recent uploads. */
async function readCode(store: Pick<ObjectStore, 'read'>, { name, job }: Schedule): Promise<CodeArchive | null> {
  if (job.code === null) return null;
  const gzip = await store.read(codeKey(job.code));
  if (gzip !== null) return { sha256: job.code, gzip, files: job.spec.files };
  throw new BatchctlError('corrupt', `the code of the schedule ${name}, ${codeKey(job.code)}, is gone`, {
    hint: `store it again with batchctl schedule add ${name} ${job.file} ... --replace`,
  });
}

/** The result of a firing. `due`: a dry run, not fired · `waiting`: its input isn't complete yet. */
export type FireResult = {
  readonly schedule: string;
  readonly period: string;
  readonly at: number;
} & (Outcome | { readonly outcome: 'due' });

interface FireDueOptions {
  /** True: report what is due; fire nothing. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  readonly passed?: (point: SubmitPoint) => void;
  readonly onProgress?: () => void;
  /** Periods that an earlier call found to have run, by schedule; they need no further check. This call updates it. */
  readonly ran?: Map<string, ReadonlySet<string>>;
  /** Firings whose inputs earlier calls found missing: most calls cost them no request. This call updates it. */
  readonly held?: HeldFirings<HeldUp>;
}

/**
 * Maximum firings of one schedule per round: a host that was down for a day has a backlog. Those that wait or fail don't
 * count, but no more than this are reported: a hundred missing inputs would hold up all later periods until their
 * catch-up ends.
 */
const MOST_A_ROUND = 100;
const BEING_WRITTEN = 'the input is being written';
/** An awaited input must be unchanged for this long. */
const STILL_MS = 1_000;

/**
 * Fires what is due and has not run, oldest first for each schedule. A failed firing is a result: later rounds retry it
 * until its catch-up ends, and others continue.
 */
export async function fireDue(
  platform: Platform,
  schedules: readonly Schedule[],
  options: FireDueOptions = {},
): Promise<readonly FireResult[]> {
  const fired: FireResult[] = [];
  for (const schedule of schedules) {
    let [left, leftToReport] = [MOST_A_ROUND, MOST_A_ROUND];
    let code: Promise<CodeArchive | null> | undefined;
    for (const { firing, held } of await unfiredFirings(platform, schedule, options)) {
      if (options.signal?.aborted === true) return fired;
      if (left === 0) break;
      if (held !== null) {
        leftToReport -= 1;
        if (leftToReport >= 0) fired.push({ schedule: schedule.name, period: firing.period, at: firing.at, ...held });
        continue;
      }
      // Once a round: it may be large, and hundreds of periods may wait for their inputs.
      if (options.dryRun !== true) code ??= readCode(platform.store, schedule);
      const what = { schedule: schedule.name, period: firing.period, at: firing.at };
      const outcome =
        options.dryRun === true
          ? ({ outcome: 'due' } as const)
          : await fireOne(platform, schedule, firing, { ...options, code });
      if (outcome !== null && isMissingInput(outcome))
        options.held?.hold(schedule, firing, outcome, platform.clock.now());
      const isHeldUp = outcome?.outcome === 'waiting' || outcome?.outcome === 'failed';
      if (isHeldUp) leftToReport -= 1;
      else left -= 1;
      if (outcome !== null && (!isHeldUp || leftToReport >= 0)) fired.push({ ...what, ...outcome });
    }
  }
  return fired;
}

/** A schedule's firings that are due and have not run; `held`: what the last look at one found that needs none now. */
async function unfiredFirings(
  { store, clock }: Platform,
  schedule: Schedule,
  { ran: known, held, dryRun = false }: FireDueOptions,
): Promise<readonly { readonly firing: Firing; readonly held: HeldUp | null }[]> {
  const now = clock.now();
  const due = dueFirings(schedule, now);
  held?.keepOnly(schedule, due);
  const before = known?.get(schedule.name);
  const open = due
    .filter(({ period }) => before?.has(period) !== true)
    .map((firing) => ({ firing, held: dryRun ? null : (held?.find(schedule, firing, now) ?? null) }));
  const looked = open.flatMap((each) => (each.held === null ? [each.firing] : []));
  const ran = await findRanPeriods(store, schedule, looked);
  known?.set(
    schedule.name,
    new Set(due.map(({ period }) => period).filter((each) => before?.has(each) || ran.has(each))),
  );
  return open.filter(({ firing: { period } }) => !ran.has(period));
}

/** A firing that later rounds try again. */
export type HeldUp =
  | { readonly outcome: 'waiting'; readonly why: string }
  | { readonly outcome: 'failed'; readonly error: unknown };

type Outcome = { readonly outcome: 'fired'; readonly view: JobView } | HeldUp;

/** An input that is being written may be complete at the next look. */
const isMissingInput = (outcome: Outcome | { readonly outcome: 'due' }): outcome is HeldUp =>
  outcome.outcome === 'waiting'
    ? outcome.why !== BEING_WRITTEN
    : outcome.outcome === 'failed' && isKind(outcome.error, 'notFound', 'refused');

/** Null if another process fired it meanwhile. */
async function fireOne(
  platform: Platform,
  schedule: Schedule,
  firing: Firing,
  { signal, passed, onProgress, code }: FireDueOptions & { readonly code: Promise<CodeArchive | null> | undefined },
): Promise<Outcome | null> {
  const awaited = firing.at + schedule.job.awaitInput * 1_000 > platform.clock.now();
  try {
    const prepared = await prepareFiring(platform, schedule, firing, code);
    if (awaited && !(await isInputStable(platform, schedule, firing, prepared, signal))) {
      await dropPrepared(prepared);
      return { outcome: 'waiting', why: BEING_WRITTEN };
    }
    // Another process may have fired it with another program or input: the period has run all the same.
    const { view, created } = await submit(platform, prepared, { mode: 'existing', signal, passed, onProgress });
    return created ? { outcome: 'fired', view } : null;
  } catch (error) {
    if (signal?.aborted === true) return null;
    const missing = isKind(error, 'notFound', 'refused');
    return awaited && missing ? { outcome: 'waiting', why: error.message } : { outcome: 'failed', error };
  }
}

async function isInputStable(
  platform: Platform,
  schedule: Schedule,
  firing: Firing,
  { digest }: Prepared,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  await wait(STILL_MS, signal);
  const again = await prepareFiring(platform, schedule, firing);
  await dropPrepared(again);
  return again.digest === digest;
}

/** Firings missed for good: their catch-up ended after `from` and up to `until`. At most `most` per schedule. */
export async function missedFirings(
  { store }: Pick<Platform, 'store'>,
  schedules: readonly Schedule[],
  { from, until, most }: { readonly from: number; readonly until: number; readonly most: number },
): Promise<readonly { readonly schedule: string; readonly firing: Firing }[]> {
  const missed: { readonly schedule: string; readonly firing: Firing }[] = [];
  for (const schedule of schedules) {
    const lapsed = lapsedFirings(schedule, from, until);
    const ran = await findRanPeriods(store, schedule, lapsed);
    const left = lapsed.filter(({ period }) => !ran.has(period)).slice(-most);
    missed.push(...left.map((firing) => ({ schedule: schedule.name, firing })));
  }
  return missed;
}
