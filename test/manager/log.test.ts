// Protects: the log of a manager says what a firing submitted, and what its inputs left out.
import { expect } from 'chai';
import { firedLines } from '../../src/manager/log.ts';
import { viewOf } from '../model/job-of.ts';

describe("a manager's log of firings", () => {
  const firing = { schedule: 'daily', period: '2026-11-28', at: Date.parse('2026-11-28T06:00:00Z') };

  it('has a warning for each thing that the inputs left out, and none without', () => {
    const view = viewOf([]);
    const { job } = view.record;
    const incomplete = [{ name: 'job:other/price', tasks: 3, missing: 1 }];
    const record = { ...view.record, leftOut: ['the input in/*.csv leaves out 1'], incomplete };
    const lines = firedLines([
      { ...firing, outcome: 'fired', view: { ...view, record } },
      { ...firing, outcome: 'waiting', why: 'there is no input' },
    ]);
    expect(lines.map(({ event, level, text }) => [event, level, text])).to.deep.equal([
      ['fired', 'info', `fired daily, 2026-11-28, due 2026-11-28T06:00:00.000Z: job ${job}`],
      ['left-out', 'warning', 'daily, 2026-11-28: the input in/*.csv leaves out 1'],
      [
        'left-out',
        'warning',
        'daily, 2026-11-28: the input job:other/price is incomplete: 1 of its 3 tasks failed or were skipped',
      ],
    ]);
    expect(firedLines([{ ...firing, outcome: 'fired', view }])).to.have.length(1);
  });
});
