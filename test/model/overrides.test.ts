// Protects: changes made by a retry apply to exactly the requested tasks, and to what follows them.
import { expect } from 'chai';
import type { EntryKind, Overrides } from '../../src/model/journal.ts';
import { changedCode, changedParams, changedStep, foldOverrides } from '../../src/model/overrides.ts';
import { overridesOf } from '../../src/model/view.ts';
import { retryOf, viewOf } from './job-of.ts';

const round = (n: number, price: string, overrides: Overrides, canaries: string | null = null): EntryKind =>
  retryOf(n, { price }, { overrides, canaries: canaries === null ? null : { price: canaries } });

describe('the change that a round makes', () => {
  it('applies to the tasks that it requests, and to later rounds, which build on it', () => {
    const view = viewOf([
      round(1, '0-1', { timeout: 60, params: { region: 'US' } }),
      round(2, '1-2', { params: { day: '2' } }),
    ]);
    expect(overridesOf(view, 0, 3)).to.deep.equal({});
    expect(overridesOf(view, 0, 0)).to.deep.equal({ timeout: 60, params: { region: 'US' } });
    expect(overridesOf(view, 0, 2)).to.deep.equal({ timeout: 60, params: { region: 'US', day: '2' } });
  });

  it("applies to the chain's later steps, and to the gather that waits for it", () => {
    const view = viewOf([round(1, '0', { code: 'abc' })]);
    expect(overridesOf(view, 1, 0)).to.deep.equal({ code: 'abc' });
    expect(overridesOf(view, 1, 1)).to.deep.equal({});
    expect(overridesOf(view, 2, 0)).to.deep.equal({ code: 'abc' });
  });

  it("doesn't apply to tasks held back by canaries until they are released", () => {
    const entries = [round(1, '0-1', { timeout: 60 }, '0')];
    expect(overridesOf(viewOf(entries), 0, 1)).to.deep.equal({});
    expect(overridesOf(viewOf(entries), 0, 0)).to.deep.equal({ timeout: 60 });
    const released = viewOf([...entries, { what: 'retry-rest', round: 1 }]);
    expect(overridesOf(released, 0, 1)).to.deep.equal({ timeout: 60 });
  });

  it('is replaced as a whole by a changed job file', () => {
    const before = { timeout: 60, params: { region: 'US' }, code: 'abc', steps: { price: { attempts: 9 } } };
    const changes = { timeout: null, code: 'def', steps: {}, defaults: { region: 'FR' }, params: {} };
    expect(foldOverrides(before, changes)).to.deep.equal(changes);
  });

  it('changes a step, its parameters and its code', () => {
    const { record } = viewOf([]);
    const [step] = record.spec.steps;
    if (step === undefined) throw new Error('no step');
    const changes = { steps: { price: { run: ['cat', '-n'], timeout: 90 } } } as const;
    expect(changedStep(step, changes)).to.deep.include({ run: ['cat', '-n'], timeout: 90, attempts: 3 });
    expect(changedStep(step, { ...changes, timeout: 5 }).timeout).to.equal(5);
    expect(changedStep(step, { timeout: null })).to.equal(step);
    expect(changedParams(record, { defaults: { a: '1', b: '1' }, params: { b: '2' } })).to.deep.equal({
      a: '1',
      b: '2',
    });
    expect(changedCode({ ...record, code: 'abc' }, { code: null })).to.equal(null);
    expect(changedCode({ ...record, code: 'abc' }, {})).to.equal('abc');
  });
});
