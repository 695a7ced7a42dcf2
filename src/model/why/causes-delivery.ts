import { deliveryOf, isDeliveryDue, nextTry } from '../delivery.ts';
import { type Cause, iso, many, span } from './cause.ts';
import { type Snapshot, since } from './snapshot.ts';

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
    const title = `it succeeded ${ago} ago, but is not delivered to ${to}${there} yet`;
    const evidence = [host === null ? 'any worker, watcher or manager delivers it' : `only ${host} has that directory`];
    return [{ code: 'notDelivered', severity: 'waits', title, evidence, mend: `${now}, to deliver it now` }];
  }
  const next = nextTry(view.delivery);
  const later = next === null ? 'it is not retried automatically' : `retried after ${iso(next)}`;
  return [
    {
      code: 'notDelivered',
      severity: 'stops',
      title: `its outputs can't be delivered to ${to}${there}: ${failed.message}`,
      evidence: [`tried ${many(failed.tries, 'time')}, the last time at ${failed.when} by ${failed.who}; ${later}`],
      mend: `${failed.hint === null ? 'fix that' : failed.hint}; ${now}, then`,
    },
  ];
}

/** People who could not be told of what happened to the job: it is none the worse, but nobody may have noticed. */
export function toldCauses({ untold = [] }: Snapshot): readonly Cause[] {
  return untold.map(({ event, to, tries, message, next }) => ({
    ...{ code: 'notTold', severity: 'note' },
    title: `${to} could not be notified of ${event}: ${message ?? 'the process died during the attempt'}`,
    evidence: [
      `tried ${many(tries, 'time')}; ${next === null ? 'it is not retried' : `retried after ${next}, by a manager or tick`}`,
    ],
    mend: 'batchctl notify test, once it is fixed',
  }));
}
