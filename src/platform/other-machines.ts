import type { Workplace } from '../ports/platform.ts';

/** Workers run on machines that groups start, and that reach the store and the queues by a network. */
export const OTHER_MACHINES: Workplace = {
  sharesFiles: false,
  sizesGroups: true,
  paysRequests: true,
  countsLateMs: 120_000,
  outageMs: 5 * 60_000,
  worksHere: false,
  slots: 1,
  advice: {
    work: 'batchctl worker --here --until-empty, on any machine that can reach the queues',
    apply: ', then batchctl infra up',
    store: 'AWS itself, or an endpoint that supports If-None-Match',
  },
};
