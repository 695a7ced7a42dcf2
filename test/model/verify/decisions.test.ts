// Protects: a proof names who decided on tolerance, retries and skips, and its file pieces parse strictly.
import { expect } from 'chai';
import fc from 'fast-check';
import type { EntryKind, JournalEntry } from '../../../src/model/journal.ts';
import { formatTaskSet, TaskSetWriter } from '../../../src/model/task-set.ts';
import { parseLine } from '../../../src/model/verify/evidence.ts';
import { differences, roundsOf, skipsOf, toleranceOf } from '../../../src/model/verify/verify-result.ts';
import { entryOf, retryOf, SENT, viewOf } from '../job-of.ts';

const YAML =
  'name: a\ninput: { split: { by: range, from: 1, to: 20 } }\ntolerate: 0.3%\nsteps: [{ name: price, run: [cat] }]';
const RECORD = viewOf([], YAML).record;
const entries = (...kinds: readonly EntryKind[]): readonly JournalEntry[] =>
  kinds.map((kind) => entryOf(kind, { who: 'ann@desk' }));

describe('the decisions in a proof', () => {
  it('include the tolerance of the job file, or of its last adjustment, and who made it', () => {
    expect(toleranceOf(RECORD, [])).to.deep.equal({
      value: '0.3%',
      who: 'me@here',
      when: RECORD.createdAt,
      entry: null,
    });
    const adjusted = entries({ what: 'adjust', tolerate: '2' }, { what: 'adjust', maxRunning: 3 });
    expect(toleranceOf(RECORD, adjusted)).to.deep.include({ value: '2', who: 'ann@desk', entry: 0 });
  });

  it('list the retries, with the changes of each', () => {
    const journal = entries(
      SENT,
      { what: 'resume' },
      retryOf(1, { price: '3' }),
      retryOf(2, { price: '4' }, { overrides: { timeout: 9 } }),
    );
    expect(roundsOf(journal).map(({ entry, round, changed }) => [entry, round, changed])).to.deep.equal([
      [2, 1, {}],
      [3, 2, { timeout: 9 }],
    ]);
  });

  it('leave out skips that were undone', () => {
    const journal = entries(
      { what: 'skip', tasks: { price: '3-7' }, reason: 'bad' },
      { what: 'skip', tasks: { price: '9' }, reason: 'worse' },
      { what: 'unskip', tasks: { price: '5,9' } },
      { what: 'skip', tasks: { price: '5' }, reason: 'bad after all' },
    );
    const skips = skipsOf(journal);
    expect(skips.map(({ tasks, reason }) => [tasks, reason])).to.deep.equal([
      ['3-4,6-7', 'bad'],
      ['5', 'bad after all'],
    ]);
  });
});

describe('the content of an evidence file', () => {
  it('has a growing set of tasks in the form of a complete one', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(60)), (numbers) => {
        const sorted = numbers.sort((a, b) => a - b);
        const writer = new TaskSetWriter();
        for (const n of sorted) writer.add(n);
        expect(String(writer)).to.equal(formatTaskSet(sorted));
      }),
    );
  });

  it('differs from another document in exactly the changed paths, and not from an equal one', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect([...differences(value, structuredClone(value))]).to.deep.equal([]);
      }),
    );
    const found = [...differences({ a: [1, { b: 2 }], c: null }, { a: [1, { b: 3 }], d: 1 })].map(({ path }) => path);
    expect(found).to.deep.equal(['a[1].b', 'c', 'd']);
    expect([...differences([1], [1, 2])][0]?.path).to.equal('.length');
  });

  it('is parsed only from complete lines', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.jsonValue().map((value) => JSON.stringify(value)),
        ),
        (text) => {
          expect(parseLine(text)).to.equal(null);
        },
      ),
    );
    for (const line of ['evidence', 'input', 'decision', 'part', 'opened', 'end', 'shard', 'proof', 'seal'])
      expect(parseLine(JSON.stringify({ line })), line).to.equal(null);
  });
});
