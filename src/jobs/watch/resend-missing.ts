import { totalMessages } from '../../model/backlog.ts';
import type { JobSpec } from '../../model/job.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { append } from '../journal.ts';
import type { Sighting } from '../keeper-mark.ts';
import { recordView } from '../record-view.ts';
import { canResend, sendUndecided, undecidedSets } from '../send.ts';
import { isOpen, type Look } from './look.ts';

/** A job's exact position when it last moved, and since when (monotonic ms). */
interface JobPosition extends Sighting {
  readonly look: Look;
}

/** A job as a watcher knows it; a resend updates its view. */
export interface WatchedJob {
  view: JobView;
  readonly stood: JobPosition | null;
}

interface ResendOptions {
  readonly leaseMs: number;
  /** Called for a job whose tasks could not be re-sent; the others continue. */
  readonly onTrouble: (job: string, error: unknown) => void;
}

/** Re-sends tasks missing for two leases (doubled by each resend) while the queue holds fewer than that (law 9). */
export async function resendMissing(
  platform: Platform,
  watched: readonly WatchedJob[],
  { leaseMs, onTrouble }: ResendOptions,
): Promise<void> {
  const now = platform.clock.monotonic();
  const standing = watched.filter(({ view, stood }) => isOpen(view) && stood !== null);
  const due = standing.filter(({ view, stood }) => {
    const patience = 2 * leaseMs * 2 ** Math.min(view.resends, 10);
    return stood !== null && now - stood.since >= patience && canResend(view, platform.clock.now());
  });
  for (const job of due)
    await resend(platform, job, standing).catch((error: unknown) => onTrouble(job.view.record.job, error));
}

async function resend(platform: Platform, job: WatchedJob, standing: readonly WatchedJob[]): Promise<void> {
  const found = job.stood?.look;
  if (found === undefined || found.standing.settled || job.view.next !== found.view.next) return;
  const counted = standing.filter(({ view }) => canResend(view, platform.clock.now()));
  const looks = counted.flatMap(({ stood }) => (stood === null ? [] : [stood.look]));
  if (!(await queueHoldsLess(platform, found, looks))) return;
  const { view, appended } = await append(platform, job.view, (now) =>
    now.next === found.view.next ? { what: 'resend', tasks: undecidedSets(found.standing), after: now.next } : null,
  );
  job.view = view;
  if (!appended) return;
  // Its sender may have died before it wrote the job to the ledger.
  await recordView(platform, view);
  await sendUndecided(platform, view, found.standing);
}

/**
 * True if the queues of a step hold fewer messages than the jobs that share them miss together, by their last exact
 * looks. `all`: those of the jobs that may be re-sent.
 */
async function queueHoldsLess(
  platform: Pick<Platform, 'queue'>,
  { view, standing }: Look,
  all: readonly Look[],
): Promise<boolean> {
  const specs = all.map((look) => look.view.record.spec);
  for (const [index, step] of standing.steps.entries()) {
    if (step.undecided.count === 0) continue;
    const groups = linkedGroups(view.record.spec.steps[index]?.group ?? 'default', specs);
    let held = 0;
    for (const group of groups) held += totalMessages(await (await platform.queue(group)).readCounts());
    if (held < missingIn(groups, all)) return true;
  }
  return false;
}

function missingIn(groups: readonly string[], looks: readonly Look[]): number {
  let missing = 0;
  for (const { view, standing } of looks) {
    for (const [index, step] of standing.steps.entries()) {
      if (groups.includes(view.record.spec.steps[index]?.group ?? '')) missing += step.undecided.count;
    }
  }
  return missing;
}

/**
 * The groups whose queues may contain a group's tasks, itself first: a fallback links two groups, either of which may
 * have the message. Covers all specs, as a queue's count doesn't say whose messages it has.
 */
export function linkedGroups(group: string, specs: readonly Pick<JobSpec, 'steps'>[]): readonly string[] {
  const links = specs.flatMap(({ steps }) =>
    steps.flatMap((step) => (step.fallback === null ? [] : [[step.group, step.fallback] as const])),
  );
  const linked = new Set([group]);
  for (const known of linked) {
    for (const [one, other] of links) {
      if (one === known) linked.add(other);
      if (other === known) linked.add(one);
    }
  }
  return [...linked];
}
