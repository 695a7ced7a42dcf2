// Protects: an attempt that made two outputs is detected and both are named, among any number; no other is reported.
import { expect } from 'chai';
import { randomId } from '../../../src/lib/id.ts';
import { AttemptPlaces } from '../../../src/model/verify/attempt-places.ts';

describe('AttemptPlaces', () => {
  it('names the task where an attempt was recorded before, among many in several steps', () => {
    const sizes = [30_000, 0, 20_000, 1];
    const places = new AttemptPlaces(
      [{ name: 'price' }, { name: 'none' }, { name: 'convert' }, { name: 'totals' }],
      sizes,
    );
    const attempts = sizes.flatMap((size, step) =>
      Array.from({ length: size }, (_, task) => ({ step, task, id: randomId(16) })),
    );
    const answers = attempts.map(({ id, step, task }) => places.note(id, step, task));
    expect(answers.filter((answer) => answer !== null)).to.deep.equal([]);
    const of = (step: number, task: number) => attempts.find((one) => one.step === step && one.task === task)?.id ?? '';
    expect(places.note(of(0, 0), 0, 1)).to.equal('price/0');
    expect(places.note(of(0, 29_999), 2, 4)).to.equal('price/29999');
    expect(places.note(of(2, 0), 3, 0)).to.equal('convert/0');
    expect(places.note(of(3, 0), 0, 7)).to.equal('totals/0');
    expect(attempts.every(({ id }) => places.note(id, 0, 0) !== null)).to.equal(true);
  });

  it('distinguishes ids that differ only slightly', () => {
    const places = new AttemptPlaces([{ name: 'price' }], [1]); // Enough to make it grow.
    const found = Array.from({ length: 50_000 }, (_, task) => places.note(`a${task}`, 0, task));
    expect(found.filter((answer) => answer !== null)).to.deep.equal([]);
  });
});
