// Protects: a worker stays while its group may still get tasks of a step with a fallback group, and leaves when none
// can come.
import { expect } from 'chai';
import { parseJobFile } from '../../src/jobs/spec/job-file.ts';
import type { JobStanding } from '../../src/model/decide.ts';
import { TaskBits } from '../../src/model/task-set.ts';
import { emptyView, type JobView } from '../../src/model/view.ts';
import { remainingWork } from '../../src/worker/intake.ts';

const SPEC = parseJobFile(
  `
name: claims
input: { split: { by: range, from: 1, to: 4 } }
steps:
  - { name: price, run: [cat], group: spot, fallback: steady }
  - { name: total, run: [cat], group: after }
`,
  { file: 'job.yaml' },
);
const VIEW: JobView = emptyView({ job: 'claims-1', spec: SPEC, parts: 4, notBefore: null } as never);

function bits(...tasks: readonly number[]): TaskBits {
  const set = new TaskBits(4);
  for (const task of tasks) set.add(task);
  return set;
}

function left(
  group: string,
  undecided: readonly number[],
  handedOver: readonly number[],
  unfit: readonly string[] = [],
) {
  const steps = [bits(...undecided), bits()].map((set) => ({ undecided: set }));
  const mine = { groups: new Set([group]), unfit: new Set(unfit) };
  return remainingWork(VIEW, { steps } as unknown as JobStanding, new Map([[0, bits(...handedOver)]]), mine, 0);
}

describe('the tasks that a worker waits for in a step with a fallback group', () => {
  const upstream = (group: string) => ({ left: 'upstream', step: 'price', group });

  it('belong to its own group until they are handed over', () => {
    expect(left('spot', [0, 1], [])).to.deep.equal({ left: 'work' });
    expect(left('spot', [0, 1], [0])).to.deep.equal({ left: 'work' });
    expect(left('spot', [0, 1], [0, 1])).to.deep.equal({ left: 'nothing' });
  });

  it('belong to the fallback group once they are handed over, and may arrive there until then', () => {
    expect(left('steady', [0, 1], [0])).to.deep.equal({ left: 'work' });
    expect(left('steady', [0, 1], [])).to.deep.equal(upstream('spot'));
    expect(left('steady', [], [])).to.deep.equal({ left: 'nothing' });
  });

  it('precede later steps in the group that has them by now', () => {
    expect(left('after', [0], [])).to.deep.equal(upstream('spot'));
    expect(left('after', [0], [0])).to.deep.equal(upstream('steady'));
  });

  it("don't include tasks that don't fit the worker", () => {
    expect(left('steady', [0], [0], ['claims-1/price'])).to.deep.equal({ left: 'nothing' });
    expect(left('elsewhere', [0], [0])).to.deep.equal({ left: 'nothing' });
  });
});
