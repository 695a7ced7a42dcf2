import { wait } from '../../lib/wait.ts';
import { isDeliveryDue } from '../../model/delivery.ts';
import { dueMark } from '../../model/keys.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { refreshView } from '../journal.ts';
import { type DeliverOptions, deliver } from './deliver.ts';
import { readDueMark } from './due-mark.ts';

const LOOK_MS = 500;

/**
 * Delivers a job for a person who waits for it: at once, whatever failed before; where another process is at it, that one
 * is waited for, unless it shows no sign of life for two leases. Answers the view after it; of a job that delivers
 * nothing, or has not succeeded, as it was. Throws as `deliver` does.
 */
export async function deliverNow(platform: Platform, seen: JobView, options: DeliverOptions = {}): Promise<JobView> {
  const { clock, leaseSeconds } = platform;
  let last = { text: '', since: clock.monotonic() };
  for (let view = seen; ; view = await refreshView(platform.store, view)) {
    if (!isDeliveryDue(view) || view.delivery === null) return view;
    const mark = await readDueMark(platform, dueMark(view.record.job, view.delivery.after));
    if (mark === null || !mark.begun) return deliver(platform, view, options);
    if (mark.text !== last.text) last = { text: mark.text, since: clock.monotonic() };
    else if (clock.monotonic() - last.since >= 2_000 * leaseSeconds) return deliver(platform, view, options);
    options.signal?.throwIfAborted();
    await wait(LOOK_MS, options.signal);
  }
}
