import type { StepCounts } from '../../src/ports/ledger.ts';

/** The ledger's counts of a step: 0, except for `counts`. */
export function countsOf(step: string, counts: Partial<StepCounts> = {}): StepCounts {
  return {
    step,
    running: 0,
    done: 0,
    failed: 0,
    retried: 0,
    interrupted: 0,
    bytesIn: 0,
    bytesOut: 0,
    counters: {},
    seconds: 0,
    movedAt: null,
    exact: false,
    ...counts,
  };
}
