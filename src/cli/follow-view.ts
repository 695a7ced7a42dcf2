import type { WatchEvent } from '../verbs/watch.ts';
import type { Context } from './context.ts';
import { CounterPace } from './counter-pace.ts';
import { liveView } from './live-view.ts';
import { failureLine, printRaiseEvent } from './print-notices.ts';
import { liveStatusOf } from './status-text.ts';

/** Shows a job that is followed: its status live, and what happens above it. */
export function livePresenter(ctx: Context): { event(event: WatchEvent): Promise<void>; close(): void } {
  const live = liveView(ctx);
  const pace = new CounterPace();
  return {
    async event(event) {
      if (event.event === 'status') {
        const paces = pace.take(event.status, ctx.clock.monotonic());
        live.show({ ...liveStatusOf(event.status), paces });
      } else if (event.event === 'firstFailure') live.printAbove(failureLine(event.failure));
      else await printRaiseEvent(ctx, event);
    },
    close: () => live.close(),
  };
}
