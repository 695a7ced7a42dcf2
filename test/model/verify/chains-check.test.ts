// Protects: the proof of a job notices every missing, failed, skipped or unexpected output.
import { expect } from 'chai';
import type { StepFacts } from '../../../src/model/decide.ts';
import type { EntryKind } from '../../../src/model/journal.ts';
import { type ChainsResult, checkChains } from '../../../src/model/verify/chains-check.ts';
import { Findings } from '../../../src/model/verify/findings.ts';
import type { JobView, OpenedGather } from '../../../src/model/view.ts';
import { closeOf, factsOf, SENT, viewOf as viewOfJob } from '../job-of.ts';

const YAML = (tolerate: number): string => `
name: claims
input: { split: { by: range, from: 1, to: 4 } }
tolerate: ${tolerate}
steps:
  - { name: price, run: [cat] }
  - { name: convert, run: [cat] }
  - { name: totals, gather: true, run: [cat] }
`;
const SUCCEEDED = closeOf('succeeded');

/** A job with four chains through two map steps and a gather, and this journal. */
const viewOf = (entries: readonly EntryKind[], tolerate = 0): JobView => {
  const view = viewOfJob(entries, YAML(tolerate));
  return { ...view, record: { ...view.record, version: '0.2.0' } };
};
const facts = (published: readonly number[], failed: readonly number[] = [], size = 4): StepFacts =>
  factsOf(size, published, failed);

const openOf = (count: number, leftOut: string): EntryKind => ({ what: 'open', step: 'totals', count, leftOut });
const openedOf = (count: number, leftOut: string): OpenedGather => ({ format: 1, id: 'x', count, leftOut });
const gather = (opened: OpenedGather | null, published: readonly number[] = [0]): StepFacts => ({
  ...facts(published, [], 1),
  opened,
});

function check(view: JobView, all: readonly StepFacts[]): ChainsResult & { readonly codes: readonly string[] } {
  const findings = new Findings();
  const checked = checkChains(view, all, findings);
  return { ...checked, codes: findings.list().map(({ code }) => code) };
}

