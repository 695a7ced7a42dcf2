// Protects: control totals are checked exactly, and a wrong expectation is refused with its reason.
import { expect } from 'chai';
import fc from 'fast-check';
import { BatchctlError } from '../../src/errors.ts';
import { countersOf, evaluateExpect, parseExpect } from '../../src/model/expect.ts';

const totals: Readonly<Record<string, string>> = {
  'price.records': '9000',
  'input.records': '9000',
  'input.bytes': '40000000001',
  'price.sum': '0.3',
  'price.fees': '0.1',
  'price-all.sum': '12345678901234567890.01',
  rejected: '12',
};
const lookup = (step: string | null, counter: string): string | null =>
  totals[step === null ? counter : `${step}.${counter}`] ?? null;

describe('an expectation', () => {
  const table: readonly (readonly [text: string, ok: boolean, left: string | null, right: string | null])[] = [
    ['price.records == input.records', true, '9000', '9000'],
    ['price.records==input.records', true, '9000', '9000'],
    ['price.records + rejected == input.records', false, '9012', '9000'],
    ['price.records != input.records', false, '9000', '9000'],
    ['price.sum == price.fees + price.fees + price.fees', true, '0.3', '0.3'],
    ['price.sum * 3 - 0.9 == 0', true, '0', '0'],
    ['2 + 3 * 4 == 14', true, '14', '14'],
    ['10 - 3 - 2 == 5', true, '5', '5'],
    ['-1 < 0', true, '-1', '0'],
    ['+1 <= 1.0', true, '1', '1'],
    ['price-all.sum >= 12345678901234567890.01', true, '12345678901234567890.01', '12345678901234567890.01'],
    ['price-all.sum > 12345678901234567890.01', false, '12345678901234567890.01', '12345678901234567890.01'],
    ['input.bytes <= 40000000000', false, '40000000001', '40000000000'],
    ['price.records == nobody.counted', false, null, null],
  ];
  for (const [text, ok, left, right] of table) {
    it(`${text} is ${ok}`, () => {
      const result = evaluateExpect(parseExpect(text), lookup);
      expect([result.ok, result.left, result.right]).to.deep.equal([ok, left, right]);
    });
  }

  it('names a counter that no task reported', () => {
    const result = evaluateExpect(parseExpect('a.b - c == a.b'), lookup);
    expect(result.missing).to.deep.equal(['a.b', 'c']);
  });

  it('names the counters it needs', () => {
    expect(countersOf(parseExpect('a-b.c_d * 2 == e')).map((counter) => [counter.step, counter.counter])).to.deep.equal(
      [
        ['a-b', 'c_d'],
        [null, 'e'],
      ],
    );
  });

  const wrong: readonly (readonly [text: string, says: string])[] = [
    ['', 'a comparison is missing'],
    ['a.b', 'a comparison is missing'],
    ['a = b', 'did you mean ==? (at character 3)'],
    ['a == ', 'a value is missing'],
    ['== a', 'a value is missing'],
    ['a == b == c', 'a second comparison =='],
    ['a b == c', '+, - or * is missing before b'],
    ['a + * b == c', 'a value is missing before *'],
    ['* a == c', 'a value is missing before *'],
    ['a / b == c', 'can\'t read "/"'],
    ['(a) == c', 'can\'t read "(a)"'],
    ['a.b.c == 1', 'can\'t read "a.b.c"'],
    ['1e3 == a', 'can\'t read "1e3"'],
    ['a => b', 'did you mean ==?'],
  ];
  for (const [text, says] of wrong) {
    it(`${JSON.stringify(text)} is refused: ${says}`, () => {
      expect(() => parseExpect(text))
        .to.throw(BatchctlError)
        .with.property('message')
        .that.contains(says);
    });
  }

  it('adds any number of cents exactly', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1e9 }), { minLength: 1, maxLength: 20 }), (cents) => {
        const decimal = (n: bigint): string => `${n / 100n}.${String(n % 100n).padStart(2, '0')}`;
        const sum = cents.reduce((total, n) => total + BigInt(n), 0n);
        const text = `${cents.map((n) => decimal(BigInt(n))).join(' + ')} == ${decimal(sum)}`;
        return evaluateExpect(parseExpect(text), () => null).ok;
      }),
    );
  });
});
