// Protects: the exit code of each kind of error, which scripts and cron tables rely on.
import { expect } from 'chai';
import { BatchctlError, type ErrorKind, exitCodeOf } from '../src/errors.ts';

const EXIT_CODES = {
  unexpected: 1,
  usage: 2,
  config: 3,
  jobFile: 3,
  credentials: 3,
  notFound: 4,
  jobFailed: 5,
  notFinished: 6,
  refused: 7,
  unavailable: 8,
  full: 8,
  newer: 8,
  proof: 9,
  changed: 9,
  corrupt: 9,
  late: 10,
  finding: 11,
  interrupted: 130,
} satisfies Record<ErrorKind, number>;

describe('an error', () => {
  for (const [kind, code] of Object.entries(EXIT_CODES)) {
    it(`of kind ${kind} exits with ${code}`, () => {
      expect(exitCodeOf(new BatchctlError(kind as ErrorKind, 'x'))).to.equal(code);
    });
  }

  it('without a kind, or that is no error at all, exits with 1', () => {
    for (const thrown of [new TypeError('x'), 'x', null, undefined]) expect(exitCodeOf(thrown)).to.equal(1);
  });
});
