import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { append } from './journal.ts';
import { isOpen, type Look } from './look.ts';
import { queueHoldsLess } from './queue-holds-less.ts';
import { recordView } from './remember.ts';
import { resendable } from './resendable.ts';
import type { Seen } from './seen.ts';
import { sendUndecided, undecidedSets } from './send.ts';

/** A job's exact position when it last moved, and since when (monotonic ms). */
export interface Stood extends Seen {
  readonly look: Look;
}

/** A job as an onlooker knows it; a resend updates its view. */
export interface Watched {
  view: JobView;
  readonly stood: Stood | null;
}

export interface ResendOptions {
  readonly leaseMs: number;
  /** Called for a job whose tasks could not be re-sent; the others continue. */
  readonly onTrouble: (job: string, error: unknown) => void;
}

/**
 * Re-sends tasks that were missing for two leases (doubled with each resend) while the queue holds less than is missing
 * (law 9).
 */
export async function resendMissing(
  platform: Platform,
  watched: readonly Watched[],
  { leaseMs, onTrouble }: ResendOptions,
): Promise<void> {
  const now = platform.clock.monotonic();
  const standing = watched.filter(({ view, stood }) => isOpen(view) && stood !== null);
  const due = standing.filter(({ view, stood }) => {
    const patience = 2 * leaseMs * 2 ** Math.min(view.resends, 10);
    return stood !== null && now - stood.since >= patience && resendable(view, platform.clock.now());
  });
  for (const job of due)
    await resend(platform, job, standing).catch((error: unknown) => onTrouble(job.view.record.job, error));
}

async function resend(platform: Platform, job: Watched, standing: readonly Watched[]): Promise<void> {
  const found = job.stood?.look;
  if (found === undefined || found.standing.settled || job.view.next !== found.view.next) return;
  const counted = standing.filter(({ view }) => resendable(view, platform.clock.now()));
  const looks = counted.flatMap(({ stood }) => (stood === null ? [] : [stood.look]));
  if (!(await queueHoldsLess(platform, found, looks))) return;
  const by = { who: platform.who, now: platform.clock.now() };
  const { view, appended } = await append(platform.store, job.view, by, (now) =>
    now.next === found.view.next ? { what: 'resend', tasks: undecidedSets(found.standing), after: now.next } : null,
  );
  job.view = view;
  if (!appended) return;
  // Its sender may have died before it wrote the job to the ledger.
  await recordView(platform, view);
  await sendUndecided(platform, view, found.standing);
}
