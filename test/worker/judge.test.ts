// Protects: a failed attempt is tried again exactly as often as its step says, and not where that can't help.
import { expect } from 'chai';
import { judgeFailure } from '../../src/worker/judge.ts';

describe('a failed attempt', () => {
  const judged = (number: number, failure: { reason?: string; exitCode?: number | null } = {}): unknown =>
    judgeFailure(
      { step: { attempts: 3, permanent: [65] }, number } as never,
      { reason: 'exit', exitCode: 1, error: 'x', ...failure },
      1,
    );

  it('is tried again, later each time, until its attempts are used up', () => {
    const failure = { reason: 'exit', exitCode: 1, error: 'x' };
    expect(judged(1)).to.deep.equal({ kind: 'retry', failure, delay: 1 });
    expect(judged(2)).to.deep.equal({ kind: 'retry', failure, delay: 2 });
    expect(judged(3)).to.deep.equal({ kind: 'failed', failure, attempts: 3 });
    expect(judged(4)).to.include({ kind: 'failed', attempts: 4 });
  });

  it('fails for good at once by a permanent exit code, a changed input or a missing program', () => {
    expect(judged(1, { exitCode: 65 })).to.include({ kind: 'failed', attempts: 1 });
    for (const reason of ['changed', 'missing'])
      expect(judged(1, { reason, exitCode: null }), reason).to.include({ kind: 'failed', attempts: 1 });
    expect(judged(1, { reason: 'timeout', exitCode: null })).to.include({ kind: 'retry' });
  });
});
