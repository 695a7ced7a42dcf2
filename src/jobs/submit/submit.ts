import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { BatchctlError, isKind, nullIfUnreadable } from '../../errors.ts';
import { randomId } from '../../lib/id.ts';
import { VERSION } from '../../lib/version.ts';
import { requireAllowedSecrets } from '../../model/allowed-secrets.ts';
import { range, standingOf } from '../../model/decide.ts';
import { emptyView } from '../../model/fold.ts';
import { groupsOf, type JobRecord } from '../../model/job.ts';
import { codeKey, jobKey, openMark } from '../../model/keys.ts';
import { jobNeeds } from '../../model/needs.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import { LARGEST_PUT, type ObjectStore, type PutResult } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { recordedPlace } from '../deliver/deliver-to.ts';
import { discardJob } from '../discard.ts';
import { append, readJob, readRecord, requireView } from '../journal.ts';
import { listFacts } from '../listing.ts';
import { openJobs } from '../open-jobs.ts';
import { isExecReceiver, refuseLocalReceivers } from '../receivers.ts';
import { ifLedgerAvailable, recordView } from '../record-view.ts';
import { claimRun, keyedOf, type RunKeyClaim, requireOwnRun, runsOf } from '../run-keys.ts';
import { sendTasks, sendUndecided } from '../send.ts';
import { lookAndNotify } from '../watch/look-and-notify.ts';
import { type CutParts, cut } from './cut.ts';
import { closeInputs } from './inputs.ts';
import type { SubmitOptions, SubmitResult } from './options.ts';
import type { Prepared } from './prepared.ts';
import { DIGEST_FORMAT, differencesOf, digestOf, factsOf, isKnownDigest, otherContent } from './same-job.ts';
import { requireStillPresent, uploadInputs } from './upload-inputs.ts';

/**
 * Submits a prepared job. The order is code, parts, open mark, job.json, claim (the commit), messages, `sent`: a crash
 * at any point leaves either nothing that counts, or a job that any watcher can finish sending. Throws `refused` if the
 * key has other content, if an equal submission isn't sent yet, or if this one showed no activity for a day and was
 * discarded; `notFound` if there are no parts.
 */
export async function submit(
  platform: Platform,
  prepared: Prepared,
  options: SubmitOptions = {},
): Promise<SubmitResult> {
  const { runKey } = prepared;
  if (!platform.workplace.sharesFiles) refuseLocalReceivers(prepared.spec);
  requireAllowedSecrets(prepared.spec.steps, platform.allowedSecrets?.(false) ?? null);
  const [runs] = await Promise.all([
    runKey === null ? null : runsOf(platform, runKey),
    requireQueues(platform, prepared),
  ]);
  const existing = runs?.latest ?? null;
  if (existing !== null && options.mode !== 'again') {
    try {
      return await useExisting(platform, prepared, existing.claim, options);
    } finally {
      await closeInputs(prepared.inputs);
    }
  }
  if (runKey === null) await refuseEqual(platform, prepared.digest);
  const record = await write(platform, prepared, runs?.next ?? null, options);
  const winner = await claim(platform, record);
  options.passed?.('claim');
  if (winner !== null) {
    await discardJob(platform.store, record.job);
    // Its inputs are cut: another call adds what the other job lacks.
    const mode = options.mode === 'extend' ? 'new' : (options.mode ?? 'new');
    return useExisting(platform, prepared, winner, { ...options, mode });
  }
  return { view: await send(platform, emptyView(record), options), created: true };
}

/** A step whose group has no queue would never run, so this is reported before anything is written. */
async function requireQueues(platform: Platform, { spec }: Prepared): Promise<void> {
  await Promise.all(groupsOf(spec).map((group) => platform.queue(group)));
}

