// Protects: messages on scaling up say how many workers were requested, why, and which limit prevents more.

import { expect } from 'chai';
import { printRaised } from '../../src/cli/print-notices.ts';
import type { GroupRaise } from '../../src/jobs/grid/raise.ts';
import { raiseResultsOf } from '../../src/verbs/raise.ts';
import { fakeContext } from './fake-io.ts';

describe('messages about raising groups', () => {
  const DEADLINE = Date.parse('2026-11-30T06:00:00Z');
  const status = { group: 'gpu', desired: 20, min: 0, max: 20, mode: 'auto', running: 0, until: null } as const;
  const late = { job: 'claims-1', deadline: DEADLINE, ends: DEADLINE + 25 * 60_000, max: 34 };
  const need = { instances: 20, unbounded: 34, decides: 'claims-1', late: null, assumed: false };
  /** A group of instances that was raised. */
  const raised = (changed: Partial<Extract<GroupRaise, { outcome: 'raised' }>> = {}): GroupRaise => ({
    group: 'gpu',
    outcome: 'raised',
    before: 3,
    status: { ...status, machines: { inService: 0, pending: 0, terminating: 0, protected: 0 } },
    need,
    onDemand: null,
    late: null,
    ...changed,
  });

  function linesOf(...groups: readonly GroupRaise[]): readonly string[] {
    const { ctx, io } = fakeContext();
    printRaised(ctx, raiseResultsOf(groups), 'UTC');
    return io.stderr.text.split('\n').filter(Boolean);
  }

  it('name the job whose deadline decides, its projected end and the maximum that would suffice', () => {
    expect(linesOf(raised({ late }))).to.deep.equal([
      'warning: group gpu: even with 20 instances, its maximum, job claims-1 is projected to end 2026-11-30 06:25 UTC, 25m late (deadline 2026-11-30 06:00 UTC); raise the limit with batchctl scale --max 34 --group gpu',
      'group gpu: requested 20 instances (3 before), its maximum; the work needs 34, for the deadline of job claims-1',
    ]);
  });

  it('say that on-demand instances replace spot', () => {
    expect(linesOf(raised({ before: 20, onDemand: 5 }))[0]).to.include(
      'requested 20 instances (20 before), 5 of them on demand, as spot is not available in time',
    );
  });

  it('say when more instances would not help', () => {
    const [line] = linesOf({ group: 'default', outcome: 'enough', status, late: { ...late, max: null } });
    expect(line).to.match(
      /^warning: group default: even with 20 instances, job .* 25m late .*; a larger group would not finish sooner$/,
    );
    expect(linesOf({ group: 'default', outcome: 'enough', status, late: null })).to.deep.equal([]);
  });

  it('name the target time if no deadline decides', () => {
    const assumed = { ...need, decides: null, assumed: true };
    expect(linesOf(raised({ before: 0, status: { ...status, max: 50 }, need: assumed }))).to.deep.equal([
      'group gpu: requested 20 workers (0 before), to finish within 30m, assuming 60s per task, as no task has run yet',
    ]);
  });
});
