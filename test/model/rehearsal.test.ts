// Protects: a rehearsal injects exactly the requested faults, reproducibly, and never fails a retried task.
import { expect } from 'chai';
import {
  ALL_FAULTS,
  faultNames,
  findFailingSeed,
  killPlan,
  parseFaults,
  shouldFail,
} from '../../src/model/rehearsal.ts';

const first = (task: number) => ({ step: 'price', task, round: 0, number: 1 });

describe('faults', () => {
  it('are parsed from a list, and formatted in the same form', () => {
    expect(faultNames(parseFaults(ALL_FAULTS)).join()).to.equal(ALL_FAULTS);
    expect(faultNames(parseFaults('fail:2.5%, kill'))).to.deep.equal(['kill', 'fail:2.5%']);
    expect(parseFaults('fail').fail).to.equal(0.05);
  });

  for (const text of ['', 'job.yaml', 'kill:2', 'fail:0%', 'fail:101%', 'fail:5', 'kill,,duplicate']) {
    it(`are refused as "${text}"`, () => {
      expect(() => parseFaults(text)).to.throw(RangeError, 'expected');
    });
  }

  it('hit about as many attempts as requested, the same ones for the same seed', () => {
    const failed = (seed: number): readonly number[] =>
      Array.from({ length: 4_000 }, (_, task) => task).filter((task) => shouldFail({ fail: 0.05, seed }, first(task)));
    expect(failed(3).length).to.be.within(150, 250);
    expect(failed(3)).to.deep.equal(failed(3));
    expect(failed(3)).to.not.deep.equal(failed(4));
  });

  it('are drawn anew for another attempt, and never hit what a person retried', () => {
    const lots = { fail: 0.5, seed: 1 };
    const tasks = Array.from({ length: 100 }, (_, task) => task).filter((task) => shouldFail(lots, first(task)));
    expect(tasks.some((task) => !shouldFail(lots, { ...first(task), number: 2 }))).to.equal(true);
    expect(tasks.some((task) => shouldFail(lots, { ...first(task), round: 1 }))).to.equal(false);
  });

  it('appear at least once in a small sample', () => {
    const seed = findFailingSeed(0.05, 100, 'price', 5);
    expect([0, 1, 2, 3, 4].some((task) => shouldFail({ fail: 0.05, seed }, first(task)))).to.equal(true);
    expect(findFailingSeed(0, 100, 'price', 5)).to.equal(100);
  });

  it('kill at least one worker, and at most as many as attempts allow', () => {
    for (const tasks of [1, 2, 20, 39, 40, 10_000]) {
      const { kills, every } = killPlan(tasks);
      expect(kills, String(tasks)).to.be.at.least(1);
      expect(kills * every, String(tasks)).to.be.at.most(tasks);
    }
    expect(killPlan(0).kills).to.equal(0);
  });
});