describe('proving that every chain has one accepted end', () => {
  const all = [0, 1, 2, 3];
  const closed = viewOf([SENT, SUCCEEDED]);

  it('finds nothing wrong if everything is published and the gather read it all', () => {
    const { codes, steps } = check(closed, [facts(all), facts(all), gather(openedOf(4, ''))]);
    expect(codes).to.deep.equal([]);
    expect(steps).to.deep.equal([
      { name: 'price', tasks: 4, published: 4, failed: 0, skipped: 0, missing: 0 },
      { name: 'convert', tasks: 4, published: 4, failed: 0, skipped: 0, missing: 0 },
      { name: 'totals', tasks: 1, published: 1, failed: 0, skipped: 0, missing: 0 },
    ]);
  });

  it('names an output that is gone from the last map step, from the gather, or from the middle of a chain', () => {
    const last = check(closed, [facts(all), facts([0, 1, 3]), gather(openedOf(4, ''))]);
    expect([last.codes, last.missing]).to.deep.equal([['missing'], ['convert/2']]);
    const end = check(closed, [facts(all), facts(all), gather(openedOf(4, ''), [])]);
    expect([end.codes, end.missing]).to.deep.equal([['missing'], ['totals/0']]);
    const middle = check(closed, [facts([0, 1, 3]), facts(all), gather(openedOf(4, ''))]);
    expect([middle.codes, middle.missing]).to.deep.equal([['missing', 'orphan'], ['price/2']]);
  });

  it('finds a gather without a record of its input, or with a wrong number in it', () => {
    expect(check(closed, [facts(all), facts(all), gather(null)]).codes).to.deep.equal(['notOpened']);
    expect(check(closed, [facts(all), facts(all), gather(openedOf(3, ''))]).codes).to.deep.equal(['opened']);
    expect(check(closed, [facts(all), facts(all), gather(openedOf(4, 'all of it'))]).codes).to.deep.equal(['opened']);
  });

  it('finds an output that a gather read although its task had failed, and that has disappeared since', () => {
    const gone = [facts(all), facts([0, 1, 3], [2]), gather(openedOf(4, ''))];
    expect(check(viewOf([SUCCEEDED], 1), gone).codes).to.deep.equal(['opened']);
    const there = [facts(all), facts(all, [2]), gather(openedOf(4, ''))];
    expect(check(viewOf([SUCCEEDED], 1), there).codes).to.deep.equal([]);
  });

  it('compares the failures of both map steps with the tolerance', () => {
    const two = [facts([0, 1, 2], [3]), facts([0, 1], [2]), gather(openedOf(2, '2-3'))];
    const within = check(viewOf([SUCCEEDED], 2), two);
    expect([within.codes, within.failed]).to.deep.equal([[], ['price/3', 'convert/2']]);
    expect(within.chains).to.deep.equal({ failed: 2, tolerated: 2 });
    expect(check(viewOf([SUCCEEDED], 1), two).codes).to.deep.equal(['failures']);
  });

  it('counts a task that a person skipped as skipped, whether it had failed or not', () => {
    const skip: EntryKind = { what: 'skip', tasks: { price: '3', convert: '2' }, reason: 'paid by hand' };
    const { codes, skipped, chains } = check(viewOf([skip, SUCCEEDED]), [
      facts([0, 1, 2], [3]),
      facts([0, 1]),
      gather(openedOf(2, '2-3')),
    ]);
    expect([codes, skipped, chains.failed]).to.deep.equal([[], ['price/3', 'convert/2'], 0]);
  });

  it('names an output that came after the gather had been opened without it, without failing the proof', () => {
    const found = [facts(all), facts(all), gather(openedOf(3, '1'))];
    const { codes, late } = check(viewOf([openOf(3, '1'), SUCCEEDED], 1), found);
    expect([codes, late]).to.deep.equal([[], ['convert/1']]);
  });

  it('finds that the gather was opened without an output, and no entry, or another one, decided that', () => {
    const found = [facts(all), facts(all), gather(openedOf(3, '1'))];
    expect(check(viewOf([SUCCEEDED], 1), found).codes).to.deep.equal(['opened']);
    expect(check(viewOf([openOf(3, '2'), SUCCEEDED], 1), found).codes).to.deep.equal(['opened']);
    expect(check(viewOf([openOf(2, '1'), SUCCEEDED], 1), found).codes).to.deep.equal(['opened']);
    // A decision that lost against an opening with all outputs has no effect.
    expect(
      check(viewOf([openOf(3, '1'), SUCCEEDED], 1), [facts(all), facts(all), gather(openedOf(4, ''))]).codes,
    ).to.deep.equal([]);
  });

  it('finds that a gather of a succeeded job has no record of its input, although it made no output', () => {
    const two = [facts(all), facts(all), gather(null, [])];
    expect(check(viewOf([SENT, SUCCEEDED]), two).codes).to.deep.equal(['notOpened']);
    expect(check(viewOf([SENT, closeOf('failed')]), two).codes).to.deep.equal([]);
  });

  it('counts tasks that were given up as failed, and those that a cancel left as missing', () => {
    const some = [facts([0]), facts([0]), gather(null, [])];
    const stopped = check(viewOf([{ what: 'stop', cause: '1 failed' }, closeOf('failed')]), some);
    expect([stopped.codes, stopped.failed.length, stopped.missing.length]).to.deep.equal([['failures'], 3, 0]);
    const cancelled = check(viewOf([{ what: 'cancel' }, closeOf('cancelled')]), some);
    expect([cancelled.codes, cancelled.missing.length]).to.deep.equal([['missing'], 3]);
  });

  it('names at most a thousand tasks, and counts them all', () => {
    const view = viewOf([SUCCEEDED]);
    const many: JobView = { ...view, record: { ...view.record, parts: 5_000 } };
    const { missing, steps } = check(many, [facts([], [], 5_000), facts([], [], 5_000), gather(null, [])]);
    expect([missing.length, steps[0]?.missing]).to.deep.equal([1_000, 5_000]);
  });
});
