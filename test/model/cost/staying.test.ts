// Protects: machines that run on for nothing are named with what they cost an hour, and working ones are not.
import { expect } from 'chai';
import { stayingOf, stayingText } from '../../../src/model/cost/staying.ts';
import type { LedgerWorker } from '../../../src/model/ledger/records.ts';
import { worker } from '../../contracts/ledger-events.ts';

const DENIED = 'autoscaling:SetDesiredCapacity on arn:g';
const MACHINE = { type: 'c7g.large', zone: 'a', lifeCycle: 'spot', denied: DENIED } as const;
const idle = (fields: Partial<LedgerWorker>): LedgerWorker => worker({ state: 'idle', machine: MACHINE, ...fields });
const two = (): number => 2;

describe('idle workers that may not end their machines', () => {
  it('are named, and their machines priced, each machine once', () => {
    const workers = [
      idle({ worker: 'w-1', host: 'i-1' }),
      idle({ worker: 'w-2', host: 'i-2' }),
      idle({ worker: 'w-3', host: 'i-2' }),
    ];
    const staying = stayingOf(workers, two);
    expect(staying).to.deep.equal({ denied: DENIED, workers: ['w-1', 'w-2', 'w-3'], hour: 4 });
    expect(staying && stayingText(staying)).to.equal(
      `3 idle workers can't end their machines: ${DENIED} is denied; that costs $4.00 an hour`,
    );
  });

  it('are none if a worker is busy, left, lost, or may end its machine', () => {
    const { denied: _, ...allowed } = MACHINE;
    const workers = [idle({ state: 'busy' }), idle({ state: 'gone' }), { ...idle({}), state: 'lost' }];
    expect(stayingOf([...workers, idle({ machine: allowed })], two)).to.equal(null);
  });

  it('say so if a price is unknown', () => {
    const workers = [idle({ host: 'i-1' }), idle({ host: 'i-2', machine: { ...MACHINE, type: 'x9.large' } })];
    const staying = stayingOf(workers, ({ type }) => (type === 'x9.large' ? null : 1));
    expect(staying?.hour).to.equal(null);
    expect(staying && stayingText(staying)).to.match(/; what that costs is unknown$/);
  });
});