/** Steps 1 to 3: writes everything the job needs, while no worker can run it yet. */
async function write(
  platform: Platform,
  prepared: Prepared,
  runNumber: number | null,
  options: SubmitOptions,
): Promise<JobRecord> {
  const { store, clock } = platform;
  const { spec, code, request } = prepared;
  const now = new Date(clock.now());
  const job = jobId(spec.name, now);
  if (code !== null) await store.put(codeKey(code.sha256), code.gzip);
  options.passed?.('code');
  const inputs = await putInputs(platform, prepared, options);
  options.passed?.('inputs');
  const { signal } = options;
  const onProgress = (done: number): void => options.onProgress?.({ phase: 'cut', done, total: totalBytes(prepared) });
  let parts: CutParts;
  try {
    parts = await cut(store, job, { ...prepared, inputs }, { signal, onProgress });
  } catch (error) {
    // A mistake that only the cut could find, as of a pipe, leaves nothing behind.
    if (isKind(error, 'jobFile', 'usage', 'refused')) await discardJob(store, job);
    throw error;
  }
  options.passed?.('parts');
  if (parts.count === 0 && !request.allowEmpty) {
    await discardJob(platform.store, job);
    throw new BatchctlError('notFound', 'the input is empty: it makes no part', {
      hint: 'use --allow-empty to accept that',
    });
  }
  const sampled = await options.sample?.(job, parts);
  const needs = jobNeeds(spec, parts.assumed);
  const leftOut = [...(request.attachments?.leftOut ?? []), ...(prepared.leftOut ?? [])];
  const record: JobRecord = {
    format: needs.format,
    ...(needs.version !== null && { needs: needs.version }),
    job,
    spec,
    runKey: prepared.runKey,
    runNumber,
    period: request.period,
    inputs: parts.inputs,
    parts: sampled?.count ?? parts.count,
    records: sampled === undefined ? parts.records : sampled.records,
    digest: sampled === undefined ? prepared.digest : digestOf({ ...factsOf(prepared), place: null }),
    digestFormat: DIGEST_FORMAT,
    code: code?.sha256 ?? null,
    createdAt: now.toISOString(),
    ...(await placeInOrder(platform, now)),
    createdBy: platform.who,
    host: hostname(),
    version: VERSION,
    notBefore: options.notBefore ?? null,
    finishBy: request.finishBy ?? null,
    maxCost: request.maxCost ?? null,
    given: {
      input: request.inputs.length > 0,
      params: Object.keys(request.params),
      labels: Object.keys(request.labels),
    },
    notifyFrom: spec.notify.some(({ to }) => isExecReceiver(to)) ? request.directory : null,
    // A sample's outputs are not delivered.
    deliverTo: sampled === undefined ? recordedPlace(prepared.deliverPlace, job, hostname()) : null,
    ...((prepared.incomplete ?? []).length > 0 && { incomplete: prepared.incomplete }),
    ...(leftOut.length > 0 && { leftOut }),
    rehearsal: sampled?.rehearsal ?? null,
  };
  await store.put(openMark(job, 0), '{"format":1}');
  options.passed?.('open');
  const { created } = await putRecord(store, record);
  // If job.json exists, it may be from our own first try (law 2).
  if (!created && (await readRecord(store, job)) === null) throw await removeDiscarded(store, job);
  options.passed?.('job');
  try {
    await requireStillPresent(store, record, code);
  } catch (error) {
    if (isKind(error, 'notFound')) await discardJob(store, job);
    throw error;
  }
  return record;
}

