// Protects: infra up applies exactly the planned steps in their order, and stops between two of them.
import { expect } from 'chai';
import { applySteps, type ExecutableStep, type PlanStep } from '../../src/infra/plan.ts';
import type { Resource } from '../../src/infra/resource.ts';
import { failsWith, rejection } from '../support/rejection.ts';

describe('applying the steps of a plan', () => {
  /** Steps with these actions, and what happens to them. */
  function stepsOf(...actions: readonly PlanStep['action'][]) {
    const happened: string[] = [];
    const steps = actions.map((action, n): ExecutableStep => {
      const name = `${action}-${n}`;
      const named = { part: 'grid', kind: 'queue', name } as const;
      const resource: Resource = {
        ...named,
        look: () => expect.fail('it looks again'),
        remove: () => expect.fail('it removes'),
        apply: async () => {
          happened.push(`apply ${name}`);
          if (name.startsWith('open')) throw new Error('denied');
        },
      };
      return { resource, step: { ...named, action, changes: [], notes: [], lacks: [] } };
    });
    return { steps, happened, done: ({ name }: PlanStep) => void happened.push(`done ${name}`) };
  }

  it('makes and changes in order, each reported once it is done, and leaves what is as it should be', async () => {
    const { steps, happened, done } = stepsOf('create', 'keep', 'change');
    await applySteps(steps, done, new AbortController().signal);
    expect(happened).to.deep.equal(['apply create-0', 'done create-0', 'apply change-2', 'done change-2']);
  });

  it('stops at the first that fails, which is not reported as done', async () => {
    const { steps, happened, done } = stepsOf('create', 'open', 'create');
    expect((await rejection(applySteps(steps, done, new AbortController().signal))).message).to.equal('denied');
    expect(happened).to.deep.equal(['apply create-0', 'done create-0', 'apply open-1']);
  });

  it('ends between two steps when it is interrupted, and names the next; not if nothing is left', async () => {
    const { steps, happened, done } = stepsOf('create', 'keep', 'change', 'keep');
    const abort = new AbortController();
    const stopAfter = (name: string) => (step: PlanStep) => {
      done(step);
      if (step.name === name) abort.abort();
    };
    const error = await failsWith('interrupted', applySteps(steps, stopAfter('create-0'), abort.signal));
    expect(error.message).to.equal('stopped before queue change-2');
    expect(happened).to.deep.equal(['apply create-0', 'done create-0']);
    const last = stepsOf('change', 'keep');
    const end = new AbortController();
    await applySteps(last.steps, () => end.abort(), end.signal);
    expect(last.happened).to.deep.equal(['apply change-0']);
  });
});
