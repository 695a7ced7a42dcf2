import type { StepCounts } from '../../src/model/ledger/records.ts';
import { noCounts } from '../../src/model/ledger/transitions.ts';

/** The ledger's counts of a step: 0, except for `counts`. */
export const countsOf = (step: string, counts: Partial<StepCounts> = {}): StepCounts => ({
  ...noCounts(step),
  ...counts,
});