/** The record of a job with hundreds of thousands of inputs is too large for one put. */
async function putRecord(store: ObjectStore, record: JobRecord): Promise<PutResult> {
  const [key, body] = [jobKey(record.job), Buffer.from(JSON.stringify(record))];
  if (body.length <= LARGEST_PUT) return store.put(key, body, { ifAbsent: true });
  const directory = mkdtempSync(join(tmpdir(), 'batchctl-job-'));
  try {
    const file = join(directory, 'job.json');
    writeFileSync(file, body, { mode: 0o600 });
    return await store.uploadFile(file, key, { ifAbsent: true });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Milliseconds: a service tells its time in whole seconds, some time before its answer arrives. */
const CLOCKS_ALIKE_MS = 2_000;

/**
 * The place of a new job in the order of jobs, if this machine's clock does not give it: `last` is the job accepted last.
 * Where only this machine submits, after the newest job, if the clock was set back since that was accepted. Elsewhere by
 * the clock of the store's service, which its answers to this submission's requests tell; looking for the newest job
 * would be a request.
 */
async function placeInOrder(platform: Platform, now: Date): Promise<Pick<JobRecord, 'orderedAt'>> {
  if (platform.clockOffset !== undefined) {
    const offset = platform.clockOffset() ?? 0;
    return Math.abs(offset) < CLOCKS_ALIKE_MS ? {} : { orderedAt: new Date(now.getTime() + offset).toISOString() };
  }
  let newest = Number.NEGATIVE_INFINITY;
  await ifLedgerAvailable(async () => {
    const [job] = await (await platform.ledger()).jobs({ limit: 1 });
    if (job !== undefined) newest = job.createdAt;
  });
  return newest < now.getTime() ? {} : { orderedAt: new Date(newest + 1).toISOString() };
}

/** Puts local inputs where workers on other machines can read them. */
async function putInputs(
  { store }: Platform,
  { inputs }: Prepared,
  { signal, onProgress }: SubmitOptions,
): Promise<Prepared['inputs']> {
  if (!inputs.some(({ path }) => path !== undefined)) return inputs;
  try {
    return await uploadInputs(store, inputs, {
      signal,
      onProgress: (done, total) => onProgress?.({ phase: 'upload', done, total }),
    });
  } catch (error) {
    await closeInputs(inputs);
    throw error;
  }
}

/** The commit: claims the run key. Returns the existing claim if another job has it, else null. */
async function claim({ store }: Platform, record: JobRecord): Promise<RunKeyClaim | null> {
  const keyed = keyedOf(record);
  if (keyed === null) return null;
  const { job, digest } = record;
  const standing = await claimRun(store, keyed, { format: 1, job, digest });
  if (standing.discarded !== undefined) throw await removeDiscarded(store, job);
  return standing.job === job ? null : standing;
}

/** Removes what a submission wrote, also after others discarded it. Returns the error to throw. */
async function removeDiscarded(store: ObjectStore, job: string): Promise<BatchctlError> {
  await discardJob(store, job);
  return new BatchctlError(
    'refused',
    `the submission of ${job} was discarded: it showed no activity for a day (was this machine asleep?)`,
    { hint: 'submit it again' },
  );
}

/** Steps 5 and 6. A second sender, or a crash in between, only causes duplicate messages. */
async function send(platform: Platform, view: JobView, options: SubmitOptions): Promise<JobView> {
  const total = view.record.parts;
  await recordView(platform, view);
  const onProgress = (done: number): void => options.onProgress?.({ phase: 'send', done, total });
  await sendTasks(platform, view, 0, range(total), { first: true, onProgress });
  options.passed?.('send');
  const { view: sent } = await append(platform, view, (now) => (now.sent ? null : { what: 'sent' }));
  options.passed?.('sent');
  await recordView(platform, sent);
  if (total === 0) await lookAndNotify(platform, sent);
  return total === 0 ? requireView(platform.store, sent.record.job) : sent;
}

/** The run key exists: returns its job. If its sender died, finishes sending. */
async function useExisting(
  platform: Platform,
  prepared: Prepared,
  found: RunKeyClaim,
  options: SubmitOptions,
): Promise<SubmitResult> {
  const view = await requireView(platform.store, found.job);
  if (prepared.runKey !== null) requireOwnRun(view.record, prepared.runKey);
  const { mode = 'new' } = options;
  if (mode === 'new' && !isKnownDigest(view, prepared.digest)) {
    const differences = differencesOf(view, factsOf(prepared));
    if (differences.length > 0) throw otherContent(view, prepared, differences);
  }
  const sent = await finishSending(platform, view);
  if (mode !== 'extend') return { view: sent, created: false };
  const { extendJob } = await import('./extend.ts');
  return extendJob(platform, sent, prepared, options);
}

/** Sends what is missing of a committed job without a `sent` entry. */
export async function finishSending(platform: Platform, view: JobView): Promise<JobView> {
  if (stateOf(view) !== 'submitted') return view;
  await sendUndecided(platform, view, standingOf(view, await listFacts(platform.store, view)));
  const { view: sent } = await append(platform, view, (now) => (now.sent ? null : { what: 'sent' }));
  await recordView(platform, sent);
  return sent;
}

/** An unkeyed submission that equals a committed, unsent one is most likely a second try of it. */
async function refuseEqual(platform: Platform, digest: string): Promise<void> {
  for (const job of await openJobs(platform.store)) {
    // Another job that can't be read must not block this one.
    const record = await readJob(platform.store, job).catch(nullIfUnreadable);
    if (record === null || record.digest !== digest) continue;
    const view = await requireView(platform.store, job).catch(nullIfUnreadable);
    if (view === null || stateOf(view) !== 'submitted') continue;
    throw new BatchctlError('refused', `job ${job} is the same submission, and is incomplete`, {
      hint: `complete it with batchctl resume ${job}; use --run-key to make repeated submissions safe`,
    });
  }
}

function jobId(name: string, now: Date): string {
  const stamp = now.toISOString().replace(/[-:]/g, '');
  return `${name}-${stamp.slice(0, 8)}-${stamp.slice(9, 13)}-${randomId(5)}`;
}

function totalBytes({ inputs }: Prepared): number | null {
  const sizes = inputs.map(({ source }) => source.size);
  return sizes.some((size) => size === null) ? null : sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
}
