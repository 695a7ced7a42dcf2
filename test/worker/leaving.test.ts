// Protects: a worker stays while its group may still get tasks of a step with a fallback group, and leaves when none
// can come.
import { expect } from 'chai';
import { standingOf } from '../../src/model/decide.ts';
import { TaskBits } from '../../src/model/task-set.ts';
import { remainingWork } from '../../src/worker/intake.ts';
import { factsOf, viewOf } from '../model/job-of.ts';

const VIEW = viewOf(
  [],
  `
name: claims
input: { split: { by: range, from: 1, to: 4 } }
steps:
  - { name: price, run: [cat], group: spot, fallback: steady }
  - { name: total, run: [cat], group: after }
`,
);

/** The work that remains for a worker of the group, while these tasks of step price are undecided, some of them handed over. */
function remaining(
  group: string,
  undecided: readonly number[],
  handedOver: readonly number[],
  unfit: readonly string[] = [],
) {
  const decided = factsOf(
    4,
    [0, 1, 2, 3].filter((task) => !undecided.includes(task)),
  );
  const bits = new TaskBits(4);
  for (const task of handedOver) bits.add(task);
  const scope = { groups: new Set([group]), unfit: new Set(unfit) };
  return remainingWork(VIEW, standingOf(VIEW, [decided, decided]), new Map([[0, bits]]), scope, 0);
}

describe('the tasks that a worker waits for in a step with a fallback group', () => {
  const upstream = (group: string) => ({ left: 'upstream', step: 'price', group });

  it('belong to its own group until they are handed over', () => {
    expect(remaining('spot', [0, 1], [])).to.deep.equal({ left: 'work' });
    expect(remaining('spot', [0, 1], [0])).to.deep.equal({ left: 'work' });
    expect(remaining('spot', [0, 1], [0, 1])).to.deep.equal({ left: 'nothing' });
  });

  it('belong to the fallback group once they are handed over, and may arrive there until then', () => {
    expect(remaining('steady', [0, 1], [0])).to.deep.equal({ left: 'work' });
    expect(remaining('steady', [0, 1], [])).to.deep.equal(upstream('spot'));
    expect(remaining('steady', [], [])).to.deep.equal({ left: 'nothing' });
  });

  it('are upstream of later steps, in the group that has them now', () => {
    expect(remaining('after', [0], [])).to.deep.equal(upstream('spot'));
    expect(remaining('after', [0], [0])).to.deep.equal(upstream('steady'));
  });

  it("don't include tasks that don't fit the worker", () => {
    expect(remaining('steady', [0], [0], [`${VIEW.record.job}/price`])).to.deep.equal({ left: 'nothing' });
    expect(remaining('elsewhere', [0], [0])).to.deep.equal({ left: 'nothing' });
  });
});
