import { deliveryOf, isDeliveryDue, nextTry } from '../delivery.ts';
import type { Cause } from './cause.ts';
import { since } from './facts.ts';
import type { Snapshot } from './snapshot.ts';
import { iso, many, span } from './words.ts';

/** A job that succeeded, and whose outputs are not where they are to be. */
export function deliveryCauses(seen: Snapshot): readonly Cause[] {
  const { view } = seen;
  const status = deliveryOf(view);
  if (status === null || !isDeliveryDue(view) || view.delivery === null || view.closed === null) return [];
  const { job } = view.record;
  const { to, host, failed } = status;
  const there = host === null ? '' : ` on ${host}`;
  const now = `batchctl watch ${job}${host === null ? '' : `, on ${host}`}`;
  if (failed === null) {
    const ago = span(since(seen, Date.parse(view.closed.when)));
    const title = `it succeeded ${ago} ago, and is not delivered to ${to}${there} yet`;
    const evidence = [host === null ? 'any onlooker delivers it' : `only ${host} has that directory`];
    return [{ code: 'notDelivered', severity: 'waits', title, evidence, mend: `${now}, to deliver it now` }];
  }
  const next = nextTry(view.delivery);
  const later = next === null ? 'nobody tries it again by itself' : `tried again after ${iso(next)}`;
  return [
    {
      code: 'notDelivered',
      severity: 'stops',
      title: `its outputs can't be delivered to ${to}${there}: ${failed.message}`,
      evidence: [`tried ${many(failed.tries, 'time')}, the last time at ${failed.when} by ${failed.who}; ${later}`],
      mend: `${failed.hint === null ? 'mend that' : failed.hint}; ${now}, then`,
    },
  ];
}
