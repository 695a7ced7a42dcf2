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
  let [patience, tried] = [2_000 * leaseSeconds, -1];
  for (let view = seen; ; view = await refreshView(platform.store, view)) {
    if (!isDeliveryDue(view) || view.delivery === null) return view;
    const { after } = view.delivery;
    const mark = await readDueMark(platform, dueMark(view.record.job, after));
    const text = mark?.text ?? '';
    if (text !== last.text) last = { text, since: clock.monotonic() };
    const isFree = tried !== after && mark?.begun !== true;
    if (isFree || clock.monotonic() - last.since >= patience) {
      view = await deliver(platform, view, options);
      if (!isDeliveryDue(view)) return view;
      // Another process has claimed the place since. Each waits longer for the other, so that one of them gets to the end.
      tried = after;
      patience *= 2;
      last = { ...last, since: clock.monotonic() };
    }
    options.signal?.throwIfAborted();
    await wait(LOOK_MS, options.signal);
  }
}
