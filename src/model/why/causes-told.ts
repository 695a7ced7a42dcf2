import type { Cause } from './cause.ts';
import type { Snapshot } from './snapshot.ts';
import { many } from './words.ts';

/** People who could not be told of what happened to the job: it is none the worse, but nobody may have noticed. */
export function toldCauses({ untold = [] }: Snapshot): readonly Cause[] {
  return untold.map(({ event, to, tries, message, next }) => ({
    ...{ code: 'notTold', severity: 'note' },
    title: `${to} could not be told of ${event}: ${message ?? 'whoever tried has died'}`,
    evidence: [
      `tried ${many(tries, 'time')}; ${next === null ? 'nobody tries again' : `tried again after ${next}, by a keeper`}`,
    ],
    mend: 'batchctl notify test, once it is mended',
  }));
}
