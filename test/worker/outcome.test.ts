// Protects: a failed attempt is retried exactly as often as its step says, and not if a retry can't help.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { HeaderError } from '../../src/jobs/fetch/header.ts';
import type { Failure } from '../../src/model/failure.ts';
import {
  failureOf,
  failureOfError,
  judgeFailure,
  type Outcome,
  outcomeOfAbort,
  shortMessageOf,
} from '../../src/worker/outcome.ts';
import { viewOf } from '../model/job-of.ts';
import { endOf, makeTask } from './worker-context.ts';

const TASK = makeTask(viewOf([]));

describe('a failed attempt', () => {
  const failure: Failure = { reason: 'exit', exitCode: 1, error: 'x' };
  const step = { ...TASK.step, attempts: 3, permanent: [65] };
  const judge = (number: number, fields: Partial<Failure> = {}): Outcome =>
    judgeFailure({ step, number }, { ...failure, ...fields }, 1);

  it('is retried after a longer delay each time, until its attempts are used up', () => {
    expect(judge(1)).to.deep.equal({ kind: 'retry', failure, delay: 1 });
    expect(judge(2)).to.deep.equal({ kind: 'retry', failure, delay: 2 });
    expect(judge(3)).to.deep.equal({ kind: 'failed', failure, attempts: 3 });
    expect(judge(4)).to.include({ kind: 'failed', attempts: 4 });
  });

  it('fails for good at once for a permanent exit code, a changed input, a missing program or no output', () => {
    expect(judge(1, { exitCode: 65 })).to.include({ kind: 'failed', attempts: 1 });
    for (const reason of ['changed', 'missing', 'no-output'])
      expect(judge(1, { reason, exitCode: null }), reason).to.include({ kind: 'failed', attempts: 1 });
    expect(judge(1, { reason: 'timeout', exitCode: null })).to.include({ kind: 'retry' });
  });
});

describe('an attempt that is ended from outside', () => {
  it('uses up no attempt and is returned at once, unless a person ended the task or its job, or its lease is lost', () => {
    for (const why of ['pause', 'drain', 'spot', 'kill'] as const)
      expect(outcomeOfAbort({ number: 2 }, why)).to.deep.equal({ kind: 'interrupted', why, delay: 0 });
    expect(outcomeOfAbort({ number: 2 }, 'lease')).to.deep.equal({ kind: 'leaseLost' });
    expect(outcomeOfAbort({ number: 2 }, 'cancel')).to.deep.equal({ kind: 'dropped', why: 'cancelled' });
    expect(outcomeOfAbort({ number: 2 }, 'skip')).to.deep.equal({ kind: 'dropped', why: 'skipped' });
    const failure = { reason: 'killed', exitCode: null, error: 'failed by kill' };
    expect(outcomeOfAbort({ number: 2 }, 'killFail')).to.deep.equal({ kind: 'failed', failure, attempts: 2 });
  });
});

describe('the reason why an attempt failed', () => {
  it('is memory if the system killed it, and otherwise the way it ended; its last line says more', () => {
    expect(failureOf(endOf({ how: 'signal', code: 137, signal: 'SIGKILL' }), null)).to.deep.equal({
      reason: 'memory',
      exitCode: 137,
      error: 'killed by SIGKILL, probably because memory ran out',
    });
    expect(failureOf(endOf({ how: 'signal', code: 139, signal: 'SIGSEGV' }), null)).to.include({
      reason: 'signal',
      error: 'ended by SIGSEGV',
    });
    expect(failureOf(endOf({ how: 'timeout', code: 143, seconds: 3.4 }), null).error).to.equal(
      'ran longer than its timeout (3 s)',
    );
    expect(failureOf(endOf({ code: 9 }), 'no rate')).to.deep.equal({ reason: 'exit', exitCode: 9, error: 'no rate' });
  });

  it('is the input, which no retry fixes, or the output, but never an unavailable service', () => {
    const header = new HeaderError('other columns');
    expect(failureOfError(header)).to.include({ reason: 'input', error: 'other columns' });
    expect(judgeFailure(TASK, { reason: 'input', exitCode: null, error: 'x' })).to.include({ kind: 'failed' });
    for (const kind of ['jobFailed', 'usage'] as const)
      expect(failureOfError(new BatchctlError(kind, 'x'))).to.include({ reason: 'output' });
    for (const kind of ['changed', 'corrupt', 'proof'] as const)
      expect(failureOfError(new BatchctlError(kind, 'x'))).to.include({ reason: kind });
    for (const kind of ['config', 'usage', 'changed'] as const)
      expect(failureOfError(new BatchctlError(kind, 'x', { isRefusal: true })), `a service's ${kind}`).to.equal(null);
    for (const error of [new BatchctlError('unavailable', 'x'), new BatchctlError('full', 'x'), new Error('x')])
      expect(failureOfError(error)).to.equal(null);
    expect(shortMessageOf(new Error('x'.repeat(600)))).to.have.length(512);
  });
});
